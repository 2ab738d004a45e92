/* test_convert.cc - cvt between all types, with every rounding and clamp. Read next: exact.hh,
 * runtime/convert_any.cc, runtime/ops/convert.cc. */
#include "tests/emu/ptx/exact.hh"

using namespace check;
using namespace exact;

static s64 extend(u64 v, int bits)
{
    return bits == 64 ? (s64)v : (s64)(v << (64 - bits)) >> (64 - bits);
}

static std::string width(int bits)
{
    return std::to_string(std::max(bits, 16));
}

static std::string type(bool is_signed, int bits)
{
    return (is_signed ? "s" : "u") + std::to_string(bits);
}

TEST(cvt_integers)
{
    for (int from : { 8, 16, 32, 64 }) {
        for (int to : { 8, 16, 32, 64 }) {
            for (bool sf : { false, true }) {
                for (bool st : { false, true }) {
                    std::string ws = width(to) + " " + width(from), tt = type(st, to),
                                ft = type(sf, from);
                    auto value = [&](u64 a) { return sf ? extend(a, from) : (s64)a; };
                    /* into a register wider than the type the result is extended */
                    auto cut = [&](u64 v) {
                        return to == 64 ? v : st ? (u64)extend(v, to) : v & (((u64)1 << to) - 1);
                    };
                    each1("cvt." + tt + "." + ft + " d, a;", ws, edges(from),
                          [&](u64 a) { return cut((u64)value(a)); });
                    /* .sat is only legal where something can be cut off */
                    if (st ? from < to || (sf && from == to) : !sf && from <= to) continue;
                    each1("cvt.sat." + tt + "." + ft + " d, a;", ws, edges(from), [&](u64 a) {
                        __int128 v = sf ? (__int128)value(a) : (__int128)a;
                        __int128 most = ((__int128)1 << (st ? to - 1 : to)) - 1,
                                 least = st ? -most - 1 : 0;
                        return cut((u64)(v < least ? least : v > most ? most : v));
                    });
                }
            }
        }
    }
}

TEST(cvt_integers_in_wide_registers)
{
    each1("cvt.s32.s8 d, a;", "32 32", edges(32), [](u64 a) { return (u64)extend(a & 255, 8); });
    each1("cvt.u32.u16 d, a;", "32 32", edges(32), [](u64 a) { return a & 0xffff; });
    each1("cvt.s64.s32 d, a;", "64 64", edges(64),
          [](u64 a) { return (u64)extend(a & 0xffffffff, 32); });
    each1("cvt.u8.u32 d, a;", "32 32", edges(32), [](u64 a) { return a & 255; });
    each1("cvt.s8.s32 d, a;", "32 32", edges(32), [](u64 a) { return (u64)extend(a & 255, 8); });
    each1("cvt.s16.s64 d, a;", "64 64", edges(64),
          [](u64 a) { return (u64)extend(a & 0xffff, 16); });
}

static double integral(double x, const std::string &mode)
{
    return mode == "rni"   ? std::nearbyint(x)
           : mode == "rzi" ? std::trunc(x)
           : mode == "rmi" ? std::floor(x)
                           : std::ceil(x);
}

static u64 clamped(double y, bool is_signed, int bits, bool wide_nan)
{
    if (y != y) return wide_nan ? (u64)1 << (bits - 1) : 0;
    double most = std::ldexp(1.0, is_signed ? bits - 1 : bits), least = is_signed ? -most : 0;
    u64 ones = bits == 64 ? ~(u64)0 : ((u64)1 << bits) - 1;
    if (y >= most) return is_signed ? ones >> 1 : ones;
    if (y <= least) return is_signed ? (u64)1 << (bits - 1) : 0;
    return y < 0 ? (u64)(s64)y : (u64)y;
}

TEST(cvt_floats_to_integers)
{
    Values halves = { 0,      0x8000, 1,      0x3800, 0xb800, 0x3e00, 0x4100,
                      0xc100, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00 };
    for (auto mode : { "rni", "rzi", "rmi", "rpi" }) {
        for (int to : { 8, 16, 32, 64 }) {
            for (bool st : { false, true }) {
                std::string op = std::string("cvt.") + mode, t = type(st, to);
                auto result = [&](double x, bool from_f64) {
                    u64 v = clamped(integral(x, mode), st, to, from_f64 || to == 64);
                    return st ? (u64)extend(v, to) : v;
                };
                each1(op + "." + t + ".f32 d, a;", width(to) + " 32", floats(),
                      [&](u64 a) { return result(f32(a), false); });
                each1(op + ".ftz." + t + ".f32 d, a;", width(to) + " 32", floats(),
                      [&](u64 a) { return result(flush(f32(a)), false); });
                each1(op + "." + t + ".f64 d, a;", width(to) + " 64", doubles(),
                      [&](u64 a) { return result(f64(a), true); });
                each1(op + "." + t + ".f16 d, a;", width(to) + " 16", halves,
                      [&](u64 a) { return result(F16.value(a), false); });
            }
        }
    }
}

/* An integer rounded to p bits by hand. */
static double rounded_integer(__int128 v, int p, const std::string &mode)
{
    bool minus = v < 0;
    unsigned __int128 a = minus ? (unsigned __int128)-v : (unsigned __int128)v;
    int cut = 0;
    while (a >> cut >> p) cut++;
    unsigned __int128 kept = a >> cut, rest = a - (kept << cut),
                      half = cut ? (unsigned __int128)1 << (cut - 1) : 1;
    bool up = mode == "rn"   ? rest > half || (rest == half && cut && (kept & 1))
              : mode == "rp" ? rest && !minus
              : mode == "rm" ? rest && minus
                             : false;
    if (mode == "rn" && !cut) up = false;
    double r = std::ldexp((double)(u64)(kept + up), cut);
    return minus ? -r : r;
}

TEST(cvt_integers_to_floats)
{
    for (auto mode : { "rn", "rz", "rm", "rp" }) {
        for (int from : { 8, 16, 32, 64 }) {
            for (bool sf : { false, true }) {
                Values v = edges(from);
                if (from >= 32) {
                    for (u64 x : { 0x01000001, 0x01000003, 0x7fffffbf, 0x7fffff81 }) v.push_back(x);
                }
                if (from == 64) {
                    for (u64 x : { 0x0020000000000001, 0x0020000000000003, 0x7fffffffffffff01,
                                   0x40000000c0000001 })
                        v.push_back(x);
                }
                auto exactly = [&](u64 a) { return sf ? (__int128)extend(a, from) : (__int128)a; };
                std::string op = std::string("cvt.") + mode, t = type(sf, from);
                each1(op + ".f32." + t + " d, a;", "32 " + width(from), v,
                      [&](u64 a) { return bits((float)rounded_integer(exactly(a), 24, mode)); });
                each1(op + ".f64." + t + " d, a;", "64 " + width(from), v,
                      [&](u64 a) { return bits(rounded_integer(exactly(a), 53, mode)); });
                if (mode[1] != 'n' && mode[1] != 'z') continue;
                each1(op + ".f16." + t + " d, a;", "16 " + width(from), v, [&](u64 a) {
                    return F16.nearest((Real)exactly(a), exactly(a) < 0, mode[1] == 'z');
                });
                if (from == 8) continue; /* there is no conversion of bytes to bf16 */
                each1(op + ".bf16." + t + " d, a;", "16 " + width(from), v, [&](u64 a) {
                    return BF16.nearest((Real)exactly(a), exactly(a) < 0, mode[1] == 'z');
                });
            }
        }
    }
    each1("cvt.rn.sat.f32.s32 d, a;", "32 32", edges(32),
          [](u64 a) { return (s32)a > 0 ? bits(1.0f) : 0; });
}

TEST(cvt_between_f32_and_f64)
{
    auto same32 = [](double x) { return x != x ? 0x7fffffff : bits((float)x); };
    each1("cvt.f64.f32 d, a;", "64 32", floats(), [&](u64 a) {
        float f = f32(a);
        return f != f ? bits((double)f) : bits((double)f);
    });
    each1("cvt.rn.f32.f64 d, a;", "32 64", doubles(), [&](u64 a) { return same32(f64(a)); });
    each1("cvt.rn.ftz.f32.f64 d, a;", "32 64", doubles(),
          [&](u64 a) { return f64(a) != f64(a) ? 0x7fffffff : bits(flush((float)f64(a))); });
    for (auto mode : { "rz", "rm", "rp" }) {
        each1(std::string("cvt.") + mode + ".f32.f64 d, a;", "32 64",
              { bits(0.1), bits(-0.1), bits(1e-40), bits(-1e-46), bits(1e39), bits(-1e39),
                bits(1.0), bits(16777217.0) },
              [&](u64 a) {
                  double x = f64(a);
                  float r = (float)x;
                  if ((mode[1] == 'z' && std::fabs((double)r) > std::fabs(x)) ||
                      (mode[1] == 'm' && (double)r > x) || (mode[1] == 'p' && (double)r < x)) {
                      r = std::nextafter(r, mode[1] == 'z'   ? 0.0f
                                            : mode[1] == 'm' ? -INFINITY
                                                             : INFINITY);
                  }
                  return bits(r);
              });
    }
}

TEST(cvt_f32_to_integral_f32)
{
    for (auto mode : { "rni", "rzi", "rmi", "rpi" }) {
        each1(std::string("cvt.") + mode + ".f32.f32 d, a;", "32 32", floats(),
              [&](u64 a) { return canonical((float)integral(f32(a), mode)); });
        each1(std::string("cvt.") + mode + ".ftz.f32.f32 d, a;", "32 32", floats(),
              [&](u64 a) { return canonical((float)integral(flush(f32(a)), mode)); });
        each1(std::string("cvt.") + mode + ".f64.f64 d, a;", "64 64",
              { bits(2.5), bits(-2.5), bits(0.3), bits(-0.3) },
              [&](u64 a) { return bits(integral(f64(a), mode)); });
        each1(std::string("cvt.") + mode + ".f16.f16 d, a;", "16 16",
              { 0x4100, 0xc100, 0x3400, 0xb400, 0x7c00 }, [&](u64 a) {
                  double y = integral(F16.value(a), mode);
                  return std::isinf(y) ? a : F16.nearest((Real)y, std::signbit(y));
              });
    }
    each1("cvt.sat.f32.f32 d, a;", "32 32", floats(), [](u64 a) {
        float f = f32(a);
        return bits(f > 0 ? std::fmin(f, 1.0f) : 0.0f);
    });
    each1("cvt.ftz.f32.f32 d, a;", "32 32", floats(),
          [](u64 a) { return canonical(flush(f32(a))); });
}

static const struct Kind {
    const char *name;
    Format f;
} kinds[] = { { "f16", F16 }, { "bf16", BF16 } };

static u64 narrowed(const Format &f, float x, bool to_zero)
{
    if (x != x) return 0x7fff;
    if (std::isinf(x)) return f.infinity() | (x < 0 ? 0x8000 : 0);
    u64 r = f.nearest((Real)x, std::signbit(x), to_zero);
    if (to_zero && (r & 0x7fff) == f.infinity()) r--;
    return r;
}

static Values all_near_halves(const Format &f)
{
    Values v = floats();
    for (u64 h = 0; h < 0x7fff; h += 97) {
        double a = f.value(h), b = f.value(h + 1);
        for (double x :
             { a, (a + b) / 2, std::nextafter((float)((a + b) / 2), 0.0f) * 1.0, -(a + b) / 2 })
            v.push_back(bits((float)x));
    }
    v.push_back(bits(65519.996f));
    v.push_back(bits(65520.0f));
    return v;
}

TEST(cvt_f32_to_halves)
{
    for (const Kind &k : kinds) {
        std::string t = k.name;
        Values v = all_near_halves(k.f);
        for (bool rz : { false, true }) {
            std::string op = rz ? "cvt.rz." : "cvt.rn.";
            each1(op + t + ".f32 d, a;", "16 32", v,
                  [&](u64 a) { return narrowed(k.f, f32(a), rz); });
            each1(op + "relu." + t + ".f32 d, a;", "16 32", floats(), [&](u64 a) {
                float f = f32(a);
                return narrowed(k.f, f <= 0 ? 0 : f, rz);
            });
            each2(op + t + "x2.f32 d, a, b;", "32 32 32", floats(), floats(), [&](u64 a, u64 b) {
                return narrowed(k.f, f32(a), rz) << 16 | narrowed(k.f, f32(b), rz);
            });
            each2(op + "relu." + t + "x2.f32 d, a, b;", "32 32 32", floats(),
                  { bits(-1.0f), bits(2.0f) }, [&](u64 a, u64 b) {
                      auto relu = [](float f) { return f <= 0 ? 0 : f; };
                      return narrowed(k.f, relu(f32(a)), rz) << 16 |
                             narrowed(k.f, relu(f32(b)), rz);
                  });
        }
    }
    each1("cvt.rn.satfinite.f16.f32 d, a;", "16 32",
          { bits(1e6f), bits(-1e6f), bits(1.0f), bits(65520.0f) }, [&](u64 a) {
              u64 r = narrowed(F16, f32(a), false);
              return (r & 0x7fff) == 0x7c00 ? (r & 0x8000) | 0x7bff : r;
          });
}

TEST(cvt_halves_to_f32)
{
    Values all;
    for (u64 h = 0; h < 0x10000; h++) all.push_back(h);
    for (const Kind &k : kinds) {
        each1(std::string("cvt.f32.") + k.name + " d, a;", "32 16", all,
              [&](u64 a) { return canonical((float)k.f.value(a)); });
        each1(std::string("cvt.f64.") + k.name + " d, a;", "64 16", { 0, 0x3c00, 0x8001, 0x7b00 },
              [&](u64 a) { return bits(k.f.value(a)); });
    }
    each1("cvt.rn.f16.f64 d, a;", "16 64",
          { bits(0.1), bits(65520.0), bits(1.00048828125), bits(1.0004882812500002), bits(1e-8) },
          [](u64 a) { return f64(a) > 65519 ? (u64)0x7c00 : F16.nearest((Real)f64(a), false); });
    each1("cvt.rn.bf16.f16 d, a;", "16 16", { 0x3c00, 0x3c01, 0x0001, 0x7bff, 0x7c00, 0x3c0c },
          [](u64 a) {
              return a == 0x7c00 ? (u64)0x7f80 : BF16.nearest((Real)F16.value(a), false);
          });
}

TEST(cvt_to_tf32)
{
    auto near = [](u64 a, bool away) {
        u64 rest = a & 0x1fff, kept = a & ~(u64)0x1fff;
        bool up = rest > 0x1000 || (rest == 0x1000 && (away || (kept & 0x2000)));
        return kept + (up ? 0x2000 : 0);
    };
    Values v = {
        0x3f800000, 0x3f801000, 0x3f803000, 0x3f800fff, 0x3f801001, 0xbf801000, 0x7f7fffff
    };
    each1("cvt.rna.tf32.f32 d, a;", "32 32", v, [&](u64 a) { return near(a, true); });
    each1("cvt.rn.tf32.f32 d, a;", "32 32", v, [&](u64 a) { return near(a, false); });
    each1("cvt.rz.tf32.f32 d, a;", "32 32", v, [&](u64 a) { return a & ~(u64)0x1fff; });
}

TEST(cvt_pack)
{
    auto sat = [](u64 v, s64 least, s64 most, u64 mask) {
        s64 x = (s32)v;
        return (u64)std::min(std::max(x, least), most) & mask;
    };
    each3("cvt.pack.sat.s8.s32.b32 d, a, b, c;", "32 32 32 32", edges(32), edges(32),
          { 0, 0x1234abcd }, [&](u64 a, u64 b, u64 c) {
              return c << 16 | sat(a, -128, 127, 255) << 8 | sat(b, -128, 127, 255);
          });
    each3("cvt.pack.sat.u8.s32.b32 d, a, b, c;", "32 32 32 32", edges(32), edges(32),
          { 0, 0x1234abcd }, [&](u64 a, u64 b, u64 c) {
              return c << 16 | sat(a, 0, 255, 255) << 8 | sat(b, 0, 255, 255);
          });
    each2("cvt.pack.sat.s16.s32 d, a, b;", "32 32 32", edges(32), edges(32), [&](u64 a, u64 b) {
        return sat(a, -32768, 32767, 0xffff) << 16 | sat(b, -32768, 32767, 0xffff);
    });
    each2("cvt.pack.sat.u16.s32 d, a, b;", "32 32 32", edges(32), edges(32),
          [&](u64 a, u64 b) { return sat(a, 0, 65535, 0xffff) << 16 | sat(b, 0, 65535, 0xffff); });
}
