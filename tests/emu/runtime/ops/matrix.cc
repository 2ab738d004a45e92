/* ops/matrix.cc - mma.sync, mma.sp, ldmatrix, stmatrix, movmatrix. Layouts of fragments are those
 * of the PTX ISA, "Matrix Fragments for mma". Read next: lower_matrix.cc, reach.cc.
 *
 * Hardware does not say in which order it adds floats. Here every product is exact, and each
 * element of D is one chain of fused multiply-adds in float, starting at C, over ascending k;
 * with f16 accumulators the chain is in float too and rounded once. */
#include "tests/emu/runtime/ops/quick.hh"
#include "tests/emu/runtime/ops/reals.hh"

#include <cmath>

namespace emu
{
namespace EMU_ISA
{
namespace
{

/* Elements: how many lie in a register, and their values. */
struct ElementF16 {
    typedef u16 raw;
    typedef float value;
    static EMU_INLINE float get(raw r) { return from_f16(r); }
};
struct ElementBF16 {
    typedef u16 raw;
    typedef float value;
    static EMU_INLINE float get(raw r) { return from_bf16(r); }
};
struct ElementTF32 {
    typedef u32 raw;
    typedef float value;
    static EMU_INLINE float get(raw r) { return to_float(r & 0xffffe000); }
};
struct ElementS8 {
    typedef s8 raw;
    typedef s32 value;
    static EMU_INLINE s32 get(raw r) { return r; }
};
struct ElementU8 {
    typedef u8 raw;
    typedef s32 value;
    static EMU_INLINE s32 get(raw r) { return r; }
};

/* A, 16 rows of `columns` elements; 4 registers hold 8x4 words of it each, column first. */
template <class E, int columns> struct FragmentA {
    typename E::value at[16][columns];
    void load(const Warp &w, const s32 *slots)
    {
        constexpr int per = 4 / sizeof(typename E::raw), registers = columns / per / 2;
        typename E::raw raw[16][columns];
        for (int r = 0; r < registers; r++) {
            const u32 *v = w.r + slots[r];
            for (int l = 0; l < 32; l++) {
                memcpy(&raw[l / 4 + 8 * (r & 1)][(l % 4 + 4 * (r >> 1)) * per], v + l, 4);
            }
        }
        for (int row = 0; row < 16; row++) {
            for (int k = 0; k < columns; k++) at[row][k] = E::get(raw[row][k]);
        }
    }
};

/* B, k rows of 8. */
template <class E, int K> struct FragmentB {
    typename E::value at[K][8];
    void load(const Warp &w, const s32 *slots)
    {
        constexpr int per = 4 / sizeof(typename E::raw), registers = K / per / 4;
        typename E::raw raw[8][K];
        for (int r = 0; r < registers; r++) {
            const u32 *v = w.r + slots[r];
            for (int l = 0; l < 32; l++) memcpy(&raw[l / 4][(l % 4 + 4 * r) * per], v + l, 4);
        }
        for (int k = 0; k < K; k++) {
            for (int n = 0; n < 8; n++) at[k][n] = E::get(raw[n][k]);
        }
    }
};

/* C and D in 32 bits: register r has rows l / 4 + 8 * (r / 2), columns 2 * (l % 4) + r % 2. */
template <class V> struct Words {
    static void load(const Warp &w, const s32 *slots, V (*c)[8])
    {
        for (int r = 0; r < 4; r++) {
            const u32 *v = w.r + slots[r];
            for (int l = 0; l < 32; l++)
                memcpy(&c[l / 4 + 8 * (r >> 1)][l % 4 * 2 + (r & 1)], v + l, 4);
        }
    }
    static void store(const Warp &w, const s32 *slots, V (*c)[8], u32)
    {
        for (int r = 0; r < 4; r++) {
            u32 *v = w.r + slots[r];
            for (int l = 0; l < 32; l++)
                memcpy(v + l, &c[l / 4 + 8 * (r >> 1)][l % 4 * 2 + (r & 1)], 4);
        }
    }
};

struct Floats : Words<float> {
    typedef float value;
    typedef float sum;
    static void store(const Warp &w, const s32 *slots, float (*c)[8], u32 flags)
    {
        for (int n = 0; n < 128; n++) c[n / 8][n % 8] = canonical(c[n / 8][n % 8]);
        Words<float>::store(w, slots, c, flags);
    }
};

/* Integer sums wrap, or saturate once with .satfinite: exact in 64 bits. */
struct Integers {
    typedef s32 value;
    static void load(const Warp &w, const s32 *slots, s32 (*c)[8])
    {
        Words<s32>::load(w, slots, c);
    }
    static void store(const Warp &w, const s32 *slots, s32 (*c)[8], u32 flags)
    {
        Words<s32>::store(w, slots, c, flags);
    }
};

/* f16 accumulators: two in a register. */
struct Halves {
    typedef float value;
    static void load(const Warp &w, const s32 *slots, float (*c)[8])
    {
        for (int r = 0; r < 2; r++) {
            const u32 *v = w.r + slots[r];
            for (int l = 0; l < 32; l++) {
                c[l / 4 + 8 * r][l % 4 * 2] = from_f16(v[l] & 0xffff);
                c[l / 4 + 8 * r][l % 4 * 2 + 1] = from_f16(v[l] >> 16);
            }
        }
    }
    static void store(const Warp &w, const s32 *slots, float (*c)[8], u32)
    {
        for (int r = 0; r < 2; r++) {
            u32 *v = w.r + slots[r];
            for (int l = 0; l < 32; l++) {
                const float *pair = &c[l / 4 + 8 * r][l % 4 * 2];
                v[l] = to_f16(pair[0]) | to_f16(pair[1]) << 16;
            }
        }
    }
};

EMU_INLINE float chain(float a, float b, float c)
{
    return std::fma(a, b, c);
}
EMU_INLINE s32 chain(s32 a, s32 b, s32 c)
{
    return a * b + c;
}

/* i.list: D, A, B, C, each at its own place: D from 0, A from 4, B from 8, C from 12. */
template <class E, int K, class C, class EB = E> void multiply(Warp &w, const Inst &i, u32)
{
    FragmentA<E, K> a;
    FragmentB<EB, K> b;
    typename C::value c[16][8];
    a.load(w, i.list + 4);
    b.load(w, i.list + 8);
    C::load(w, i.list + 12, c);
    for (int row = 0; row < 16; row++) {
        typename C::value sum[8];
        for (int n = 0; n < 8; n++) sum[n] = c[row][n];
        for (int k = 0; k < K; k++) {
            for (int n = 0; n < 8; n++) sum[n] = chain(a.at[row][k], b.at[k][n], sum[n]);
        }
        for (int n = 0; n < 8; n++) c[row][n] = sum[n];
    }
    C::store(w, i.list, c, i.flags);
}

/* .satfinite: the sum is exact, then clamped. */
template <class E, int K, class EB> void multiply_saturating(Warp &w, const Inst &i, u32)
{
    FragmentA<E, K> a;
    FragmentB<EB, K> b;
    s32 c[16][8];
    a.load(w, i.list + 4);
    b.load(w, i.list + 8);
    Integers::load(w, i.list + 12, c);
    for (int row = 0; row < 16; row++) {
        for (int n = 0; n < 8; n++) {
            s64 sum = c[row][n];
            for (int k = 0; k < K; k++) sum += a.at[row][k] * b.at[k][n];
            c[row][n] = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (s32)sum;
        }
    }
    Integers::store(w, i.list, c, i.flags);
}

/* The metadata of a row: 4 bits for each chunk of 4 columns. Which lanes hold it, and where:
 *   16-bit types, k 16: lane 4 g + selector, rows g (low half) and g + 8
 *   16-bit types, k 32: lanes 4 g + 2 selector (columns 0-15) and the next (16-31), halves as above
 *   8-bit types, k 64: lane 4 g: row g, columns 0-31; + 1: row g + 8; + 2, + 3: columns 32-63 */
EMU_INLINE u32 chunk_of(const u32 *meta, int K, bool bytes, int selector, int row, int chunk)
{
    int g = row % 8, upper = row / 8;
    if (bytes) return meta[4 * g + upper + 2 * (chunk / 8)] >> (chunk % 8 * 4) & 15;
    int lane = 4 * g + (K == 16 ? selector : 2 * selector + chunk / 4);
    return meta[lane] >> (16 * upper + chunk % 4 * 4) & 15;
}

/* A has 2 of every 4 columns; i.a is the metadata, i.x the selector, i.y: indices have to ascend.
 */
template <class E, int K, class C> void multiply_sparse(Warp &w, const Inst &i, u32)
{
    FragmentA<E, K / 2> a;
    FragmentB<E, K> b;
    typename C::value c[16][8];
    const u32 *meta = w.r + i.a;
    a.load(w, i.list + 4);
    b.load(w, i.list + 8);
    C::load(w, i.list + 12, c);
    for (int row = 0; row < 16; row++) {
        for (int j = 0; j < K / 4; j++) {
            u32 bits = chunk_of(meta, K, sizeof(typename E::raw) == 1, i.x, row, j);
            u32 first = bits & 3, second = bits >> 2;
            if (i.y && first >= second) {
                w.fail(row % 8 * 4,
                       format("metadata of row %d, columns %d to %d: indices %u and %u do "
                              "not ascend",
                              row, 4 * j, 4 * j + 3, first, second));
            }
            for (int n = 0; n < 8; n++) {
                c[row][n] = chain(a.at[row][2 * j], b.at[4 * j + first][n], c[row][n]);
                c[row][n] = chain(a.at[row][2 * j + 1], b.at[4 * j + second][n], c[row][n]);
            }
        }
    }
    C::store(w, i.list, c, i.flags);
}

/* The 16 bytes that lane l points to; its address is i.a, i.x, i.imm. */
u8 *row_of(Warp &w, SharedView &shared, const Inst &i, int l, Access access)
{
    u64 base = i.x == 64 ? ((u64 *)(w.r + i.a))[l] : i.x == 32 ? w.r[i.a + l] : 0;
    u64 at = base + (u64)i.imm;
    if (i.x == 32) at = (u32)at;
    if ((Space)i.y == Space::Shared && shared.quick<16>(at, (u32)l, access == Access::Store)) {
        return shared.memory + at;
    }
    return reach(w, (Space)i.y, at, 16, l, { access });
}

/* i.list[0 .. i.e): one 8x8 matrix of 16-bit elements in each; lanes 8 q to 8 q + 7 point to the
 * rows of matrix q. */
void ldmatrix(Warp &w, const Inst &i, u32)
{
    u16 at[4][8][8];
    w.block->l.shared_race.next_instruction();
    SharedView shared(w);
    for (int l = 0; l < 8 * i.e; l++) {
        memcpy(at[l / 8][l % 8], row_of(w, shared, i, l, Access::Load), 16);
    }
    for (int q = 0; q < i.e; q++) {
        u32 *d = w.r + i.list[q];
        for (int l = 0; l < 32; l++) {
            int row = l / 4, col = l % 4 * 2;
            d[l] = i.flags & TRANS ? at[q][col][row] | (u32)at[q][col + 1][row] << 16
                                   : at[q][row][col] | (u32)at[q][row][col + 1] << 16;
        }
    }
}

void stmatrix(Warp &w, const Inst &i, u32)
{
    u16 at[4][8][8];
    w.block->l.shared_race.next_instruction();
    for (int q = 0; q < i.e; q++) {
        const u32 *s = w.r + i.list[q];
        for (int l = 0; l < 32; l++) {
            int row = l / 4, col = l % 4 * 2;
            u16 *first = i.flags & TRANS ? &at[q][col][row] : &at[q][row][col];
            u16 *second = i.flags & TRANS ? &at[q][col + 1][row] : &at[q][row][col + 1];
            *first = (u16)s[l];
            *second = (u16)(s[l] >> 16);
        }
    }
    SharedView shared(w);
    for (int l = 0; l < 8 * i.e; l++) {
        memcpy(row_of(w, shared, i, l, Access::Store), at[l / 8][l % 8], 16);
    }
}

/* The transpose of an 8x8 matrix of 16-bit elements. */
void movmatrix(Warp &w, const Inst &i, u32)
{
    u16 at[8][8];
    const u32 *a = w.r + i.a;
    u32 *d = w.r + i.d;
    for (int l = 0; l < 32; l++) memcpy(&at[l / 4][l % 4 * 2], a + l, 4);
    for (int l = 0; l < 32; l++) {
        int row = l / 4, col = l % 4 * 2;
        d[l] = at[col][row] | (u32)at[col + 1][row] << 16;
    }
}

/* k.vec is the shape's k; k.t the type of C and D, k.s of A; flags & SIGN: B of int8 is signed. */
template <class E, int k16, int k8> Handler choose_dense(const Key &k)
{
    bool half = k.t == Type::F16;
    if (k.vec == k16) return half ? multiply<E, k16, Halves> : multiply<E, k16, Floats>;
    if (k.vec == k8) return half ? multiply<E, k8, Halves> : multiply<E, k8, Floats>;
    return nullptr;
}

template <class E, class EB> Handler choose_int8(const Key &k)
{
    bool sat = k.has(SATFINITE);
    if (k.vec == 32) return sat ? multiply_saturating<E, 32, EB> : multiply<E, 32, Integers, EB>;
    if (k.vec == 16) return sat ? multiply_saturating<E, 16, EB> : multiply<E, 16, Integers, EB>;
    return nullptr;
}

Handler choose_sparse(const Key &k)
{
    bool half = k.t == Type::F16, k32 = k.vec == 32, k16 = k.vec == 16;
    switch (k.s) {
    case Type::F16:
        if (k32)
            return half ? multiply_sparse<ElementF16, 32, Halves>
                        : multiply_sparse<ElementF16, 32, Floats>;
        if (k16)
            return half ? multiply_sparse<ElementF16, 16, Halves>
                        : multiply_sparse<ElementF16, 16, Floats>;
        return nullptr;
    case Type::BF16:
        return k32   ? multiply_sparse<ElementBF16, 32, Floats>
               : k16 ? multiply_sparse<ElementBF16, 16, Floats>
                     : nullptr;
    case Type::S8: return k.vec == 64 ? multiply_sparse<ElementS8, 64, Integers> : nullptr;
    case Type::U8: return k.vec == 64 ? multiply_sparse<ElementU8, 64, Integers> : nullptr;
    default: return nullptr;
    }
}

} // namespace

Handler select_matrix(const Key &k)
{
    if (k.op == Op::Ldmatrix) return ldmatrix;
    if (k.op == Op::Stmatrix) return stmatrix;
    if (k.op == Op::Movmatrix) return movmatrix;
    if (k.op == Op::MmaSparse) return choose_sparse(k);
    if (k.op != Op::Mma) return nullptr;
    switch (k.s) {
    case Type::F16: return choose_dense<ElementF16, 16, 8>(k);
    case Type::BF16: return k.t == Type::F32 ? choose_dense<ElementBF16, 16, 8>(k) : nullptr;
    case Type::TF32: return k.t == Type::F32 ? choose_dense<ElementTF32, 8, 4>(k) : nullptr;
    case Type::S8:
        return k.has(SIGN) ? choose_int8<ElementS8, ElementS8>(k)
                           : choose_int8<ElementS8, ElementU8>(k);
    case Type::U8:
        return k.has(SIGN) ? choose_int8<ElementU8, ElementS8>(k)
                           : choose_int8<ElementU8, ElementU8>(k);
    default: return nullptr;
    }
}

} // namespace EMU_ISA
} // namespace emu
