/* test_half.cc - f16, bf16 and pairs, against rounding by search among all 65,536 values.
 * Read next: exact.hh, runtime/ops/half.cc. */
#include "tests/emu/ptx/exact.hh"

using namespace check;
using namespace exact;

static const struct Kind {
    const char *name;
    Format f;
    Values values;
} kinds[] = {
    { "f16", F16, { 0,      0x8000, 1,      0x8001, 0x03ff, 0x0400, 0x83ff, 0x3c00,
                    0xbc00, 0x3c01, 0x3bff, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00,
                    0xfd01, 0x3555, 0x4248, 0x6800, 0x6801, 0x1400, 0x0c00, 0x3800 } },
    { "bf16", BF16, { 0,      0x8000, 1,      0x8001, 0x007f, 0x0080, 0x807f, 0x3f80,
                      0xbf80, 0x3f81, 0x3f7f, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0,
                      0xff81, 0x3eab, 0x4049, 0x4380, 0x4381, 0x3b80, 0x3300, 0x3f00 } },
};

static u64 flushed(const Format &f, u64 h)
{
    return (h & f.infinity()) ? h : h & 0x8000;
}

/* The result of an operation whose exact value is x, and in doubt double(x). */
static u64 rounded(const Format &f, Real x, double about)
{
    if (about != about) return 0x7fff;
    if (std::isinf(about)) return f.infinity() | (about < 0 ? 0x8000 : 0);
    return f.nearest(x, x < 0 || (x == 0 && std::signbit(about)));
}

static u64 saturated(const Format &f, u64 h)
{
    double v = f.value(h);
    return !(v > 0) ? 0 : v < 1 ? h : (u64)f.bias << f.mantissa;
}

static u64 relu(const Format &f, u64 h)
{
    return f.nan(h) ? 0x7fff : h & 0x8000 ? 0 : h;
}

typedef u64 (*Two)(const Format &, u64, u64);

static u64 add(const Format &f, u64 a, u64 b)
{
    double x = f.value(a), y = f.value(b);
    return rounded(f, (Real)x + (Real)y, x + y);
}
static u64 sub(const Format &f, u64 a, u64 b)
{
    return add(f, a, f.nan(b) ? b : b ^ 0x8000);
}
static u64 mul(const Format &f, u64 a, u64 b)
{
    double x = f.value(a), y = f.value(b);
    return rounded(f, (Real)x * (Real)y, x * y);
}
static u64 fma(const Format &f, u64 a, u64 b, u64 c)
{
    double x = f.value(a), y = f.value(b), z = f.value(c);
    return rounded(f, (Real)x * (Real)y + (Real)z, std::fma(x, y, z));
}

/* f on each half of the operands. */
static u64 on_pair(Two op, const Format &f, u64 a, u64 b)
{
    return op(f, a & 0xffff, b & 0xffff) | op(f, a >> 16, b >> 16) << 16;
}

static Values pairs(const Values &v)
{
    Values p;
    for (size_t i = 0; i < v.size(); i++) p.push_back(v[i] | v[(i * 7 + 3) % v.size()] << 16);
    return p;
}

TEST(half_add_sub_mul)
{
    static const struct {
        const char *name;
        Two op;
    } ops[] = { { "add.rn", add }, { "sub.rn", sub }, { "mul.rn", mul } };
    for (const Kind &k : kinds) {
        for (auto &o : ops) {
            std::string code = std::string(o.name) + "." + k.name;
            each2(code + " d, a, b;", "16 16 16", k.values, k.values,
                  [&](u64 a, u64 b) { return o.op(k.f, a, b); });
            each2(code + "x2 d, a, b;", "32 32 32", pairs(k.values), pairs(k.values),
                  [&](u64 a, u64 b) { return on_pair(o.op, k.f, a, b); });
        }
    }
}

TEST(half_ftz_and_sat)
{
    const Kind &k = kinds[0];
    each2("add.rn.ftz.f16 d, a, b;", "16 16 16", k.values, k.values,
          [&](u64 a, u64 b) { return flushed(F16, add(F16, flushed(F16, a), flushed(F16, b))); });
    each2("mul.rn.sat.f16 d, a, b;", "16 16 16", k.values, k.values,
          [&](u64 a, u64 b) { return saturated(F16, mul(F16, a, b)); });
    each2("mul.rn.ftz.sat.f16 d, a, b;", "16 16 16", k.values, k.values, [&](u64 a, u64 b) {
        return saturated(F16, flushed(F16, mul(F16, flushed(F16, a), flushed(F16, b))));
    });
}

TEST(half_fma)
{
    for (const Kind &k : kinds) {
        std::string t = k.name;
        Values few = { k.values[0],  k.values[2],  k.values[5],  k.values[7],
                       k.values[9],  k.values[10], k.values[12], k.values[13],
                       k.values[15], k.values[17], k.values[20] };
        each3("fma.rn." + t + " d, a, b, c;", "16 16 16 16", few, k.values, k.values,
              [&](u64 a, u64 b, u64 c) { return fma(k.f, a, b, c); });
        each3("fma.rn.relu." + t + " d, a, b, c;", "16 16 16 16", few, few, few,
              [&](u64 a, u64 b, u64 c) { return relu(k.f, fma(k.f, a, b, c)); });
        each3("fma.rn." + t + "x2 d, a, b, c;", "32 32 32 32", pairs(few), pairs(few),
              pairs(k.values), [&](u64 a, u64 b, u64 c) {
                  return fma(k.f, a & 0xffff, b & 0xffff, c & 0xffff) |
                         fma(k.f, a >> 16, b >> 16, c >> 16) << 16;
              });
    }
    each3("fma.rn.sat.f16 d, a, b, c;", "16 16 16 16", { 0x3c00, 0xbc00 }, kinds[0].values,
          { 0, 0x3800 }, [&](u64 a, u64 b, u64 c) { return saturated(F16, fma(F16, a, b, c)); });
}

/* A product that is exactly half way between two values, and an addend far below that decides. */
TEST(half_fma_decides_ties_by_the_smallest_bit)
{
    u64 a = 0x3f83, b = 0x3f90; /* 1 + 3/128 and 1.125: the product is 1 + 19.375/128 */
    for (u64 tie : { (u64)0x3f80, (u64)0x3f82 }) {
        for (u64 c : { (u64)0x2000, (u64)0xa000, (u64)0x2180, (u64)0 }) {
            /* 1.0 * tie + c, and (1 + 1/128)^2 + c near a tie of 16 bits */
            each3("fma.rn.bf16 d, a, b, c;", "16 16 16 16", { tie, a, 0x3f81 },
                  { 0x3f80, b, 0x3fc0 }, { c },
                  [&](u64 x, u64 y, u64 z) { return fma(BF16, x, y, z); });
        }
    }
    /* 1.5 * (1 + 1/128) = 1.51171875: exactly half way between 1.5078125 and 1.515625 */
    each3("fma.rn.bf16 d, a, b, c;", "16 16 16 16", { 0x3fc0 }, { 0x3f81 }, { 0, 0x0100, 0x8100 },
          [](u64, u64, u64 c) {
              return c == 0 ? (u64)0x3fc2 : c == 0x0100 ? (u64)0x3fc2 : (u64)0x3fc1;
          });
}

static u64 extreme(const Format &f, u64 a, u64 b, bool max)
{
    if (f.nan(a)) return f.nan(b) ? 0x7fff : b;
    if (f.nan(b)) return a;
    double x = f.value(a), y = f.value(b);
    if (x == 0 && y == 0) return max ? a & b : a | b;
    return (x < y) != max ? a : b;
}

TEST(half_min_max)
{
    for (const Kind &k : kinds) {
        for (bool max : { false, true }) {
            std::string op = max ? "max" : "min", t = k.name;
            auto plain = [&](u64 a, u64 b) { return extreme(k.f, a, b, max); };
            each2(op + "." + t + " d, a, b;", "16 16 16", k.values, k.values, plain);
            each2(op + ".NaN." + t + " d, a, b;", "16 16 16", k.values, k.values,
                  [&](u64 a, u64 b) { return k.f.nan(a) || k.f.nan(b) ? 0x7fff : plain(a, b); });
            each2(op + ".xorsign.abs." + t + " d, a, b;", "16 16 16", k.values, k.values,
                  [&](u64 a, u64 b) {
                      u64 r = plain(a & 0x7fff, b & 0x7fff);
                      return k.f.nan(r) ? 0x7fff : r | ((a ^ b) & 0x8000);
                  });
            each2(op + "." + t + "x2 d, a, b;", "32 32 32", pairs(k.values), pairs(k.values),
                  [&](u64 a, u64 b) {
                      return plain(a & 0xffff, b & 0xffff) | plain(a >> 16, b >> 16) << 16;
                  });
        }
    }
    each2("min.ftz.f16 d, a, b;", "16 16 16", kinds[0].values, kinds[0].values,
          [&](u64 a, u64 b) { return extreme(F16, flushed(F16, a), flushed(F16, b), false); });
}

TEST(half_abs_neg)
{
    for (const Kind &k : kinds) {
        std::string t = k.name;
        each1("abs." + t + " d, a;", "16 16", k.values, [](u64 a) { return a & 0x7fff; });
        each1("neg." + t + " d, a;", "16 16", k.values, [](u64 a) { return a ^ 0x8000; });
        each1("abs." + t + "x2 d, a;", "32 32", pairs(k.values),
              [](u64 a) { return a & 0x7fff7fff; });
        each1("neg." + t + "x2 d, a;", "32 32", pairs(k.values),
              [](u64 a) { return a ^ 0x80008000; });
    }
    each1("abs.ftz.f16 d, a;", "16 16", kinds[0].values,
          [](u64 a) { return flushed(F16, a) & 0x7fff; });
    each1("neg.ftz.f16x2 d, a;", "32 32", pairs(kinds[0].values), [](u64 a) {
        return (flushed(F16, a & 0xffff) | flushed(F16, a >> 16) << 16) ^ 0x80008000;
    });
}

TEST(half_functions)
{
    static const struct {
        const char *code;
        int kind;
        double (*f)(double);
        bool ftz;
    } ops[] = {
        { "ex2.approx.f16", 0, [](double x) { return std::exp2(x); }, false },
        { "tanh.approx.f16", 0, [](double x) { return std::tanh(x); }, false },
        { "ex2.approx.ftz.bf16", 1, [](double x) { return std::exp2(x); }, true },
        { "tanh.approx.bf16", 1, [](double x) { return std::tanh(x); }, false },
    };
    for (auto &o : ops) {
        const Kind &k = kinds[o.kind];
        auto one = [&](u64 a) {
            double y = o.f(k.f.value(o.ftz ? flushed(k.f, a) : a));
            u64 r = y != y          ? 0x7fff
                    : std::isinf(y) ? k.f.infinity()
                                    : k.f.nearest((Real)y, std::signbit(y));
            return o.ftz ? flushed(k.f, r) : r;
        };
        each1(std::string(o.code) + " d, a;", "16 16", k.values, one);
        each1(std::string(o.code) + "x2 d, a;", "32 32", pairs(k.values),
              [&](u64 a) { return one(a & 0xffff) | one(a >> 16) << 16; });
    }
}
