/* test_control.cc - branches, loops, divergence, indexed branches, calls, exits, spinning.
 * Read next: check.hh, runtime/warp.cc, runtime/call.cc. */
#include "tests/emu/ptx/check.hh"

using namespace check;

static const char *const head = ".visible .entry k(.param .u64 p0)\n{\n    .reg .pred %p, %q;\n    "
                                ".reg .b32 %l, %d, %t, %u;\n    .reg .b64 %a;\n"
                                "    mov.u32 %l, %tid.x;\n    mov.u32 %d, 0;\n";
static const char *const tail = "\n    ld.param.u64 %a, [p0];\n    mad.wide.u32 %a, %l, 4, %a;\n   "
                                " st.global.u32 [%a], %d;\n    ret;\n}\n";

static std::vector<u32> lanes(const std::string &code, const std::string &before = "",
                              Shape shape = {})
{
    Array d(std::vector<u32>(shape.threads, 0xdddddddd));
    std::string said = run(before + head + code + tail, { d.at() }, shape);
    if (!said.empty()) check::fail(__FILE__, __LINE__, said);
    return d.get<u32>();
}

TEST(loops_of_different_lengths)
{
    /* the steps of the Collatz sequence: every lane leaves the loop at another time */
    std::vector<u32> got =
        lanes("    add.u32 %t, %l, 1;\nloop: setp.eq.u32 %p, %t, 1;\n    @%p bra done;\n    "
              "add.u32 %d, %d, 1;\n"
              "    and.b32 %u, %t, 1;\n    setp.eq.u32 %q, %u, 0;\n    @%q bra even;\n"
              "    mad.lo.u32 %t, %t, 3, 1;\n    bra.uni loop;\neven: shr.u32 %t, %t, 1;\n    bra "
              "loop;\ndone:");
    for (u32 l = 0; l < 32; l++) {
        u32 n = 0;
        for (u32 v = l + 1; v != 1; n++) v = v & 1 ? 3 * v + 1 : v / 2;
        EXPECT_EQ(got[l], n);
    }
}

TEST(guards)
{
    std::vector<u32> got =
        lanes("    setp.lt.u32 %p, %l, 10;\n    @%p mov.u32 %d, 5;\n    @!%p mov.u32 %d, 6;\n"
              "    @%p bra out;\n    add.u32 %d, %d, 100;\nout:");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got[l], l < 10 ? 5u : 106u);
}

TEST(early_exit_of_some_lanes)
{
    std::vector<u32> got = lanes("    and.b32 %t, %l, 3;\n    setp.eq.u32 %p, %t, 2;\n    @%p "
                                 "exit;\n    mov.u32 %d, 9;\n    bar.sync 0;",
                                 "", { 1, 64, 0 });
    for (u32 l = 0; l < 64; l++) EXPECT_EQ(got[l], l % 4 == 2 ? 0xddddddddu : 9u);
}

TEST(indexed_branch)
{
    std::vector<u32> got =
        lanes("    rem.u32 %t, %l, 3;\nts: .branchtargets zero, one, two;\n    brx.idx %t, ts;\n"
              "zero: mov.u32 %d, 100;\n    bra done;\none: mov.u32 %d, 101;\n    bra done;\ntwo: "
              "mov.u32 %d, 102;\ndone:");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got[l], 100 + l % 3);
}

static const char *const functions =
    ".func (.param .b32 r) twice(.param .b32 x)\n{\n    .reg .b32 %v;\n    ld.param.b32 %v, [x];\n "
    "   add.u32 %v, %v, %v;\n"
    "    st.param.b32 [r], %v;\n    ret;\n}\n"
    ".func (.param .b32 r) pick(.param .b32 x)\n{\n    .reg .pred %c;\n    .reg .b32 %v, %w;\n    "
    "ld.param.b32 %v, [x];\n"
    "    setp.gt.u32 %c, %v, 15;\n    @%c bra large;\n    st.param.b32 [r], 1;\n    ret;\nlarge:\n"
    "    { .param .b32 a; .param .b32 b; st.param.b32 [a], %v; call.uni (b), twice, (a); "
    "ld.param.b32 %w, [b]; }\n"
    "    st.param.b32 [r], %w;\n    ret;\n}\n"
    ".func nothing()\n{\n    ret;\n}\n";

TEST(calls)
{
    std::string call = "    { .param .b32 a; .param .b32 b; st.param.b32 [a], %l; call.uni (b), "
                       "pick, (a); ld.param.b32 %d, [b]; }\n"
                       "    call.uni nothing;\n    call nothing, ();\n";
    std::vector<u32> got = lanes(call, functions);
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got[l], l > 15 ? 2 * l : 1u);
    /* with a guard: the others keep their value */
    got = lanes("    setp.eq.u32 %p, %l, 20;\n    { .param .b32 a; .param .b32 b; st.param.b32 "
                "[a], %l; st.param.b32 [b], 7;\n"
                "    @%p call (b), twice, (a);\n    ld.param.b32 %d, [b]; }\n",
                functions);
    EXPECT_EQ(got[20], 40u);
    EXPECT_EQ(got[21], 7u);
}

TEST(shared_variables_of_functions_are_one_variable)
{
    std::string f =
        ".func (.param .b32 r) count()\n{\n    .shared .align 4 .u32 n;\n    .reg .b32 %v;\n"
        "    atom.shared.add.u32 %v, [n], 1;\n    st.param.b32 [r], %v;\n    ret;\n}\n"
        ".func clear()\n{\n    ret;\n}\n";
    std::string one = "{ .param .b32 b; call.uni (b), count, (); ld.param.b32 %t, [b]; }\n";
    Array d(4);
    /* the first count reads memory that was never written: that is what is reported, and nothing
     * else */
    std::string said = run(f + std::string(head) + one + one + "    sub.u32 %d, %t, 0;" + tail,
                           { d.at() }, { 1, 1, 0 });
    EXPECT(said.find("never wrote") != said.npos);
    EXPECT_EQ(d.get<u32>()[0], 0u); /* 0xffffffff + 1 */
}

TEST(names_in_scopes)
{
    std::vector<u32> got = lanes(
        "    mov.u32 %t, 1;\n    { .reg .b32 %t; mov.u32 %t, 50; { .reg .b32 %u; mov.u32 %u, 7; "
        "add.u32 %t, %t, %u; }\n"
        "      bra inner; mov.u32 %t, 0; inner: add.u32 %d, %d, %t; }\n    add.u32 %d, %d, %t;\n"
        "    { bra inner; mov.u32 %t, 0; inner: add.u32 %d, %d, 1000; }");
    EXPECT_EQ(got[0], 1058u);
}

TEST(lanes_that_spin_for_each_other)
{
    /* lane 0 waits in a loop for what lane 31 does behind it: both must get their turns */
    std::vector<u32> got = lanes(
        "    .shared .align 4 .u32 flag;\n    st.shared.u32 [flag], 0;\n    bar.warp.sync -1;\n"
        "    setp.eq.u32 %p, %l, 31;\n    @%p bra writer;\n"
        "spin: ld.volatile.shared.u32 %t, [flag];\n    setp.eq.u32 %q, %t, 0;\n    @%q bra spin;\n"
        "    mov.u32 %d, 1;\n    bra done;\nwriter: st.volatile.shared.u32 [flag], 1;\n    mov.u32 "
        "%d, 2;\ndone:");
    for (u32 l = 0; l < 32; l++) EXPECT_EQ(got[l], l == 31 ? 2u : 1u);
}

TEST(warps_that_spin_for_each_other)
{
    std::vector<u32> got =
        lanes("    .shared .align 4 .u32 flag;\n    setp.ne.u32 %p, %l, 0;\n    @%p bra ready;\n   "
              " st.shared.u32 [flag], 0;\n"
              "ready: bar.sync 0;\n    setp.ge.u32 %p, %l, 32;\n    @%p bra writer;\n"
              "spin: ld.volatile.shared.u32 %t, [flag];\n    setp.eq.u32 %q, %t, 0;\n    @%q bra "
              "spin;\n    mov.u32 %d, 1;\n"
              "    bra done;\nwriter: st.volatile.shared.u32 [flag], 1;\n    mov.u32 %d, 2;\ndone:",
              "", { 1, 64, 0 });
    EXPECT_EQ(got[0], 1u);
    EXPECT_EQ(got[63], 2u);
}

TEST(comments_pragmas_and_debug_information)
{
    std::vector<u32> got = lanes("    // nothing\n    /* .reg .b32 %l;\n */ .pragma "
                                 "\"nounroll\";\n    .loc 1 2 3\n    mov.u32 %d, 4; // end",
                                 "", { 1, 32, 0 });
    EXPECT_EQ(got[5], 4u);
    Array d(128);
    std::string text = std::string("// first\n.version 8.0\n.target sm_80, debug\n.address_size "
                                   "64\n.file 1 \"a b.cu\"\n") +
                       head + "    mov.u32 %d, 3;" + tail +
                       ".section .debug_info { .b8 1, 2, 3\n .b32 4 }\n";
    EXPECT(run(text, { d.at() }, {}, false).empty());
    EXPECT_EQ(d.get<u32>()[1], 3u);
}
