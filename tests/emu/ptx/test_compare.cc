/* test_compare.cc - setp, set, selp, slct. Read next: check.hh, runtime/ops/compare.cc. */
#include "tests/emu/ptx/exact.hh"

using namespace check;
using namespace exact;

static s64 extend(u64 v, int bits)
{
    return (s64)(v << (64 - bits)) >> (64 - bits);
}

static bool ordered(const std::string &op, int order) /* order: -1, 0, 1 */
{
    if (op == "eq") return order == 0;
    if (op == "ne") return order != 0;
    if (op == "lt" || op == "lo") return order < 0;
    if (op == "le" || op == "ls") return order <= 0;
    if (op == "gt" || op == "hi") return order > 0;
    return order >= 0;
}

static std::string setp(const std::string &op, const std::string &type)
{
    return "setp." + op + "." + type + " p, a, b; selp.b32 d, 1, 0, p;";
}

TEST(setp_integers)
{
    for (int bits : { 16, 32, 64 }) {
        std::string n = std::to_string(bits), ws = "32 " + n + " " + n;
        for (auto op : { "eq", "ne", "lt", "le", "gt", "ge" }) {
            each2(setp(op, "s" + n), ws, edges(bits), edges(bits), [&](u64 a, u64 b) {
                s64 x = extend(a, bits), y = extend(b, bits);
                return (u64)ordered(op, x < y ? -1 : x > y);
            });
        }
        for (auto op : { "eq", "ne", "lo", "ls", "hi", "hs", "lt", "ge" }) {
            each2(setp(op, "u" + n), ws, edges(bits), edges(bits),
                  [&](u64 a, u64 b) { return (u64)ordered(op, a < b ? -1 : a > b); });
        }
        for (auto op : { "eq", "ne" }) {
            each2(setp(op, "b" + n), ws, edges(bits), edges(bits),
                  [&](u64 a, u64 b) { return (u64)((a == b) == (op[0] == 'e')); });
        }
    }
}

static bool holds(const std::string &op, double x, double y)
{
    bool unordered = x != x || y != y;
    if (op == "num") return !unordered;
    if (op == "nan") return unordered;
    if (unordered) return op.back() == 'u';
    std::string plain = op.size() == 3 ? op.substr(0, 2) : op;
    return ordered(plain, x < y ? -1 : x > y);
}

static const char *const float_ops[] = { "eq",  "ne",  "lt",  "le",  "gt",  "ge",  "equ",
                                         "neu", "ltu", "leu", "gtu", "geu", "num", "nan" };

TEST(setp_floats)
{
    for (auto op : float_ops) {
        each2(setp(op, "f32"), "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return (u64)holds(op, f32(a), f32(b)); });
        each2(setp(std::string(op) + ".ftz", "f32"), "32 32 32", floats(), floats(),
              [&](u64 a, u64 b) { return (u64)holds(op, flush(f32(a)), flush(f32(b))); });
        each2(setp(op, "f64"), "32 64 64", doubles(), doubles(),
              [&](u64 a, u64 b) { return (u64)holds(op, f64(a), f64(b)); });
    }
}

TEST(setp_halves)
{
    Values f16 = { 0, 0x8000, 1, 0x3c00, 0xbc00, 0x7bff, 0x7c00, 0xfc00, 0x7e00 };
    Values bf16 = { 0, 0x8000, 1, 0x3f80, 0xbf80, 0x7f7f, 0x7f80, 0xff80, 0x7fc0 };
    for (auto op : float_ops) {
        each2(setp(op, "f16"), "32 16 16", f16, f16,
              [&](u64 a, u64 b) { return (u64)holds(op, F16.value(a), F16.value(b)); });
        each2(setp(op, "bf16"), "32 16 16", bf16, bf16,
              [&](u64 a, u64 b) { return (u64)holds(op, BF16.value(a), BF16.value(b)); });
    }
    each2("setp.lt.ftz.f16 p, a, b; selp.b32 d, 1, 0, p;", "32 16 16", f16, f16, [&](u64 a, u64 b) {
        auto z = [](u64 h) { return F16.value((h & 0x7c00) ? h : h & 0x8000); };
        return (u64)(z(a) < z(b));
    });
}

TEST(setp_pairs_give_two_predicates)
{
    Values v = { 0x3c003c00, 0x3c00bc00, 0xbc003c00, 0x7e003c00, 0 };
    each2("setp.gt.f16x2 p|q, a, b; selp.b32 d, 1, 0, p; selp.b32 t, 2, 0, q; or.b32 d, d, t;",
          "32 32 32", v, v, [](u64 a, u64 b) {
              bool low = F16.value(a & 0xffff) > F16.value(b & 0xffff);
              bool high = F16.value(a >> 16) > F16.value(b >> 16);
              return (u64)low | (u64)high << 1;
          });
    each2("setp.le.bf16x2 p|q, a, b; selp.b32 d, 1, 0, p; selp.b32 t, 2, 0, q; or.b32 d, d, t;",
          "32 32 32", v, v, [](u64 a, u64 b) {
              bool low = BF16.value(a & 0xffff) <= BF16.value(b & 0xffff);
              bool high = BF16.value(a >> 16) <= BF16.value(b >> 16);
              return (u64)low | (u64)high << 1;
          });
}

TEST(setp_combines_and_gives_the_opposite)
{
    Values bit = { 0, 1 }, v = { 0, 1, 2 };
    std::string get = " selp.b32 d, 1, 0, p; selp.b32 t, 2, 0, q; or.b32 d, d, t;";
    for (auto how : { "and", "or", "xor" }) {
        for (bool negated : { false, true }) {
            std::string code = std::string("setp.ne.u32 r, c, 0; setp.lt.") + how +
                               ".u32 p|q, a, b, " + (negated ? "!r;" : "r;") + get;
            each3(code, "32 32 32 32", v, v, bit, [&](u64 a, u64 b, u64 c) {
                bool t = a < b, r = (c != 0) != negated;
                auto join = [&](bool x) {
                    return how[0] == 'a' ? x && r : how[0] == 'o' ? x || r : x != r;
                };
                return (u64)join(t) | (u64)join(!t) << 1;
            });
        }
    }
    each2("setp.eq.u32 _|q, a, b; selp.b32 d, 1, 0, q;", "32 32 32", v, v,
          [](u64 a, u64 b) { return (u64)(a != b); });
}

TEST(set)
{
    Values f = { 0, 0x3f800000, 0xbf800000, 0x7fc00000 };
    each2("set.lt.u32.s32 d, a, b;", "32 32 32", edges(32), edges(32),
          [](u64 a, u64 b) { return (s32)a < (s32)b ? 0xffffffff : 0; });
    each2("set.gt.s32.f32 d, a, b;", "32 32 32", f, f,
          [](u64 a, u64 b) { return f32(a) > f32(b) ? 0xffffffff : 0; });
    each2("set.geu.f32.f32 d, a, b;", "32 32 32", f, f,
          [](u64 a, u64 b) { return f32(a) < f32(b) ? 0 : 0x3f800000; });
    each2("set.eq.f32.u64 d, a, b;", "32 64 64", edges(64), edges(64),
          [](u64 a, u64 b) { return a == b ? 0x3f800000 : 0; });
    each3("setp.ne.u32 r, c, 0; set.lt.and.u32.u32 d, a, b, r;", "32 32 32 32", { 1, 2 }, { 1, 2 },
          { 0, 1 }, [](u64 a, u64 b, u64 c) { return a < b && c ? 0xffffffff : 0; });
    Values h = { 0x3c003c00, 0x3c00bc00, 0xbc003c00, 0x7e003c00, 0 };
    auto both = [](u64 a, u64 b, u64 yes) {
        return (F16.value(a & 0xffff) == F16.value(b & 0xffff) ? yes : 0) |
               (F16.value(a >> 16) == F16.value(b >> 16) ? yes << 16 : 0);
    };
    each2("set.eq.f16x2.f16x2 d, a, b;", "32 32 32", h, h,
          [&](u64 a, u64 b) { return both(a, b, 0x3c00); });
    each2("set.eq.u32.f16x2 d, a, b;", "32 32 32", h, h,
          [&](u64 a, u64 b) { return both(a, b, 0xffff); });
    each2("set.lt.f16.f16 d, a, b;", "16 16 16", { 0x3c00, 0xbc00, 0x7e00 }, { 0x3c00, 0xbc00 },
          [](u64 a, u64 b) { return F16.value(a) < F16.value(b) ? 0x3c00 : 0; });
    each2("set.lt.u16.f16 d, a, b;", "16 16 16", { 0x3c00, 0xbc00, 0x7e00 }, { 0x3c00, 0xbc00 },
          [](u64 a, u64 b) { return F16.value(a) < F16.value(b) ? 0xffff : 0; });
    each2("set.ne.bf16.bf16 d, a, b;", "16 16 16", { 0x3f80, 0x7fc0 }, { 0x3f80, 0xbf80 },
          [](u64 a, u64 b) { return holds("ne", BF16.value(a), BF16.value(b)) ? 0x3f80 : 0; });
}

TEST(selp)
{
    for (int bits : { 16, 32, 64 }) {
        std::string n = std::to_string(bits);
        each3("setp.ne.u32 p, c, 0; selp.b" + n + " d, a, b, p;", n + " " + n + " " + n + " 32",
              edges(bits), edges(bits), { 0, 1 }, [](u64 a, u64 b, u64 c) { return c ? a : b; });
    }
    each3("setp.ne.u32 p, c, 0; selp.f32 d, a, b, p;", "32 32 32 32", { 1 }, { 2 }, { 0, 1 },
          [](u64 a, u64 b, u64 c) { return c ? a : b; });
}

TEST(slct)
{
    Values f = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7fc00000, 0x80000001 };
    each3("slct.b32.s32 d, a, b, c;", "32 32 32 32", { 1 }, { 2 }, edges(32),
          [](u64 a, u64 b, u64 c) { return (s32)c >= 0 ? a : b; });
    each3("slct.b64.f32 d, a, b, c;", "64 64 64 32", { 1 }, { 2 }, f,
          [](u64 a, u64 b, u64 c) { return f32(c) >= 0 ? a : b; });
    each3("slct.ftz.u32.f32 d, a, b, c;", "32 32 32 32", { 1 }, { 2 }, f,
          [](u64 a, u64 b, u64 c) { return flush(f32(c)) >= 0 ? a : b; });
    each3("slct.u64.s32 d, a, b, c;", "64 64 64 32", { 1 }, { 2 }, edges(32),
          [](u64 a, u64 b, u64 c) { return (s32)c >= 0 ? a : b; });
}
