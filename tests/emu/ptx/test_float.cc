/* test_float.cc - f32 and f64: IEEE results, one NaN, flushing, saturation, directed rounding.
 * Read next: check.hh, exact.hh, runtime/ops/float.cc. */
#include "tests/emu/ptx/exact.hh"

using namespace check;
using namespace exact;

static float saturated(float x)
{
    return x > 0 ? std::fmin(x, 1.0f) : 0.0f;
}

TEST(f32_add_sub_mul_div)
{
    static const struct {
        const char *op;
        float (*f)(float, float);
    } ops[] = {
        { "add", [](float a, float b) { return a + b; } },
        { "add.rn", [](float a, float b) { return a + b; } },
        { "sub", [](float a, float b) { return a - b; } },
        { "mul", [](float a, float b) { return a * b; } },
        { "div.rn", [](float a, float b) { return a / b; } },
        { "div.full", [](float a, float b) { return a / b; } },
        { "div.approx", [](float a, float b) { return a / b; } },
    };
    for (auto &o : ops) {
        std::string op = o.op;
        each2(op + ".f32 d, a, b;", "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return canonical(o.f(f32(a), f32(b))); });
        each2(op + ".ftz.f32 d, a, b;", "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return canonical(flush(o.f(flush(f32(a)), flush(f32(b))))); });
        if (op.compare(0, 3, "div") == 0) continue;
        each2(op + ".sat.f32 d, a, b;", "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return bits(saturated(o.f(f32(a), f32(b)))); });
        each2(op + ".ftz.sat.f32 d, a, b;", "32 32 32", floats(), floats(), [&](u64 a, u64 b) {
            return bits(saturated(flush(o.f(flush(f32(a)), flush(f32(b))))));
        });
    }
}

TEST(f32_fma)
{
    Values v = floats();
    Values few = { v[0], v[1], v[2], v[7], v[9], v[11], v[13], v[14], v[20], v[23], v[28] };
    each3("fma.rn.f32 d, a, b, c;", "32 32 32 32", few, v, few,
          [](u64 a, u64 b, u64 c) { return canonical(std::fma(f32(a), f32(b), f32(c))); });
    each3("mad.rn.f32 d, a, b, c;", "32 32 32 32", few, few, few,
          [](u64 a, u64 b, u64 c) { return canonical(std::fma(f32(a), f32(b), f32(c))); });
    each3("fma.rn.ftz.f32 d, a, b, c;", "32 32 32 32", few, v, few, [](u64 a, u64 b, u64 c) {
        return canonical(flush(std::fma(flush(f32(a)), flush(f32(b)), flush(f32(c)))));
    });
    each3("fma.rn.sat.f32 d, a, b, c;", "32 32 32 32", few, v, few,
          [](u64 a, u64 b, u64 c) { return bits(saturated(std::fma(f32(a), f32(b), f32(c)))); });
}

/* From the rounded result and the sign of (exact - rounded) to the result of a directed rounding.
 */
template <class T> static T directed(T r, T error, const char *mode)
{
    bool up = error > 0, down = error < 0;
    if (mode[1] == 'z') return (r > 0 && down) || (r < 0 && up) ? std::nextafter(r, (T)0) : r;
    if (mode[1] == 'm') return down ? std::nextafter(r, -(T)INFINITY) : r;
    return up ? std::nextafter(r, (T)INFINITY) : r;
}

template <class T> static T error_of_sum(T a, T b, T s)
{
    T bb = s - a;
    return (a - (s - bb)) + (b - bb);
}

template <class T> static T value(u64 u);
template <> float value<float>(u64 u)
{
    return f32(u);
}
template <> double value<double>(u64 u)
{
    return f64(u);
}

template <class T>
static void directed_roundings(const std::string &type, const std::string &w, const Values &v)
{
    std::string two = w + " " + w + " " + w, one = w + " " + w;
    auto T_of = [](u64 u) { return value<T>(u); };
    for (auto mode : { "rz", "rm", "rp" }) {
        std::string m = std::string(".") + mode + "." + type;
        each2("add" + m + " d, a, b;", two, v, v, [&](u64 a, u64 b) {
            T s = T_of(a) + T_of(b);
            if (s == 0 && mode[1] == 'm' && T_of(a) == -T_of(b)) return bits((T)-0.0);
            return bits(directed(s, error_of_sum(T_of(a), T_of(b), s), mode));
        });
        each2("sub" + m + " d, a, b;", two, v, v, [&](u64 a, u64 b) {
            T s = T_of(a) - T_of(b);
            if (s == 0 && mode[1] == 'm') return bits((T)-0.0);
            return bits(directed(s, error_of_sum(T_of(a), -T_of(b), s), mode));
        });
        each2("mul" + m + " d, a, b;", two, v, v, [&](u64 a, u64 b) {
            T p = T_of(a) * T_of(b);
            return bits(directed(p, std::fma(T_of(a), T_of(b), -p), mode));
        });
        each2("div" + m + " d, a, b;", two, v, v, [&](u64 a, u64 b) {
            T q = T_of(a) / T_of(b), rest = std::fma(-q, T_of(b), T_of(a));
            return bits(directed(q, T_of(b) < 0 ? -rest : rest, mode));
        });
        each1("rcp" + m + " d, a;", one, v, [&](u64 a) {
            T q = 1 / T_of(a), rest = std::fma(-q, T_of(a), (T)1);
            return bits(directed(q, T_of(a) < 0 ? -rest : rest, mode));
        });
        each1("sqrt" + m + " d, a;", one, v, [&](u64 a) {
            T x = std::fabs(T_of(a)), q = std::sqrt(x);
            return T_of(a) < 0 ? bits(T_of(a)) & 0 : bits(directed(q, std::fma(-q, q, x), mode));
        });
        each3("fma" + m + " d, a, b, c;", two + " " + w, v, v, { v[0], v[3] },
              [&](u64 a, u64 b, u64 c) {
                  /* the exact value in quadruple precision: these values need less than 113 bits */
                  Real e = (Real)T_of(a) * (Real)T_of(b) + (Real)T_of(c);
                  T r = std::fma(T_of(a), T_of(b), T_of(c));
                  Real d = e - (Real)r;
                  if (r == 0 && e == 0 && mode[1] == 'm') return bits((T)-0.0);
                  return bits(directed(r, (T)(d > 0 ? 1 : d < 0 ? -1 : 0), mode));
              });
    }
}

TEST(f32_directed_rounding)
{
    Values v;
    for (float f : { 1.0f, 0.1f, 3.0f, 1.0000001f, 12345.678f, 7e-5f, 33554431.0f, 0.33333334f })
        v.push_back(bits(f));
    directed_roundings<float>("f32", "32", v);
    for (u64 &x : v) x ^= (u64)0x80000000 * (x & 1);
    each2("add.rz.f32 d, a, b;", "32 32 32", { bits(3e38f) }, { bits(3e38f) },
          [](u64, u64) { return (u64)0x7f7fffff; });
    each2("add.rp.ftz.f32 d, a, b;", "32 32 32", { 1 }, { 0x80000001 },
          [](u64, u64) { return (u64)0; });
    each2("fma.rz.sat.f32 d, a, b, 0f40000000;", "32 32 32", { bits(3.0f) }, { bits(1.0f) },
          [](u64, u64) { return bits(1.0f); });
}

TEST(f64_directed_rounding)
{
    Values v;
    for (double f :
         { 1.0, 0.1, 3.0, 1.0000000000000002, 12345.678, 7e-5, 1e10, 0.3333333333333333 }) {
        v.push_back(bits(f));
    }
    directed_roundings<double>("f64", "64", v);
}

TEST(f64_arithmetic)
{
    /* NaN results keep payloads that a GPU would keep; here only that they are NaNs is compared. */
    auto same = [](double d) { return d != d ? 0 : bits(d); };
    Values numbers;
    for (u64 v : doubles()) {
        if (f64(v) == f64(v) && !std::isinf(f64(v))) numbers.push_back(v);
    }
    each2("add.f64 d, a, b;", "64 64 64", numbers, numbers,
          [&](u64 a, u64 b) { return same(f64(a) + f64(b)); });
    each2("sub.rn.f64 d, a, b;", "64 64 64", numbers, numbers,
          [&](u64 a, u64 b) { return same(f64(a) - f64(b)); });
    each2("mul.f64 d, a, b;", "64 64 64", numbers, numbers,
          [&](u64 a, u64 b) { return same(f64(a) * f64(b)); });
    each3("fma.rn.f64 d, a, b, c;", "64 64 64 64", numbers, numbers, { numbers[5], numbers[7] },
          [&](u64 a, u64 b, u64 c) { return same(std::fma(f64(a), f64(b), f64(c))); });
    Values positive;
    for (u64 v : numbers) {
        if (f64(v) > 0) positive.push_back(v);
    }
    each2("div.rn.f64 d, a, b;", "64 64 64", numbers, positive,
          [&](u64 a, u64 b) { return same(f64(a) / f64(b)); });
    each1("sqrt.rn.f64 d, a;", "64 64", positive, [&](u64 a) { return same(std::sqrt(f64(a))); });
    each1("rcp.rn.f64 d, a;", "64 64", positive, [&](u64 a) { return same(1 / f64(a)); });
    each1("rcp.approx.ftz.f64 d, a;", "64 64", { bits(4.0), bits(1e-310), bits(-8.0) },
          [&](u64 a) { return f64(a) == 1e-310 ? bits((double)INFINITY) : bits(1 / f64(a)); });
    each1("rsqrt.approx.f64 d, a;", "64 64", { bits(4.0), bits(0.0625), bits(2.0) },
          [&](u64 a) { return bits(1 / std::sqrt(f64(a))); });
    each1("abs.f64 d, a;", "64 64", doubles(), [](u64 a) { return a & ~((u64)1 << 63); });
    each1("neg.f64 d, a;", "64 64", doubles(), [](u64 a) { return a ^ (u64)1 << 63; });
}

TEST(f32_abs_neg_sqrt_rcp)
{
    each1("abs.f32 d, a;", "32 32", floats(), [](u64 a) { return a & 0x7fffffff; });
    each1("neg.f32 d, a;", "32 32", floats(), [](u64 a) { return a ^ 0x80000000; });
    each1("abs.ftz.f32 d, a;", "32 32", floats(),
          [](u64 a) { return bits(std::fabs(flush(f32(a)))); });
    each1("neg.ftz.f32 d, a;", "32 32", floats(),
          [](u64 a) { return bits(flush(f32(a))) ^ 0x80000000; });
    for (auto kind : { ".rn", ".approx" }) {
        std::string k = kind;
        each1("sqrt" + k + ".f32 d, a;", "32 32", floats(),
              [](u64 a) { return canonical(std::sqrt(f32(a))); });
        each1("rcp" + k + ".f32 d, a;", "32 32", floats(),
              [](u64 a) { return canonical(1 / f32(a)); });
        each1("sqrt" + k + ".ftz.f32 d, a;", "32 32", floats(),
              [](u64 a) { return canonical(flush(std::sqrt(flush(f32(a))))); });
        each1("rcp" + k + ".ftz.f32 d, a;", "32 32", floats(),
              [](u64 a) { return canonical(flush(1 / flush(f32(a)))); });
    }
}

static u64 lesser(u64 a, u64 b, bool greater)
{
    float x = f32(a), y = f32(b);
    if (x != x) return canonical(y);
    if (y != y) return a;
    if (x == 0 && y == 0) return greater ? (a & b) : (a | b); /* -0 < +0 */
    return (x < y) != greater ? a : b;
}

TEST(f32_min_max)
{
    for (bool max : { false, true }) {
        std::string op = max ? "max" : "min";
        auto nan = [](u64 a) { return f32(a) != f32(a); };
        each2(op + ".f32 d, a, b;", "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return lesser(a, b, max); });
        each2(op + ".ftz.f32 d, a, b;", "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return lesser(bits(flush(f32(a))), bits(flush(f32(b))), max); });
        each2(op + ".NaN.f32 d, a, b;", "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return nan(a) || nan(b) ? 0x7fffffff : lesser(a, b, max); });
        each2(op + ".xorsign.abs.f32 d, a, b;", "32 32 32", floats(), floats(), [&](u64 a, u64 b) {
            u64 r = lesser(a & 0x7fffffff, b & 0x7fffffff, max);
            return f32(r) != f32(r) ? 0x7fffffff : r | ((a ^ b) & 0x80000000);
        });
    }
    Values numbers = { bits(1.0), bits(-2.0), bits(0.0), bits(-0.0), bits((double)INFINITY) };
    each2("min.f64 d, a, b;", "64 64 64", numbers, numbers, [](u64 a, u64 b) {
        return f64(a) == f64(b) ? a | b : f64(a) < f64(b) ? a : b;
    });
    each2("max.f64 d, a, b;", "64 64 64", numbers, numbers, [](u64 a, u64 b) {
        return f64(a) == f64(b) ? a & b : f64(a) > f64(b) ? a : b;
    });
}

TEST(f32_functions)
{
    static const struct {
        const char *op;
        double (*f)(double);
    } ops[] = {
        { "rsqrt", [](double x) { return 1 / std::sqrt(x); } },
        { "sin", [](double x) { return std::sin(x); } },
        { "cos", [](double x) { return std::cos(x); } },
        { "ex2", [](double x) { return std::exp2(x); } },
        { "lg2", [](double x) { return std::log2(x); } },
    };
    for (auto &o : ops) {
        std::string op = std::string(o.op) + ".approx";
        each1(op + ".f32 d, a;", "32 32", floats(),
              [&](u64 a) { return canonical((float)o.f(f32(a))); });
        each1(op + ".ftz.f32 d, a;", "32 32", floats(),
              [&](u64 a) { return canonical(flush((float)o.f(flush(f32(a))))); });
    }
    each1("tanh.approx.f32 d, a;", "32 32", floats(),
          [&](u64 a) { return canonical((float)std::tanh((double)f32(a))); });
}

/* The tables of special values in the ISA. */
TEST(f32_functions_at_special_values)
{
    u64 inf = 0x7f800000, nan = 0x7fffffff, minus = 0x80000000;
    auto table = [](const char *op, Values in, Values out) {
        each1(std::string(op) + ".f32 d, a;", "32 32", in, [&](u64 a) {
            for (size_t i = 0; i < in.size(); i++) {
                if (in[i] == a) return out[i];
            }
            return ~(u64)0;
        });
    };
    table("rcp.approx", { inf | minus, minus, 0, inf }, { minus, inf | minus, inf, 0 });
    table("sqrt.approx", { inf | minus, minus, 0, inf }, { nan, minus, 0, inf });
    table("rsqrt.approx", { inf | minus, minus, 0, inf }, { nan, inf | minus, inf, 0 });
    table("sin.approx", { inf | minus, minus, 0, inf }, { nan, minus, 0, nan });
    table("cos.approx", { inf | minus, minus, 0, inf }, { nan, 0x3f800000, 0x3f800000, nan });
    table("lg2.approx", { inf | minus, minus, 0, inf }, { nan, inf | minus, inf | minus, inf });
    table("ex2.approx", { inf | minus, minus, 0, inf }, { 0, 0x3f800000, 0x3f800000, inf });
    table("tanh.approx", { inf | minus, minus, 0, inf }, { 0xbf800000, minus, 0, 0x3f800000 });
}

TEST(copysign)
{
    each2("copysign.f32 d, a, b;", "32 32 32", floats(), floats(),
          [](u64 a, u64 b) { return (a & 0x80000000) | (b & 0x7fffffff); });
    each2("copysign.f64 d, a, b;", "64 64 64", doubles(), doubles(),
          [](u64 a, u64 b) { return (a >> 63 << 63) | (b << 1 >> 1); });
}

TEST(testp)
{
    auto check_one = [](const char *what, auto f) {
        each1(std::string("testp.") + what + ".f32 r, a; selp.b32 d, 1, 0, r;", "32 32", floats(),
              [&](u64 a) { return (u64)f((double)f32(a), std::fpclassify(f32(a))); });
        each1(std::string("testp.") + what + ".f64 r, a; selp.b32 d, 1, 0, r;", "32 64", doubles(),
              [&](u64 a) { return (u64)f(f64(a), std::fpclassify(f64(a))); });
    };
    check_one("finite", [](double x, int) { return std::isfinite(x); });
    check_one("infinite", [](double x, int) { return std::isinf(x); });
    check_one("number", [](double x, int) { return !std::isnan(x); });
    check_one("notanumber", [](double x, int) { return std::isnan(x); });
    check_one("normal", [](double, int c) { return c == FP_NORMAL; });
    check_one("subnormal", [](double, int c) { return c == FP_SUBNORMAL; });
}

TEST(float_literals)
{
    each1("add.f32 d, a, 0f3FC00000;", "32 32", { bits(1.0f) }, [](u64) { return bits(2.5f); });
    each1("add.f32 d, a, 1.5;", "32 32", { bits(1.0f) }, [](u64) { return bits(2.5f); });
    each1("add.f64 d, a, 0d3FF8000000000000;", "64 64", { bits(1.0) },
          [](u64) { return bits(2.5); });
    each1("add.f64 d, a, 1.5;", "64 64", { bits(1.0) }, [](u64) { return bits(2.5); });
}
