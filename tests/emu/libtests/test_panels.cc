/* tests/emu/libtests/test_panels.cc - the host's matrix product: the order of its sums, on every
 * level of the CPU, and the conversions of 16-bit numbers. Read next: tests/emu/libs/panels.cc. */
#include "../libs/panels.cc"

#include <cstdio>

using namespace emulib;

static int nfailed;

static void say(bool ok, const char *name)
{
    printf("%sok %s\n", ok ? "" : "not ", name);
    nfailed += !ok;
}

static uint64_t state = 7;

static float uneven()
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 33) * 0x1.234567p-29f - 1.7f;
}

static void tiles_agree(const char *name, tile_fn *tile, bool has)
{
    enum { LENGTH = 101 };
    std::vector<float> a(ROWS * LENGTH), b(COLS * LENGTH), expected(ROWS * COLS), got(ROWS * COLS);
    for (float &x : a) x = uneven();
    for (float &x : b) x = uneven();
    if (!has) {
        printf("skip %s: this CPU does not have it\n", name);
        return;
    }
    tile_plain(expected.data(), a.data(), b.data(), LENGTH);
    tile(got.data(), a.data(), b.data(), LENGTH);
    say(!memcmp(expected.data(), got.data(), got.size() * sizeof(float)), name);
}

/* The documented order, written down once more: chains of CHAIN, added in ascending order. */
static float chained(const std::vector<float> &a, const std::vector<float> &b, int64_t i, int64_t j,
                     int64_t k, int64_t n)
{
    float total = 0;
    for (int64_t from = 0; from < k; from += CHAIN) {
        float sum = 0;
        for (int64_t l = from; l < std::min<int64_t>(k, from + CHAIN); l++)
            sum = fmaf(a[(size_t)(i * k + l)], b[(size_t)(l * n + j)], sum);
        total += sum;
    }
    return total;
}

static void sums_in_order()
{
    const int64_t m = 45, n = 26, k = 2 * CHAIN + 13;
    std::vector<float> a((size_t)(m * k)), b((size_t)(k * n)), c((size_t)(m * n), 0.0f);
    bool ok = true;
    for (float &x : a) x = uneven();
    for (float &x : b) x = uneven();
    multiply(c.data(), m, n, 0, k, { a.data(), CUDA_R_32F, k, 1, false },
             { b.data(), CUDA_R_32F, n, 1, false });
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            ok = ok && bits_of(c[(size_t)(j * m + i)]) == bits_of(chained(a, b, i, j, k, n));
    say(ok, "f32 sums are chains of 128 products, added in ascending order");
}

static void extreme_integers()
{
    const int64_t k = 5 * CHAIN + 3;
    std::vector<int8_t> a((size_t)k, -128), b((size_t)k, -128);
    int32_t c = 5;
    multiply(&c, 1, 1, 0, k, { a.data(), CUDA_R_8I, k, 1, false },
             { b.data(), CUDA_R_8I, 1, k, false });
    say(c == 5 + 128 * 128 * k, "int8 sums are exact at the extremes");
}

/* Every half and bfloat16 survives the way to f32 and back; neighbours round to even. */
static void conversions()
{
    bool ok = true;
    for (uint32_t h = 0; h < 0x10000; h++) {
        bool nan = (h & 0x7fff) > 0x7c00, bnan = (h & 0x7fff) > 0x7f80;
        ok = ok && (nan || half_of_float(float_of_half((uint16_t)h)) == h);
        ok = ok && (bnan || bfloat_of_float(float_of_bfloat((uint16_t)h)) == h);
    }
    say(ok, "halves and bfloats survive f32");
    ok = half_of_float(2049) == 0x6800 && half_of_float(2051) == 0x6802 && /* ties: 2048, 2052 */
         half_of_float(65519.0f) == 0x7bff && half_of_float(65520.0f) == 0x7c00 &&
         half_of_float(-0x1p-25f) == 0x8000 && half_of_float(0x1.8p-25f) == 0x0001 &&
         half_of_float(0x1p-14f - 0x1p-26f) == 0x0400 &&
         std::isnan(float_of_half(half_of_float(NAN)));
    say(ok, "halves round to nearest, ties to even");
    ok = bfloat_of_float(float_of(0x3f808000)) == 0x3f80 &&
         bfloat_of_float(float_of(0x3f818000)) == 0x3f82 &&
         bfloat_of_float(float_of(0x7f7fffff)) == 0x7f80 &&
         std::isnan(float_of_bfloat(bfloat_of_float(NAN)));
    say(ok, "bfloats round to nearest, ties to even");
    ok = tf32_of_float(float_of(0x3f801000)) == float_of(0x3f802000) &&
         tf32_of_float(float_of(0x3f800fff)) == 1.0f && std::isinf(tf32_of_float(INFINITY));
    say(ok, "TF32 rounds ties away from zero");
    int8_t got[5];
    const float given[5] = { 2.5f, -200, 126.6f, 3.5f, NAN };
    for (int i = 0; i < 5; i++) store(got, CUDA_R_8I, i, given[i]);
    say(got[0] == 2 && got[1] == -128 && got[2] == 127 && got[3] == 4 && got[4] == -128,
        "int8 saturates and rounds to even");
}

int main()
{
    tiles_agree("AVX2 tile equals the plain one", tile_avx2,
                __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    tiles_agree("AVX-512 tile equals the plain one", tile_avx512,
                __builtin_cpu_supports("avx512f"));
    sums_in_order();
    extreme_integers();
    conversions();
    return nfailed != 0;
}
