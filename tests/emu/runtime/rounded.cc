/* rounded.cc - f32 and f64 arithmetic rounded toward zero, up or down, by the CPU's rounding mode.
 * Compiled with -frounding-math. Read next: ops/float.cc. */
#include "tests/emu/runtime/ops.hh"

#include <cfenv>
#include <cmath>

namespace emu
{

static const int modes[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };

template <class T> static T calculate(Op op, T a, T b, T c)
{
    volatile T x = a, y = b, z = c, r = 0; /* nothing is computed before the mode is set */
    switch (op) {
    case Op::Add: r = x + y; break;
    case Op::Sub: r = x - y; break;
    case Op::Mul: r = x * y; break;
    case Op::Fma: r = std::fma(x, y, z); break;
    case Op::Div: r = x / y; break;
    case Op::Rcp: r = 1 / x; break;
    default: r = std::sqrt(x); break;
    }
    return r;
}

template <class T> static T flush(T x)
{
    return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign((T)0, x) : x;
}

/* i.x is the Op, i.y the Round. */
template <class T, class L> static void run(Warp &w, const Inst &i, u32 mask)
{
    bool ftz = i.flags & FTZ, sat = i.flags & SAT;
    L *d = (L *)(w.r + i.d), *a = (L *)(w.r + i.a), *b = (L *)(w.r + i.b), *c = (L *)(w.r + i.c);
    fesetround(modes[i.y]);
    for (u32 rest = mask; rest; rest &= rest - 1) {
        int l = __builtin_ctz(rest);
        T x[3];
        memcpy(&x[0], a + l, sizeof(T));
        memcpy(&x[1], b + l, sizeof(T));
        memcpy(&x[2], c + l, sizeof(T));
        for (T &v : x) v = ftz ? flush(v) : v;
        T r = calculate((Op)i.x, x[0], x[1], x[2]);
        if (ftz) r = flush(r);
        if (sat) r = r > 0 ? (r < 1 ? r : (T)1) : (T)0;
        memcpy(d + l, &r, sizeof(T));
        if (sizeof(T) == 4 && r != r) d[l] = 0x7fffffff;
    }
    fesetround(FE_TONEAREST);
}

Handler select_rounded(const Key &k)
{
    switch (k.op) {
    case Op::Add:
    case Op::Sub:
    case Op::Mul:
    case Op::Fma:
    case Op::Div:
    case Op::Rcp:
    case Op::Sqrt: break;
    default: return nullptr;
    }
    if (k.round > Round::Up) return nullptr;
    return k.t == Type::F32 ? run<float, u32> : k.t == Type::F64 ? run<double, u64> : nullptr;
}

} // namespace emu
