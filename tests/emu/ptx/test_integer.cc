/* test_integer.cc - integer arithmetic against what the PTX ISA says, at the edges of the types.
 * Read next: check.hh, runtime/ops/integer.cc. */
#include "tests/emu/ptx/check.hh"

using namespace check;

static const struct Width {
    int bits;
    std::string d, wide;
} widths[] = { { 16, "16", "32" }, { 32, "32", "64" }, { 64, "64", "64" } };

static s64 extend(u64 v, int bits)
{
    return (s64)(v << (64 - bits)) >> (64 - bits);
}

static std::string name(const char *op, char kind, int bits)
{
    return std::string(op) + "." + kind + std::to_string(bits) + " d, a, b;";
}

TEST(add_and_sub)
{
    for (const Width &w : widths) {
        std::string ws = w.d + " " + w.d + " " + w.d;
        for (char kind : { 's', 'u' }) {
            each2(name("add", kind, w.bits), ws, edges(w.bits), edges(w.bits),
                  [](u64 a, u64 b) { return a + b; });
            each2(name("sub", kind, w.bits), ws, edges(w.bits), edges(w.bits),
                  [](u64 a, u64 b) { return a - b; });
        }
    }
}

TEST(add_and_sub_saturate)
{
    auto clamp = [](s64 v) {
        return (u64)(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
    };
    each2("add.sat.s32 d, a, b;", "32 32 32", edges(32), edges(32),
          [&](u64 a, u64 b) { return clamp((s64)(s32)a + (s32)b); });
    each2("sub.sat.s32 d, a, b;", "32 32 32", edges(32), edges(32),
          [&](u64 a, u64 b) { return clamp((s64)(s32)a - (s32)b); });
}

/* The product as two 64-bit halves, by school arithmetic. */
static u64 product(u64 a, u64 b, bool is_signed, int bits, bool high)
{
    u64 x = is_signed ? (u64)extend(a, bits) : a, y = is_signed ? (u64)extend(b, bits) : b;
    u64 low = x * y;
    if (bits < 64) return high ? low >> bits : low;
    u64 xl = x & 0xffffffff, xh = x >> 32, yl = y & 0xffffffff, yh = y >> 32;
    u64 middle = xh * yl + (xl * yl >> 32), other = xl * yh + (middle & 0xffffffff);
    u64 top = xh * yh + (middle >> 32) + (other >> 32);
    if (is_signed && (s64)x < 0) top -= y;
    if (is_signed && (s64)y < 0) top -= x;
    return high ? top : low;
}

TEST(mul)
{
    for (const Width &w : widths) {
        std::string ws = w.d + " " + w.d + " " + w.d;
        for (bool is_signed : { false, true }) {
            char kind = is_signed ? 's' : 'u';
            for (bool high : { false, true }) {
                each2(name(high ? "mul.hi" : "mul.lo", kind, w.bits), ws, edges(w.bits),
                      edges(w.bits),
                      [&](u64 a, u64 b) { return product(a, b, is_signed, w.bits, high); });
            }
            if (w.bits == 64) continue;
            each2(name("mul.wide", kind, w.bits), w.wide + " " + w.d + " " + w.d, edges(w.bits),
                  edges(w.bits),
                  [&](u64 a, u64 b) { return product(a, b, is_signed, w.bits, false); });
        }
    }
}

TEST(mad)
{
    Values few = { 0, 1, 0xffffffff, 0x80000000, 0x7fffffff, 0x12345678 };
    Values few64 = { 0, 1, ~(u64)0, (u64)1 << 63, 0x123456789abcdef0 };
    for (bool is_signed : { false, true }) {
        std::string t = is_signed ? "s" : "u";
        for (bool high : { false, true }) {
            std::string op = high ? "mad.hi." : "mad.lo.";
            each3(op + t + "32 d, a, b, c;", "32 32 32 32", few, few, few,
                  [&](u64 a, u64 b, u64 c) { return product(a, b, is_signed, 32, high) + c; });
            each3(op + t + "64 d, a, b, c;", "64 64 64 64", few64, few64, few64,
                  [&](u64 a, u64 b, u64 c) { return product(a, b, is_signed, 64, high) + c; });
            each3(op + t + "16 d, a, b, c;", "16 16 16 16", { 0, 1, 0xffff, 0x8000 },
                  { 3, 0x7fff, 0xffff }, { 0, 9 },
                  [&](u64 a, u64 b, u64 c) { return product(a, b, is_signed, 16, high) + c; });
        }
        each3("mad.wide." + t + "32 d, a, b, c;", "64 32 32 64", few, few, few64,
              [&](u64 a, u64 b, u64 c) { return product(a, b, is_signed, 32, false) + c; });
        each3("mad.wide." + t + "16 d, a, b, c;", "32 16 16 32", { 0, 1, 0xffff, 0x8000 },
              { 3, 0xffff }, few,
              [&](u64 a, u64 b, u64 c) { return product(a, b, is_signed, 16, false) + c; });
    }
    each3("mad.hi.sat.s32 d, a, b, c;", "32 32 32 32", few, few, few, [&](u64 a, u64 b, u64 c) {
        s64 v = (s64)(s32)product(a, b, true, 32, true) + (s32)c;
        return (u64)(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v);
    });
}

TEST(mul24)
{
    auto low24 = [](u64 v, bool is_signed) {
        return is_signed ? extend(v, 24) : (s64)(v & 0xffffff);
    };
    for (bool is_signed : { false, true }) {
        std::string t = is_signed ? "s32" : "u32";
        for (bool high : { false, true }) {
            auto value = [&](u64 a, u64 b) {
                s64 p = low24(a, is_signed) * low24(b, is_signed);
                return (u64)(high ? p >> 16 : p);
            };
            std::string half = high ? ".hi." : ".lo.";
            each2("mul24" + half + t + " d, a, b;", "32 32 32", edges(32), edges(32), value);
            each3("mad24" + half + t + " d, a, b, c;", "32 32 32 32", edges(32), edges(32),
                  { 0, 77 }, [&](u64 a, u64 b, u64 c) { return value(a, b) + c; });
        }
    }
}

TEST(div_and_rem)
{
    for (const Width &w : widths) {
        std::string ws = w.d + " " + w.d + " " + w.d;
        u64 least = (u64)1 << (w.bits - 1);
        Values divisors; /* by zero is not defined */
        for (u64 v : edges(w.bits)) {
            if (v) divisors.push_back(v);
        }
        each2(name("div", 'u', w.bits), ws, edges(w.bits), divisors,
              [](u64 a, u64 b) { return a / b; });
        each2(name("rem", 'u', w.bits), ws, edges(w.bits), divisors,
              [](u64 a, u64 b) { return a % b; });
        auto minus_one = [&](u64 b) { return extend(b, w.bits) == -1; };
        each2(name("div", 's', w.bits), ws, edges(w.bits), divisors, [&](u64 a, u64 b) {
            return minus_one(b) ? 0 - a : (u64)(extend(a, w.bits) / extend(b, w.bits));
        });
        each2(name("rem", 's', w.bits), ws, edges(w.bits), divisors, [&](u64 a, u64 b) {
            return minus_one(b) ? 0 : (u64)(extend(a, w.bits) % extend(b, w.bits));
        });
        (void)least;
    }
}

TEST(division_by_zero_goes_on)
{
    each2("div.s32 d, a, b;", "32 32 32", { 1, 0x80000000 }, { 0 },
          [](u64, u64) { return ~(u64)0; });
    each2("rem.u64 d, a, b;", "64 64 64", { 5, 9 }, { 0 }, [](u64 a, u64) { return a; });
}

TEST(min_max_abs_neg_sad)
{
    for (const Width &w : widths) {
        std::string two = w.d + " " + w.d + " " + w.d, one = w.d + " " + w.d;
        auto s = [&](u64 v) { return extend(v, w.bits); };
        each2(name("min", 'u', w.bits), two, edges(w.bits), edges(w.bits),
              [](u64 a, u64 b) { return std::min(a, b); });
        each2(name("max", 'u', w.bits), two, edges(w.bits), edges(w.bits),
              [](u64 a, u64 b) { return std::max(a, b); });
        each2(name("min", 's', w.bits), two, edges(w.bits), edges(w.bits),
              [&](u64 a, u64 b) { return s(a) < s(b) ? a : b; });
        each2(name("max", 's', w.bits), two, edges(w.bits), edges(w.bits),
              [&](u64 a, u64 b) { return s(a) > s(b) ? a : b; });
        std::string t = std::to_string(w.bits);
        each1("abs.s" + t + " d, a;", one, edges(w.bits),
              [&](u64 a) { return s(a) < 0 ? 0 - a : a; });
        each1("neg.s" + t + " d, a;", one, edges(w.bits), [](u64 a) { return 0 - a; });
        std::string three = two + " " + w.d;
        each3("sad.u" + t + " d, a, b, c;", three, edges(w.bits), edges(w.bits), { 0, 100 },
              [](u64 a, u64 b, u64 c) { return (a < b ? b - a : a - b) + c; });
        each3("sad.s" + t + " d, a, b, c;", three, edges(w.bits), edges(w.bits), { 0, 100 },
              [&](u64 a, u64 b, u64 c) { return (s(a) < s(b) ? b - a : a - b) + c; });
    }
    auto relu = [](s32 v) { return (u64)(v < 0 ? 0 : v); };
    each2("min.relu.s32 d, a, b;", "32 32 32", edges(32), edges(32),
          [&](u64 a, u64 b) { return relu(std::min((s32)a, (s32)b)); });
    each2("max.relu.s32 d, a, b;", "32 32 32", edges(32), edges(32),
          [&](u64 a, u64 b) { return relu(std::max((s32)a, (s32)b)); });
}

TEST(carry_chain_of_additions)
{
    /* (c:b:a) with 32-bit words: {a, b} + {b, c}, high word out, then the carry out of it */
    Values v = { 0, 1, 0xffffffff, 0x80000000, 0xfffffffe };
    auto wide = [](u64 a, u64 b, u64 c) { return (b << 32 | a) + (c << 32 | b); };
    each3("add.cc.u32 t, a, b; addc.u32 d, b, c;", "32 32 32 32", v, v, v,
          [&](u64 a, u64 b, u64 c) { return wide(a, b, c) >> 32; });
    each3("add.cc.u32 t, a, b; addc.cc.u32 t, b, c; addc.u32 d, 0, 0;", "32 32 32 32", v, v, v,
          [&](u64 a, u64 b, u64 c) { return wide(a, b, c) < (b << 32 | a); });
    each2("add.cc.u64 x, a, b; addc.u64 d, 0, 0;", "64 64 64", edges(64), edges(64),
          [](u64 a, u64 b) { return (u64)(a + b < a); });
}

TEST(carry_chain_of_subtractions)
{
    Values v = { 0, 1, 0xffffffff, 0x80000000, 0xfffffffe };
    auto wide = [](u64 a, u64 b, u64 c) { return (b << 32 | a) - (c << 32 | b); };
    each3("sub.cc.u32 t, a, b; subc.u32 d, b, c;", "32 32 32 32", v, v, v,
          [&](u64 a, u64 b, u64 c) { return wide(a, b, c) >> 32; });
    each3("sub.cc.u32 t, a, b; subc.cc.u32 t, b, c; subc.u32 d, 0, 0;", "32 32 32 32", v, v, v,
          [&](u64 a, u64 b, u64 c) { return wide(a, b, c) > (b << 32 | a) ? ~(u64)0 : 0; });
}

TEST(carry_chain_of_products)
{
    /* the high word of a * b + (c in both words), by mad.lo.cc and madc.hi */
    Values v = { 0, 1, 0xffffffff, 0x80000000, 0x12345678 };
    each3("mad.lo.cc.u32 t, a, b, c; madc.hi.u32 d, a, b, c;", "32 32 32 32", v, v, v,
          [](u64 a, u64 b, u64 c) {
              u64 p = a * b, low = (p & 0xffffffff) + c;
              return (p >> 32) + c + (low >> 32);
          });
    each3("mad.lo.cc.s32 t, a, b, c; madc.hi.s32 d, a, b, c;", "32 32 32 32", v, v, v,
          [](u64 a, u64 b, u64 c) {
              u64 p = (u64)((s64)(s32)a * (s32)b), low = (p & 0xffffffff) + c;
              return (p >> 32) + c + (low >> 32);
          });
    each3("mad.lo.cc.u32 t, a, b, c; madc.hi.cc.u32 t, a, b, c; addc.u32 d, 0, 0;", "32 32 32 32",
          v, v, v, [](u64 a, u64 b, u64 c) {
              u64 p = a * b, low = (p & 0xffffffff) + c;
              return ((p >> 32) + c + (low >> 32)) >> 32;
          });
}
