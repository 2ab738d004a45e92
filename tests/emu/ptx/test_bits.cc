/* test_bits.cc - logic, shifts, bit fields, permutations, dot products of bytes.
 * Read next: check.hh, runtime/ops/bits.cc. */
#include "tests/emu/ptx/check.hh"

using namespace check;

static std::string typed(const std::string &op, const std::string &type, const char *operands)
{
    return op + "." + type + " " + operands;
}

static std::string same(int bits, int n)
{
    std::string s;
    for (int i = 0; i < n; i++) s += (i ? " " : "") + std::to_string(bits);
    return s;
}

static s64 extend(u64 v, int bits)
{
    return (s64)(v << (64 - bits)) >> (64 - bits);
}

TEST(logic)
{
    for (int bits : { 16, 32, 64 }) {
        std::string t = "b" + std::to_string(bits);
        Values v = edges(bits);
        each2(typed("and", t, "d, a, b;"), same(bits, 3), v, v, [](u64 a, u64 b) { return a & b; });
        each2(typed("or", t, "d, a, b;"), same(bits, 3), v, v, [](u64 a, u64 b) { return a | b; });
        each2(typed("xor", t, "d, a, b;"), same(bits, 3), v, v, [](u64 a, u64 b) { return a ^ b; });
        each1(typed("not", t, "d, a;"), same(bits, 2), v, [](u64 a) { return ~a; });
        each1(typed("cnot", t, "d, a;"), same(bits, 2), v, [](u64 a) { return a == 0; });
        each1(typed("mov", t, "d, a;"), same(bits, 2), v, [](u64 a) { return a; });
    }
}

TEST(logic_of_predicates)
{
    std::string set = "setp.ne.u32 p, a, 0; setp.ne.u32 q, b, 0; ", get = " selp.b32 d, 1, 0, r;";
    for (auto op : { "and", "or", "xor" }) {
        each2(set + op + ".pred r, p, q;" + get, "32 32 32", { 0, 1 }, { 0, 1 }, [&](u64 a, u64 b) {
            return op[0] == 'a' ? a & b : op[0] == 'o' ? a | b : a ^ b;
        });
    }
    each1("setp.ne.u32 p, a, 0; not.pred r, p; selp.b32 d, 1, 0, r;", "32 32", { 0, 1 },
          [](u64 a) { return !a; });
    each1("setp.ne.u32 p, a, 0; mov.pred r, p; selp.b32 d, 1, 0, r;", "32 32", { 0, 1 },
          [](u64 a) { return a; });
}

TEST(shifts)
{
    for (int bits : { 16, 32, 64 }) {
        std::string n = std::to_string(bits), ws = n + " " + n + " 32";
        Values v = edges(bits);
        each2("shl.b" + n + " d, a, b;", ws, v, amounts(),
              [&](u64 a, u64 b) { return b >= (u64)bits ? 0 : a << b; });
        for (auto kind : { "u", "b" }) {
            each2("shr." + std::string(kind) + n + " d, a, b;", ws, v, amounts(),
                  [&](u64 a, u64 b) { return b >= (u64)bits ? 0 : a >> b; });
        }
        each2("shr.s" + n + " d, a, b;", ws, v, amounts(), [&](u64 a, u64 b) {
            return (u64)(extend(a, bits) >> std::min<u64>(b, (u64)bits - 1));
        });
    }
}

TEST(funnel_shifts)
{
    Values v = { 0, 1, 0xffffffff, 0x80000001, 0x12345678 };
    for (bool wrap : { false, true }) {
        auto n = [&](u64 c) { return wrap ? c & 31 : std::min<u64>(c, 32); };
        std::string mode = wrap ? "wrap" : "clamp";
        each3("shf.l." + mode + ".b32 d, a, b, c;", "32 32 32 32", v, v, amounts(),
              [&](u64 a, u64 b, u64 c) { return ((b << 32 | a) << n(c)) >> 32; });
        each3("shf.r." + mode + ".b32 d, a, b, c;", "32 32 32 32", v, v, amounts(),
              [&](u64 a, u64 b, u64 c) { return (b << 32 | a) >> n(c); });
    }
}

/* Bit by bit, as the ISA writes it. */
static u64 extract(u64 a, u64 b, u64 c, int bits, bool is_signed)
{
    u64 pos = b & 255, len = c & 255, msb = (u64)bits - 1, d = 0;
    bool sign = !is_signed || len == 0 ? false : a >> std::min(pos + len - 1, msb) & 1;
    for (u64 i = 0; i <= msb; i++) {
        bool bit = i < len && pos + i <= msb ? a >> (pos + i) & 1 : sign;
        d |= (u64)bit << i;
    }
    return d;
}

TEST(bfe)
{
    Values pos = { 0, 1, 7, 31, 32, 40, 63, 64, 255, 256 },
           len = { 0, 1, 8, 31, 32, 33, 64, 255, 300 };
    for (int bits : { 32, 64 }) {
        std::string n = std::to_string(bits), ws = n + " " + n + " 32 32";
        for (bool is_signed : { false, true }) {
            each3("bfe." + std::string(is_signed ? "s" : "u") + n + " d, a, b, c;", ws, edges(bits),
                  pos, len, [&](u64 a, u64 b, u64 c) { return extract(a, b, c, bits, is_signed); });
        }
    }
}

TEST(bfi)
{
    Values pos = { 0, 1, 7, 31, 32, 63, 255 }, a = { 0, 0xffffffffffffffff, 0x123456789abcdef0 };
    for (int bits : { 32, 64 }) {
        u64 mask = bits == 64 ? ~(u64)0 : 0xffffffff;
        for (u64 len : { 0, 1, 8, 32, 64, 255 }) {
            std::string n = std::to_string(bits), ws = n + " " + n + " " + n + " 32";
            Values v;
            for (u64 x : a) v.push_back(x & mask);
            each3("bfi.b" + n + " d, a, b, c, " + std::to_string(len) + ";", ws, v, v, pos,
                  [&](u64 x, u64 f, u64 p) {
                      for (u64 i = 0; i < len && p + i < (u64)bits; i++) {
                          f = (f & ~((u64)1 << (p + i))) | (x >> i & 1) << (p + i);
                      }
                      return f;
                  });
        }
    }
}

TEST(counts)
{
    for (int bits : { 32, 64 }) {
        std::string n = std::to_string(bits), to32 = "32 " + n;
        auto top = [&](u64 v) {
            int msb = bits - 1;
            while (msb >= 0 && !(v >> msb & 1)) msb--;
            return msb;
        };
        each1("popc.b" + n + " d, a;", to32, edges(bits), [&](u64 a) {
            u64 sum = 0;
            for (int i = 0; i < bits; i++) sum += a >> i & 1;
            return sum;
        });
        each1("clz.b" + n + " d, a;", to32, edges(bits),
              [&](u64 a) { return (u64)(bits - 1 - top(a)); });
        each1("brev.b" + n + " d, a;", n + " " + n, edges(bits), [&](u64 a) {
            u64 r = 0;
            for (int i = 0; i < bits; i++) r |= (a >> i & 1) << (bits - 1 - i);
            return r;
        });
        for (bool is_signed : { false, true }) {
            std::string t = (is_signed ? "s" : "u") + n;
            auto find = [&](u64 a) { return is_signed && extend(a, bits) < 0 ? top(~a) : top(a); };
            each1("bfind." + t + " d, a;", to32, edges(bits), [&](u64 a) { return (u64)find(a); });
            each1("bfind.shiftamt." + t + " d, a;", to32, edges(bits),
                  [&](u64 a) { return find(a) < 0 ? ~(u64)0 : (u64)(bits - 1 - find(a)); });
        }
    }
}

TEST(fns)
{
    each3("fns.b32 d, a, b, c;", "32 32 32 32",
          { 0, 0xffffffff, 0xaaaaaaaa, 0x80000001, 0x00f00000 }, { 0, 1, 15, 31 },
          { 0, 1, 2, 5, 0xffffffff, 0xfffffffe, 0xfffffff0 }, [](u64 mask, u64 base, u64 offset) {
              s32 o = (s32)offset;
              if (o == 0) return mask >> base & 1 ? base : 0xffffffff;
              s32 left = (o < 0 ? -o : o) - 1;
              for (s32 pos = (s32)base; pos >= 0 && pos<32; pos += o> 0 ? 1 : -1) {
                  if (!(mask >> pos & 1)) continue;
                  if (left == 0) return (u64)pos;
                  left--;
              }
              return (u64)0xffffffff;
          });
}

TEST(bmsk)
{
    for (bool wrap : { false, true }) {
        each2(std::string("bmsk.") + (wrap ? "wrap" : "clamp") + ".b32 d, a, b;", "32 32 32",
              { 0, 1, 15, 31, 32, 33, 255 }, { 0, 1, 2, 16, 31, 32, 33, 64 }, [&](u64 a, u64 b) {
                  u64 first = wrap ? a & 31 : a, n = wrap ? b & 31 : b, r = 0;
                  for (u64 i = first; i < 32 && i < first + n; i++) r |= (u64)1 << i;
                  return r;
              });
    }
}

TEST(szext)
{
    for (bool wrap : { false, true }) {
        for (bool is_signed : { false, true }) {
            std::string code = std::string("szext.") + (wrap ? "wrap." : "clamp.") +
                               (is_signed ? "s32" : "u32") + " d, a, b;";
            each2(code, "32 32 32", edges(32), { 0, 1, 8, 31, 32, 33, 200 }, [&](u64 a, u64 b) {
                u64 n = wrap ? b & 31 : std::min<u64>(b, 32);
                if (n == 0) return (u64)0;
                return is_signed ? (u64)extend(a, (int)n) : a & (((u64)1 << n) - 1);
            });
        }
    }
}

TEST(prmt)
{
    u64 a = 0x83726150, b = 0x07968574;
    auto byte = [&](u64 i) { return ((b << 32 | a) >> (8 * i)) & 255; };
    each3("prmt.b32 d, a, b, c;", "32 32 32 32", { a }, { b },
          { 0x3210, 0x7654, 0x0000, 0x1357, 0xfedc, 0x8880, 0xb3a2, 0x12340123 },
          [&](u64, u64, u64 c) {
              u64 r = 0;
              for (int k = 0; k < 4; k++) {
                  u64 sel = c >> (4 * k) & 15, v = byte(sel & 7);
                  r |= (sel & 8 ? (v & 128 ? 255 : 0) : v) << (8 * k);
              }
              return r;
          });
    /* the rows of the ISA's table: bytes 3, 2, 1, 0 of d for c = 0, 1, 2, 3 */
    static const struct {
        const char *mode;
        int index[4][4];
    } modes[] = {
        { "f4e", { { 3, 2, 1, 0 }, { 4, 3, 2, 1 }, { 5, 4, 3, 2 }, { 6, 5, 4, 3 } } },
        { "b4e", { { 5, 6, 7, 0 }, { 6, 7, 0, 1 }, { 7, 0, 1, 2 }, { 0, 1, 2, 3 } } },
        { "rc8", { { 0, 0, 0, 0 }, { 1, 1, 1, 1 }, { 2, 2, 2, 2 }, { 3, 3, 3, 3 } } },
        { "ecl", { { 3, 2, 1, 0 }, { 3, 2, 1, 1 }, { 3, 2, 2, 2 }, { 3, 3, 3, 3 } } },
        { "ecr", { { 0, 0, 0, 0 }, { 1, 1, 1, 0 }, { 2, 2, 1, 0 }, { 3, 2, 1, 0 } } },
        { "rc16", { { 1, 0, 1, 0 }, { 3, 2, 3, 2 }, { 1, 0, 1, 0 }, { 3, 2, 3, 2 } } },
    };
    for (auto &m : modes) {
        each3(std::string("prmt.b32.") + m.mode + " d, a, b, c;", "32 32 32 32", { a }, { b },
              { 0, 1, 2, 3 }, [&](u64, u64, u64 c) {
                  u64 r = 0;
                  for (int k = 0; k < 4; k++) r = r << 8 | byte((u64)m.index[c][k]);
                  return r;
              });
    }
}

TEST(lop3)
{
    Values v = { 0, 0xffffffff, 0x0f0f0f0f, 0x12345678 };
    for (int table : { 0x00, 0x80, 0x96, 0xe8, 0xca, 0x1b, 0xff }) {
        each3("lop3.b32 d, a, b, c, " + std::to_string(table) + ";", "32 32 32 32", v, v, v,
              [&](u64 a, u64 b, u64 c) {
                  u64 r = 0;
                  for (int i = 0; i < 32; i++) {
                      u64 j = (a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1);
                      r |= (u64)(table >> j & 1) << i;
                  }
                  return r;
              });
    }
}

TEST(dp4a)
{
    Values v = { 0, 0x01020304, 0xff80ff7f, 0x80808080, 0xffffffff, 0x7f7f7f7f };
    for (bool sa : { false, true }) {
        for (bool sb : { false, true }) {
            std::string code = std::string("dp4a.") + (sa ? "s32." : "u32.") +
                               (sb ? "s32" : "u32") + " d, a, b, c;";
            each3(code, "32 32 32 32", v, v, { 0, 5, 0x7fffffff }, [&](u64 a, u64 b, u64 c) {
                for (int k = 0; k < 4; k++) {
                    s64 x = sa ? (s64)(s8)(a >> 8 * k) : (s64)(u8)(a >> 8 * k);
                    s64 y = sb ? (s64)(s8)(b >> 8 * k) : (s64)(u8)(b >> 8 * k);
                    c += (u64)(x * y);
                }
                return c;
            });
        }
    }
}

TEST(dp2a)
{
    Values v = { 0, 0x00010203, 0xffff8000, 0x7fff0102, 0xffffffff };
    for (bool hi : { false, true }) {
        for (bool sa : { false, true }) {
            for (bool sb : { false, true }) {
                std::string code = std::string("dp2a.") + (hi ? "hi." : "lo.") +
                                   (sa ? "s32." : "u32.") + (sb ? "s32" : "u32") + " d, a, b, c;";
                each3(code, "32 32 32 32", v, v, { 0, 5 }, [&](u64 a, u64 b, u64 c) {
                    for (int k = 0; k < 2; k++) {
                        int at = 8 * (k + (hi ? 2 : 0));
                        s64 x = sa ? (s64)(s16)(a >> 16 * k) : (s64)(u16)(a >> 16 * k);
                        s64 y = sb ? (s64)(s8)(b >> at) : (s64)(u8)(b >> at);
                        c += (u64)(x * y);
                    }
                    return c;
                });
            }
        }
    }
}

TEST(mov_packs_and_unpacks)
{
    each2("mov.b64 d, {a, b};", "64 32 32", edges(32), edges(32),
          [](u64 a, u64 b) { return b << 32 | a; });
    each2("mov.b32 d, {a, b};", "32 16 16", edges(16), edges(16),
          [](u64 a, u64 b) { return b << 16 | a; });
    each2("mov.b64 d, {a, b, a, b};", "64 16 16", edges(16), edges(16),
          [](u64 a, u64 b) { return b << 48 | a << 32 | b << 16 | a; });
    each1("mov.b64 {t, d}, a;", "32 64", edges(64), [](u64 a) { return a >> 32; });
    each1("mov.b64 {d, _}, a;", "32 64", edges(64), [](u64 a) { return a; });
    each1("mov.b32 {_, d}, a;", "16 32", edges(32), [](u64 a) { return a >> 16; });
    each1("mov.b32 {d, _}, a;", "16 32", edges(32), [](u64 a) { return a; });
}

TEST(immediate_operands)
{
    each1("add.s32 d, a, -5;", "32 32", edges(32), [](u64 a) { return a - 5; });
    each1("and.b64 d, a, 0xffff0000ffff;", "64 64", edges(64),
          [](u64 a) { return a & 0xffff0000ffff; });
    each1("add.u32 d, a, WARP_SZ;", "32 32", edges(32), [](u64 a) { return a + 32; });
    each1("xor.b16 d, a, 0b101;", "16 16", edges(16), [](u64 a) { return a ^ 5; });
    each1("add.u32 d, a, 010;", "32 32", edges(32), [](u64 a) { return a + 8; });
}
