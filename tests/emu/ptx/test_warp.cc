/* test_warp.cc - shuffles, votes, match, redux, elect and warp barriers, also in divergent code.
 * Read next: check.hh, runtime/collective.cc, runtime/warp.cc. */
#include "tests/emu/ptx/check.hh"

using namespace check;

/* Lane l has %v = 3 l + 7; what `code` leaves in %d is stored, and %p as 0 or 1. */
static std::string kernel(const std::string &code)
{
    return ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n    .reg .pred %p, %q;\n    .reg "
           ".b32 %l, %v, %d, %t;\n"
           "    .reg .b64 %a, %b, %w;\n    mov.u32 %l, %laneid;\n    mad.lo.u32 %v, %l, 3, 7;\n    "
           "mov.u32 %d, -1;\n"
           "    setp.eq.u32 %p, %l, 99;\n    " +
           code +
           "\n    ld.param.u64 %a, [p0];\n    mad.wide.u32 %a, %l, 4, %a;\n    st.global.u32 [%a], "
           "%d;\n"
           "    ld.param.u64 %b, [p1];\n    mad.wide.u32 %b, %l, 4, %b;\n    selp.b32 %t, 1, 0, "
           "%p;\n"
           "    st.global.u32 [%b], %t;\n    ret;\n}\n";
}

struct Lanes {
    std::vector<u32> d, p;
};

static Lanes lanes(const std::string &code)
{
    Array d(128), p(128);
    std::string said = run(kernel(code), { d.at(), p.at() });
    if (!said.empty()) check::fail(__FILE__, __LINE__, code + ": " + said);
    return { d.get<u32>(), p.get<u32>() };
}

/* The pseudo code of the ISA. */
static void shuffled(const std::string &mode, u32 lane, u32 b, u32 c, u32 *from, bool *valid)
{
    u32 bval = b & 31, cval = c & 31, mask = c >> 8 & 31;
    u32 most = (lane & mask) | (cval & ~mask & 31), least = lane & mask;
    int j = 0;
    if (mode == "up") *valid = (j = (int)lane - (int)bval) >= (int)most;
    else if (mode == "down") *valid = (j = (int)(lane + bval)) <= (int)most;
    else if (mode == "bfly") *valid = (j = (int)(lane ^ bval)) <= (int)most;
    else *valid = (j = (int)(least | (bval & ~mask & 31))) <= (int)most;
    *from = *valid ? (u32)j : lane;
}

TEST(shfl)
{
    for (std::string mode : { "up", "down", "bfly", "idx" }) {
        for (u32 b : { 0u, 1u, 5u, 16u, 31u, 33u }) {
            for (u32 c : { 0x1fu, 0x0u, 0x101fu, 0x1c07u, 0x1807u, 0x1800u }) {
                Lanes got = lanes(
                    emu::format("shfl.sync.%s.b32 %%d|%%p, %%v, %u, %u, -1;", mode.c_str(), b, c));
                for (u32 l = 0; l < 32; l++) {
                    u32 from;
                    bool valid;
                    shuffled(mode, l, b, c, &from, &valid);
                    EXPECT_EQ(got.d[l], 3 * from + 7);
                    EXPECT_EQ(got.p[l], (u32)valid);
                }
            }
        }
    }
    Lanes each = lanes("xor.b32 %t, %l, 5; shfl.sync.idx.b32 %d, %v, %t, 0x1f, -1;");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(each.d[l], 3 * (l ^ 5) + 7);
}

TEST(shfl_among_some_lanes)
{
    /* the halves of the warp shuffle with masks of their own, at one instruction and at two */
    Lanes got = lanes("setp.lt.u32 %q, %l, 16; selp.b32 %t, 0xffff, 0xffff0000, %q;\n"
                      "    shfl.sync.bfly.b32 %d, %v, 1, 0x1f, %t;");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got.d[l], 3 * (l ^ 1) + 7);
    got = lanes("setp.lt.u32 %q, %l, 16; @%q bra low;\n    shfl.sync.bfly.b32 %d, %v, 2, 0x1f, "
                "0xffff0000;\n    bra done;\n"
                "low: shfl.sync.bfly.b32 %d, %v, 1, 0x1f, 0xffff;\ndone:");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got.d[l], 3 * (l ^ (l < 16 ? 1 : 2)) + 7);
    got = lanes("setp.eq.u32 %q, %l, 3; @%q shfl.sync.idx.b32 %d, %v, 3, 0x1f, 8;");
    EXPECT_EQ(got.d[3], 16u);
    EXPECT_EQ(got.d[4], ~0u);
}

TEST(lanes_meet_again_at_a_collective)
{
    /* odd lanes loop longer; all meet at the shuffle */
    Lanes got =
        lanes("and.b32 %t, %l, 1; setp.eq.u32 %q, %t, 0; @%q bra meet;\n    mov.u32 %t, 10;\n"
              "loop: sub.u32 %t, %t, 1; add.u32 %v, %v, 100; setp.ne.u32 %q, %t, 0; @%q bra loop;\n"
              "meet: shfl.sync.bfly.b32 %d, %v, 1, 0x1f, -1;");
    for (u32 l = 0; l < 32; l++) {
        u32 other = l ^ 1;
        EXPECT_EQ(got.d[l], 3 * other + 7 + (other & 1 ? 1000 : 0));
    }
}

TEST(vote)
{
    struct Row {
        const char *predicate;
        u32 yes;
    };
    for (Row row : { Row{ "lt.u32 %q, %l, 32", ~0u }, Row{ "lt.u32 %q, %l, 5", 31u },
                     Row{ "gt.u32 %q, %l, 40", 0u } }) {
        std::string set = std::string("setp.") + row.predicate + "; ";
        Lanes all = lanes(set + "vote.sync.all.pred %p, %q, -1;"),
              any = lanes(set + "vote.sync.any.pred %p, %q, -1;");
        Lanes uni = lanes(set + "vote.sync.uni.pred %p, %q, -1;"),
              bal = lanes(set + "vote.sync.ballot.b32 %d, %q, -1;");
        Lanes neg = lanes(set + "vote.sync.ballot.b32 %d, !%q, -1;");
        EXPECT_EQ(all.p[9], (u32)(row.yes == ~0u));
        EXPECT_EQ(any.p[9], (u32)(row.yes != 0));
        EXPECT_EQ(uni.p[9], (u32)(row.yes == ~0u || row.yes == 0));
        EXPECT_EQ(bal.d[9], row.yes);
        EXPECT_EQ(neg.d[9], ~row.yes);
    }
    Lanes half = lanes(
        "setp.lt.u32 %q, %l, 16; selp.b32 %t, 0xffff, 0xffff0000, %q; setp.eq.u32 %q, %l, 20;\n"
        "    vote.sync.ballot.b32 %d, %q, %t;");
    EXPECT_EQ(half.d[3], 0u);
    EXPECT_EQ(half.d[19], 1u << 20);
}

TEST(match)
{
    Lanes got = lanes("and.b32 %t, %l, 3; match.any.sync.b32 %d, %t, -1;");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got.d[l], 0x11111111u << (l & 3));
    got = lanes("mov.u64 %w, 0x1234567890; match.all.sync.b64 %d|%p, %w, -1;");
    EXPECT_EQ(got.d[8], ~0u);
    EXPECT_EQ(got.p[8], 1u);
    got = lanes("match.all.sync.b32 %d|%p, %l, -1;");
    EXPECT_EQ(got.d[8], 0u);
    EXPECT_EQ(got.p[8], 0u);
    got = lanes("cvt.u64.u32 %w, %l; shl.b64 %w, %w, 33; match.any.sync.b64 %d, %w, -1;");
    EXPECT_EQ(got.d[8], 1u << 8);
}

TEST(redux)
{
    struct Row {
        const char *op, *type;
        u32 expected;
    };
    for (Row row : { Row{ "add", "u32", 3 * 496 + 7 * 32 }, Row{ "min", "u32", 7 },
                     Row{ "max", "u32", 100 }, Row{ "add", "s32", 3 * 496 + 7 * 32 } }) {
        Lanes got = lanes(std::string("redux.sync.") + row.op + "." + row.type + " %d, %v, -1;");
        EXPECT_EQ(got.d[17], row.expected);
    }
    std::string minus = "sub.u32 %t, %l, 16; ";
    EXPECT_EQ(lanes(minus + "redux.sync.min.s32 %d, %t, -1;").d[0], (u32)-16);
    EXPECT_EQ(lanes(minus + "redux.sync.max.s32 %d, %t, -1;").d[0], 15u);
    EXPECT_EQ(lanes(minus + "redux.sync.max.u32 %d, %t, -1;").d[0], (u32)-1);
    std::string bit = "mov.u32 %t, 1; shl.b32 %t, %t, %l; ";
    EXPECT_EQ(lanes(bit + "redux.sync.or.b32 %d, %t, -1;").d[0], ~0u);
    EXPECT_EQ(lanes(bit + "redux.sync.xor.b32 %d, %t, -1;").d[0], ~0u);
    EXPECT_EQ(lanes(bit + "not.b32 %t, %t; redux.sync.and.b32 %d, %t, -1;").d[0], 0u);
    EXPECT_EQ(lanes("setp.ge.u32 %q, %l, 8; @%q redux.sync.add.u32 %d, %l, 0xffffff00;").d[8],
              496u - 28);
}

TEST(elect_and_activemask)
{
    Lanes got = lanes("elect.sync %d|%p, -1;");
    for (u32 l = 0; l < 32; l++) {
        EXPECT_EQ(got.d[l], 0u);
        EXPECT_EQ(got.p[l], (u32)(l == 0));
    }
    got = lanes("setp.ge.u32 %q, %l, 4; @%q elect.sync %d|%p, 0xfffffff0;");
    EXPECT_EQ(got.d[9], 4u);
    EXPECT_EQ(got.p[4], 1u);
    EXPECT_EQ(got.p[5], 0u);
    got = lanes("activemask.b32 %d;");
    EXPECT_EQ(got.d[0], ~0u);
    got = lanes("setp.lt.u32 %q, %l, 3; @%q activemask.b32 %d;");
    EXPECT_EQ(got.d[2], 7u);
    EXPECT_EQ(got.d[3], ~0u);
}

TEST(warp_barrier_orders_lanes)
{
    /* each lane writes its place in shared memory and reads its neighbour's; without the barrier
     * that is a race (test_rules.cc). The halves come to barriers at two places of the code. */
    std::string before = ".shared .align 4 .b8 s[128];\n    mov.u32 %t, s; mad.lo.u32 %t, %l, 4, "
                         "%t;\n    st.shared.u32 [%t], %v;\n";
    std::string after = "    xor.b32 %t, %l, 16; mad.lo.u32 %t, %t, 4, 0; .reg .b32 %base; mov.u32 "
                        "%base, s; add.u32 %t, %t, %base;\n"
                        "    ld.shared.u32 %d, [%t];";
    Lanes got = lanes(before + "    bar.warp.sync -1;\n" + after);
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got.d[l], 3 * (l ^ 16) + 7);
    got = lanes(before +
                "    setp.lt.u32 %q, %l, 16; @%q bra low;\n    bar.warp.sync -1;\n    bra done;\n"
                "low: add.u32 %v, %v, 0; bar.warp.sync -1;\ndone:\n" +
                after);
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got.d[l], 3 * (l ^ 16) + 7);
}

TEST(special_registers)
{
    for (const char *name : { "eq", "lt", "le", "gt", "ge" }) {
        Lanes got = lanes(std::string("mov.u32 %d, %lanemask_") + name + ";");
        for (u32 l = 0; l < 32; l++) {
            u32 expected = 0;
            for (u32 o = 0; o < 32; o++) {
                bool in = name[0] == 'e'   ? o == l
                          : name[0] == 'l' ? o < l || (name[1] == 'e' && o == l)
                                           : o > l || (name[1] == 'e' && o == l);
                expected |= (u32)in << o;
            }
            EXPECT_EQ(got.d[l], expected);
        }
    }
    EXPECT_EQ(lanes("mov.u32 %d, %warpid;").d[0], 0u);
    EXPECT_EQ(lanes("mov.u32 %d, %nwarpid;").d[0], 1u);
    Lanes clock = lanes(
        "mov.u64 %w, %clock64; mov.u32 %t, %clock; add.u32 %d, %t, 0; mov.u64 %a, %globaltimer;\n"
        "    cvt.u32.u64 %t, %w; setp.ge.u32 %p, %d, %t;");
    EXPECT_EQ(clock.p[0], 1u);
}

TEST(positions_in_grid_and_block)
{
    Array out(3 * 96 * 4);
    std::string text =
        ".visible .entry k(.param .u64 p0)\n{\n    .reg .b32 %r<9>;\n    .reg .b64 %a;\n"
        "    mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x; mad.lo.u32 %r3, "
        "%r0, %r1, %r2;\n"
        "    ld.param.u64 %a, [p0]; mad.wide.u32 %a, %r3, 4, %a;\n"
        "    mov.u32 %r4, %nctaid.x; mov.u32 %r5, %tid.y; mov.u32 %r6, %ntid.y; mov.u32 %r7, "
        "%ctaid.z;\n"
        "    mad.lo.u32 %r3, %r4, 1000, %r3; add.u32 %r3, %r3, %r5; add.u32 %r3, %r3, %r7;\n"
        "    mad.lo.u32 %r3, %r6, 10000, %r3;\n    st.global.u32 [%a], %r3;\n    ret;\n}\n";
    Shape shape = { 3, 96, 0 };
    EXPECT(run(text, { out.at() }, shape).empty());
    for (u32 i = 0; i < 3 * 96; i++) EXPECT_EQ(out.get<u32>()[i], 13000 + i);
}
