/* test_matrix.cc - mma in all shapes and types, dense and sparse, against plain loops.
 * Read next: fragments.hh, test_ldmatrix.cc, runtime/ops/matrix.cc. */
#include "tests/emu/ptx/exact.hh"
#include "tests/emu/ptx/fragments.hh"

using namespace check;
using namespace exact;
using namespace fragments;

/* Which registers an instruction has: D, A, B, C, metadata. */
struct Form {
    std::string instruction;
    int d, a, b;
    std::string selector; /* sparse: ", 0" */
};

static std::vector<u32> multiply(const Form &f, const std::vector<u32> &a,
                                 const std::vector<u32> &b, const std::vector<u32> &c,
                                 const std::vector<u32> &meta, std::string *said)
{
    Array pa(a), pb(b), pc(c), pm(meta), pd(std::vector<u32>(128));
    std::string text = ".visible .entry k(.param .u64 d, .param .u64 a, .param .u64 b, .param .u64 "
                       "c, .param .u64 m)\n{\n"
                       "    .reg .b32 %d<4>, %a<4>, %b<4>, %c<4>, %m, %l;\n    .reg .b64 %p;\n    "
                       "mov.u32 %l, %laneid;\n";
    struct Load {
        char name;
        int n;
    };
    for (Load l : { Load{ 'a', f.a }, Load{ 'b', f.b }, Load{ 'c', f.d } }) {
        text += emu::format("    ld.param.u64 %%p, [%c];\n    mad.wide.u32 %%p, %%l, 16, %%p;\n",
                            l.name);
        for (int i = 0; i < l.n; i++)
            text += emu::format("    ld.global.b32 %%%c%d, [%%p+%d];\n", l.name, i, 4 * i);
    }
    text += "    ld.param.u64 %p, [m];\n    mad.wide.u32 %p, %l, 4, %p;\n    ld.global.b32 %m, "
            "[%p];\n    " +
            f.instruction + " " + list('d', f.d) + ", " + list('a', f.a) + ", " + list('b', f.b) +
            ", " + list('c', f.d) + (f.selector.empty() ? "" : ", %m" + f.selector) +
            ";\n    ld.param.u64 %p, [d];\n    mad.wide.u32 %p, %l, 16, %p;\n";
    for (int i = 0; i < f.d; i++)
        text += emu::format("    st.global.b32 [%%p+%d], %%d%d;\n", 4 * i, i);
    *said = run(text + "    ret;\n}\n", { pd.at(), pa.at(), pb.at(), pc.at(), pm.at() });
    return pd.get<u32>();
}

static int small(int seed)
{
    return (int)((unsigned)seed * 2654435761u >> 24) % 9 - 4;
}

struct Element {
    const char *name;
    int bits;
    u64 (*encode)(int v);
};
static u64 as_f16(int v)
{
    return F16.nearest(v, v < 0);
}
static u64 as_bf16(int v)
{
    return BF16.nearest(v, v < 0);
}
static u64 as_f32(int v)
{
    return bits((float)v);
}
static u64 as_int(int v)
{
    return (u64)(s64)v;
}

static std::vector<u64> encoded(const std::vector<int> &v, u64 (*f)(int))
{
    std::vector<u64> r;
    for (int x : v) r.push_back(f(x));
    return r;
}

static std::vector<int> values(int n, int seed, bool positive = false)
{
    std::vector<int> v;
    for (int i = 0; i < n; i++) v.push_back(positive ? small(i + seed) + 4 : small(i + seed));
    return v;
}

static void dense(const std::string &shape, int k, Element ea, Element eb, Element ed, Place pa,
                  int na, Place pb, int nb)
{
    std::vector<int> a = values(16 * k, 1, ea.name[0] == 'u'),
                     b = values(k * 8, 500, eb.name[0] == 'u'), c = values(128, 900);
    std::string said, extra = ea.bits == 8 ? "" : "";
    Form f = { "mma.sync.aligned." + shape + ".row.col." + ed.name + "." + ea.name + "." + eb.name +
                   "." + ed.name,
               ed.bits == 16 ? 2 : 4, na * ea.bits / 32, nb * eb.bits / 32, "" };
    std::vector<u32> d = multiply(f, fragment(encoded(a, ea.encode), k, pa, na, ea.bits),
                                  fragment(encoded(b, eb.encode), 8, pb, nb, eb.bits),
                                  fragment(encoded(c, ed.encode), 8, c_any, 4, ed.bits),
                                  std::vector<u32>(32), &said);
    if (!said.empty()) check::fail(__FILE__, __LINE__, f.instruction + ": " + said);
    std::vector<u64> got = matrix(d, c_any, ed.bits);
    for (int row = 0; row < 16; row++) {
        for (int col = 0; col < 8; col++) {
            int sum = c[(size_t)(row * 8 + col)];
            for (int i = 0; i < k; i++) sum += a[(size_t)(row * k + i)] * b[(size_t)(i * 8 + col)];
            EXPECT_EQ(got[(size_t)(row * 8 + col)],
                      ed.encode(sum) & (ed.bits == 16 ? 0xffff : 0xffffffff));
        }
    }
}

static const Element f16 = { "f16", 16, as_f16 }, bf16 = { "bf16", 16, as_bf16 },
                     tf32 = { "tf32", 32, as_f32 }, f32e = { "f32", 32, as_f32 },
                     s8e = { "s8", 8, as_int }, u8e = { "u8", 8, as_int },
                     s32e = { "s32", 32, as_int };

TEST(mma_halves)
{
    dense("m16n8k16", 16, f16, f16, f32e, a_k16_half, 8, b_k16_half, 4);
    dense("m16n8k16", 16, f16, f16, f16, a_k16_half, 8, b_k16_half, 4);
    dense("m16n8k16", 16, bf16, bf16, f32e, a_k16_half, 8, b_k16_half, 4);
    dense("m16n8k8", 8, f16, f16, f32e, a_k8_half, 4, b_k8_half, 2);
    dense("m16n8k8", 8, f16, f16, f16, a_k8_half, 4, b_k8_half, 2);
    dense("m16n8k8", 8, bf16, bf16, f32e, a_k8_half, 4, b_k8_half, 2);
}

TEST(mma_tf32)
{
    dense("m16n8k4", 4, tf32, tf32, f32e, a_k4_tf32, 2, b_k4_tf32, 1);
    dense("m16n8k8", 8, tf32, tf32, f32e, a_k8_tf32, 4, b_k8_tf32, 2);
}

TEST(mma_integers)
{
    for (const Element &a : { s8e, u8e }) {
        for (const Element &b : { s8e, u8e }) {
            dense("m16n8k16", 16, a, b, s32e, a_k16_int, 8, b_k16_int, 4);
            dense("m16n8k32", 32, a, b, s32e, a_k32_int, 16, b_k32_int, 8);
        }
    }
}

TEST(mma_integers_at_the_edges)
{
    std::vector<u32> a(128, 0x80808080), b(128, 0x80808080), c(128, 0x7fffffff);
    std::string said;
    std::string name = "mma.sync.aligned.m16n8k32.row.col";
    Form wraps = { name + ".s32.s8.s8.s32", 4, 4, 2, "" },
         clamps = { name + ".satfinite.s32.s8.s8.s32", 4, 4, 2, "" };
    EXPECT_EQ(multiply(wraps, a, b, c, std::vector<u32>(32), &said)[0],
              0x7fffffffu + 32 * 128 * 128);
    EXPECT_EQ(multiply(clamps, a, b, c, std::vector<u32>(32), &said)[0], 0x7fffffffu);
    Form bytes = { name + ".satfinite.s32.u8.s8.s32", 4, 4, 2, "" };
    EXPECT_EQ(multiply(bytes, a, b, std::vector<u32>(128, 0x80000000), std::vector<u32>(32),
                       &said)[0],
              0x80000000u);
    EXPECT_EQ(multiply(bytes, a, b, std::vector<u32>(128), std::vector<u32>(32), &said)[0],
              (u32)(-32 * 128 * 128));
    EXPECT(said.empty());
}

/* What ops/matrix.cc promises: one chain of fused multiply-adds in float, over ascending k. */
TEST(mma_adds_in_the_promised_order)
{
    std::vector<u64> a(16 * 16), b(16 * 8), c(128);
    for (size_t i = 0; i < a.size(); i++) a[i] = 0x3c00 + i * 37 % 1000;
    for (size_t i = 0; i < b.size(); i++) b[i] = (i % 3 ? 0x2c00 : 0xb800) + i * 29 % 1000;
    for (size_t i = 0; i < c.size(); i++) c[i] = bits(0.1f + (float)i);
    std::string said;
    Form f = { "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 4, 4, 2, "" };
    std::vector<u64> got =
        matrix(multiply(f, fragment(a, 16, a_k16_half, 8, 16), fragment(b, 8, b_k16_half, 4, 16),
                        fragment(c, 8, c_any, 4, 32), std::vector<u32>(32), &said),
               c_any, 32);
    for (size_t row = 0; row < 16; row++) {
        for (size_t col = 0; col < 8; col++) {
            float sum = f32(c[row * 8 + col]);
            for (size_t k = 0; k < 16; k++)
                sum = std::fma((float)F16.value(a[row * 16 + k]), (float)F16.value(b[k * 8 + col]),
                               sum);
            EXPECT_EQ(got[row * 8 + col], bits(sum));
        }
    }
}

TEST(mma_tf32_ignores_the_low_bits)
{
    std::vector<u32> a(128, 0x3f801fff), b(128, 0x3f801fff), c(128, 0);
    std::string said;
    Form f = { "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 4, 4, 2, "" };
    EXPECT_EQ(multiply(f, a, b, c, std::vector<u32>(32), &said)[0], (u32)bits(8.0f));
}

/* A sparse A: 2 of every 4 columns, at places that differ from chunk to chunk. */
struct Sparse {
    std::vector<int> all, kept;     /* 16 x k, 16 x k / 2 */
    std::vector<int> first, second; /* 16 x k / 4 */
    Sparse(int k) : all((size_t)(16 * k)), kept((size_t)(8 * k))
    {
        static const int pairs[6][2] = {
            { 0, 1 }, { 0, 2 }, { 0, 3 }, { 1, 2 }, { 1, 3 }, { 2, 3 }
        };
        for (int i = 0; i < 16 * k / 4; i++) {
            const int *p = pairs[(unsigned)i * 2654435761u / 65536 % 6];
            first.push_back(p[0]);
            second.push_back(p[1]);
            kept[(size_t)(2 * i)] = all[(size_t)(4 * i + p[0])] = small(3 * i + 1);
            kept[(size_t)(2 * i + 1)] = all[(size_t)(4 * i + p[1])] = small(5 * i + 2);
        }
    }
    u32 bits_of(int row, int chunk, int chunks) const
    {
        size_t i = (size_t)(row * chunks + chunk);
        return (u32)(first[i] | second[i] << 2);
    }
};

static void sparse(const std::string &shape, int k, Element e, Element ed, Place pa, int na,
                   Place pb, int nb, int selector, const std::vector<u32> &meta, const Sparse &s)
{
    std::vector<int> b = values(k * 8, 77), c = values(128, 300);
    std::string said;
    Form f = { "mma.sp::ordered_metadata.sync.aligned." + shape + ".row.col." + ed.name + "." +
                   e.name + "." + e.name + "." + ed.name,
               ed.bits == 16 ? 2 : 4, na * e.bits / 32, nb * e.bits / 32,
               ", " + std::to_string(selector) };
    std::vector<u32> d =
        multiply(f, fragment(encoded(s.kept, e.encode), k / 2, pa, na, e.bits),
                 fragment(encoded(b, e.encode), 8, pb, nb, e.bits),
                 fragment(encoded(c, ed.encode), 8, c_any, 4, ed.bits), meta, &said);
    if (!said.empty()) check::fail(__FILE__, __LINE__, f.instruction + ": " + said);
    std::vector<u64> got = matrix(d, c_any, ed.bits);
    for (int row = 0; row < 16; row++) {
        for (int col = 0; col < 8; col++) {
            int sum = c[(size_t)(row * 8 + col)];
            for (int i = 0; i < k; i++)
                sum += s.all[(size_t)(row * k + i)] * b[(size_t)(i * 8 + col)];
            EXPECT_EQ(got[(size_t)(row * 8 + col)],
                      ed.encode(sum) & (ed.bits == 16 ? 0xffff : 0xffffffff));
        }
    }
}

/* Of the lanes of a quad, `selector` picks those whose metadata is read; the others hold nonsense.
 */
TEST(mma_sparse_halves)
{
    Sparse s32(32), s16(16);
    for (int selector = 0; selector < 2; selector++) {
        std::vector<u32> meta(32, 0xffffffff);
        for (int g = 0; g < 8; g++) {
            for (int t = 0; t < 2; t++) { /* columns 0-15 and 16-31 */
                u32 &m = meta[(size_t)(4 * g + 2 * selector + t)] = 0;
                for (int chunk = 0; chunk < 4; chunk++) {
                    m |= s32.bits_of(g, 4 * t + chunk, 8) << (4 * chunk);
                    m |= s32.bits_of(g + 8, 4 * t + chunk, 8) << (16 + 4 * chunk);
                }
            }
        }
        sparse("m16n8k32", 32, f16, f32e, a_k16_half, 8, b_k32_half, 8, selector, meta, s32);
        sparse("m16n8k32", 32, f16, f16, a_k16_half, 8, b_k32_half, 8, selector, meta, s32);
        sparse("m16n8k32", 32, bf16, f32e, a_k16_half, 8, b_k32_half, 8, selector, meta, s32);
    }
    for (int selector = 0; selector < 4; selector++) {
        std::vector<u32> meta(32, 0xffffffff);
        for (int g = 0; g < 8; g++) {
            u32 &m = meta[(size_t)(4 * g + selector)] = 0;
            for (int chunk = 0; chunk < 4; chunk++) {
                m |= s16.bits_of(g, chunk, 4) << (4 * chunk) | s16.bits_of(g + 8, chunk, 4)
                                                                   << (16 + 4 * chunk);
            }
        }
        sparse("m16n8k16", 16, f16, f32e, a_k8_half, 4, b_k16_half, 4, selector, meta, s16);
        sparse("m16n8k16", 16, bf16, f32e, a_k8_half, 4, b_k16_half, 4, selector, meta, s16);
    }
}

TEST(mma_sparse_integers)
{
    Sparse s(64);
    std::vector<u32> meta(32);
    for (int g = 0; g < 8; g++) {
        for (int t = 0; t < 4; t++) { /* row g, row g + 8; then the same for columns 32-63 */
            for (int chunk = 0; chunk < 8; chunk++) {
                meta[(size_t)(4 * g + t)] |= s.bits_of(g + 8 * (t & 1), 8 * (t >> 1) + chunk, 16)
                                             << (4 * chunk);
            }
        }
    }
    sparse("m16n8k64", 64, s8e, s32e, a_k32_int, 16, b_k64_int, 16, 0, meta, s);
}

TEST(mma_sparse_wants_ascending_indices)
{
    std::string said;
    Form f = { "mma.sp::ordered_metadata.sync.aligned.m16n8k64.row.col.s32.s8.s8.s32", 4, 4, 4,
               ", 0" };
    multiply(f, std::vector<u32>(128), std::vector<u32>(128), std::vector<u32>(128),
             std::vector<u32>(32, 0x44444441), &said);
    EXPECT(said.find("do not ascend") != said.npos);
    multiply(f, std::vector<u32>(128), std::vector<u32>(128), std::vector<u32>(128),
             std::vector<u32>(32, 0x44444440), &said);
    EXPECT(said.find("indices 0 and 0 do not ascend") != said.npos);
}
