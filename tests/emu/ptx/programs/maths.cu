/* maths.cu - what nvcc makes of libm, integer division, switches, local arrays, recursion-free
 * functions, half and bfloat16 intrinsics. Read next: program.cuh. */
#include "program.cuh"

#include <cmath>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

constexpr int FLOATS = 12, DOUBLES = 5;

__global__ void floats(const float *x, float *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = x[i], *r = y + i * FLOATS;
    r[0] = expf(v * 0.01f), r[1] = logf(fabsf(v) + 1), r[2] = sinf(v), r[3] = cosf(v * 1000),
    r[4] = tanhf(v * 0.1f), r[5] = erff(v * 0.1f);
    r[6] = powf(fabsf(v) + 0.1f, 1.3f), r[7] = v / 3.7f, r[8] = sqrtf(fabsf(v)),
    r[9] = rsqrtf(fabsf(v) + 1), r[10] = fmodf(v, 0.7f), r[11] = log1pf(fabsf(v));
}

__global__ void doubles(const float *x, double *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    double v = x[i], *r = y + i * DOUBLES;
    r[0] = exp(v * 0.01), r[1] = sin(v), r[2] = v / 3, r[3] = sqrt(fabs(v)),
    r[4] = log(fabs(v) + 1);
}

__device__ __noinline__ long long divisor(long long a, long long b)
{
    while (b) {
        long long t = a % b;
        a = b;
        b = t;
    }
    return a;
}

__device__ __noinline__ int chosen(int k, int v)
{
    switch (k) {
    case 0: return v + 1;
    case 1: return v * 3;
    case 2: return v - 7;
    case 3: return v ^ 5;
    case 4: return v << 2;
    case 5: return v / 3;
    case 6: return v % 11;
    case 7: return ~v;
    default: return 0;
    }
}

__global__ void integers(const long long *a, long long *g, int *s, int n)
{
    int i = threadIdx.x, local[16], sum = 0;
    if (i >= n) return;
    g[i] = divisor(a[i], 360360ll * (i + 1));
    s[i] = chosen(i % 9, i * 37 - 100);
    for (int j = 0; j < 16; j++) local[j] = (i * j) & 15;
    for (int j = 0; j < 16; j++) sum += local[local[j]] * (j + 1);
    s[n + i] =
        sum + __clz(i + 1) + __popc(i) + __ffs(i) + (int)__brev(i) + __mulhi(i << 20, i << 14);
}

__global__ void halves(const float *x, __half *h, __nv_bfloat16 *b, int n)
{
    int i = threadIdx.x;
    if (i >= n) return;
    __half v = __float2half(x[i]);
    h[i] = __hadd(__hmul(v, v), __float2half(0.5f));
    __half2 two = __halves2half2(v, __hneg(v));
    h[n + i] = __high2half(__hfma2(two, two, two));
    h[2 * n + i] = hexp(__hmul(v, __float2half(0.01f)));
    b[i] = __hfma(__float2bfloat16(x[i]), __float2bfloat16(2.0f), __float2bfloat16(1.0f));
    b[n + i] = __float2bfloat16_rz(x[i] * 1.01f);
    h[3 * n + i] = __hmax(v, __float2half(3.0f));
}

static double half_value(__half v)
{
    return __half2float(v);
}
static double bfloat_value(__nv_bfloat16 v)
{
    return __bfloat162float(v);
}

static std::vector<float> inputs(int n)
{
    std::vector<float> x(n);
    for (int i = 0; i < n; i++) x[i] = (i - 150) * 0.37f;
    return x;
}

static void test_libm(const std::vector<float> &x)
{
    const int n = (int)x.size();
    Device<float> dx(x), dy(n * FLOATS);
    Device<double> dz(n * DOUBLES);
    floats<<<3, 128>>>(dx, dy, n);
    doubles<<<3, 128>>>(dx, dz, n);
    std::vector<float> y = dy.get();
    std::vector<double> z = dz.get();
    for (int i = 0; i < n; i++) {
        double v = x[i], a = std::fabs(v);
        double r[FLOATS] = { std::exp((double)(x[i] * 0.01f)),
                             std::log(a + 1),
                             std::sin(v),
                             std::cos((double)(x[i] * 1000)),
                             std::tanh((double)(x[i] * 0.1f)),
                             std::erf((double)(x[i] * 0.1f)),
                             std::pow((double)(std::fabs(x[i]) + 0.1f), (double)1.3f),
                             v / 3.7f,
                             std::sqrt(a),
                             1 / std::sqrt(a + 1),
                             std::fmod(v, (double)0.7f),
                             std::log1p(a) };
        for (int j = 0; j < FLOATS; j++)
            EXPECT(std::fabs(y[i * FLOATS + j] - r[j]) <= 4e-6 * (std::fabs(r[j]) + 1e-3));
        double q[DOUBLES] = { std::exp(v * 0.01), std::sin(v), v / 3, std::sqrt(a),
                              std::log(a + 1) };
        for (int j = 0; j < DOUBLES; j++)
            EXPECT(std::fabs(z[i * DOUBLES + j] - q[j]) <= 1e-13 * (std::fabs(q[j]) + 1e-6));
    }
    finish("libm");
}

static void test_integers()
{
    const int m = 64;
    std::vector<long long> a(m);
    for (int i = 0; i < m; i++) a[i] = 1234567890123ll * (i + 3);
    Device<long long> da(a), dg(m);
    Device<int> ds(2 * m);
    integers<<<1, m>>>(da, dg, ds, m);
    std::vector<long long> g = dg.get();
    std::vector<int> s = ds.get();
    for (int i = 0; i < m; i++) {
        long long p = a[i], q = 360360ll * (i + 1);
        while (q) {
            long long t = p % q;
            p = q;
            q = t;
        }
        EXPECT(g[i] == p);
        int v = i * 37 - 100, sum = 0, reversed = 0;
        int results[9] = { v + 1, v * 3,  v - 7, v ^ 5, (int)((unsigned int)v << 2),
                           v / 3, v % 11, ~v,    0 };
        EXPECT(s[i] == results[i % 9]);
        for (int j = 0; j < 16; j++) sum += ((i * ((i * j) & 15)) & 15) * (j + 1);
        for (int j = 0; j < 32; j++) reversed |= (int)((unsigned int)(i >> j & 1) << (31 - j));
        int high = (int)(((long long)(i << 20) * (i << 14)) >> 32);
        EXPECT(s[m + i] == (int)((unsigned int)sum + __builtin_clz(i + 1) + __builtin_popcount(i) +
                                 __builtin_ffs(i) + reversed + high));
    }
    finish("integers_calls_and_local_memory");
}

static void test_halves(const std::vector<float> &x)
{
    std::vector<float> xs(x.begin() + 100, x.begin() + 200);
    Device<float> dxs(xs);
    Device<__half> dh(400);
    Device<__nv_bfloat16> db(200);
    halves<<<1, 128>>>(dxs, dh, db, 100);
    std::vector<__half> h = dh.get();
    std::vector<__nv_bfloat16> b = db.get();
    for (int i = 0; i < 100; i++) {
        float v = __half2float(__float2half(xs[i])), w = __bfloat162float(__float2bfloat16(xs[i]));
        EXPECT(half_value(h[i]) ==
               half_value(__float2half(half_value(__float2half(v * v)) + 0.5f)));
        EXPECT(half_value(h[100 + i]) == half_value(__double2half((double)v * v - v)));
        EXPECT(std::fabs(half_value(h[200 + i]) - std::exp(v * 0.01)) < 2e-3);
        EXPECT(bfloat_value(b[i]) == bfloat_value(__float2bfloat16(std::fma(w, 2.0f, 1.0f))));
        EXPECT(bfloat_value(b[100 + i]) == bfloat_value(__float2bfloat16_rz(xs[i] * 1.01f)));
        EXPECT(half_value(h[300 + i]) == std::fmax(v, 3.0f));
    }
    finish("half_and_bfloat16");
}

int main()
{
    std::vector<float> x = inputs(300);
    test_libm(x);
    test_integers();
    test_halves(x);
    return failed;
}
