/* test_rules.cc - the other rules that the interpreter watches, broken on purpose in a few lines of
 * PTX: what is reported, and that the correct neighbour of the mistake is not. Read next: rules.hh,
 * test_races.cc, runtime/reach.cc. */
#include "tests/emu/ptx/rules.hh"

#include <algorithm>

using namespace rules;

static const Shape blocks = { 4, 32, 0 };

TEST(memory_that_was_never_written)
{
    REPORTS("device memory that was never written", "ld.global.u32 %u, [%b];");
    SILENT(
        "setp.eq.u32 %p, %l, 3;\n    @%p st.global.u32 [%b], 1;\n    @%p ld.global.u32 %u, [%b];");
    REPORTS("shared memory that this block never wrote", "ld.shared.u32 %u, [%s4];");
    REPORTS("never wrote", "st.shared.u16 [%s4], 1;\n    ld.shared.u32 %u, [%s4];");
    /* each block begins anew */
    REPORTS("never wrote",
            "mov.u32 %t, %ctaid.x;\n    setp.eq.u32 %p, %t, 0;\n    @%p st.shared.u32 [%s4], 1;\n  "
            "  ld.shared.u32 %u, [%s4];",
            blocks);
    std::string both =
        reports("ld.global.u32 %u, [%b];\n    ld.global.u32 %u, [%b+4];", { 1, 96, 0 })[0];
    EXPECT_EQ(std::count(both.begin(), both.end(), '\n'), 2); /* once an instruction */
    emu::options().init = 0;
    SILENT("ld.global.u32 %u, [%b];\n    ld.shared.u32 %u, [%s4];");
    emu::options().init = 1;
}

TEST(addresses_outside)
{
    REPORTS("outside every allocation", "st.global.u32 [%a+4096], 1;");
    REPORTS("4 bytes outside every allocation, at 0x", "ld.global.u32 %u, [%a+4092];", { 1, 2, 0 });
    REPORTS("outside every allocation", "ld.global.u32 %u, [%a+-8];");
    REPORTS("outside every allocation", "mov.u64 %c, 0;\n    ld.global.u32 %u, [%c];");
    REPORTS("outside every allocation", "mov.u64 %c, 0;\n    st.u32 [%c], 1;");
    REPORTS("outside every allocation", "st.global.v2.u32 [%b+1024], {%l, %l};");
    REPORTS("outside every allocation", "atom.global.add.u32 %u, [%b+1024], 1;");
    REPORTS("outside every shared variable, at static offset", "st.shared.u32 [%s4+1024], 1;");
    REPORTS("outside every shared variable", "ld.shared.u32 %u, [%s4+-64];");
    REPORTS("outside every shared variable, at dynamic offset 64",
            "mov.u32 %t, tail;\n    st.shared.u32 [%t+64], 1;\n}\n.extern .shared .align 16 .b8 "
            "tail[];\n.func z() {",
            { 1, 32, 64 }, false);
    REPORTS("outside local memory",
            ".local .align 4 .b8 f[16];\n    mov.u64 %c, f;\n    st.local.u32 [%c+16], 1;");
    REPORTS("outside the parameters", "mov.b64 %c, p0;\n    ld.param.u64 %c, [%c+16];");
}

TEST(misaligned_addresses)
{
    REPORTS("misaligned load of 4 bytes", "ld.global.u32 %u, [%a+2];");
    REPORTS("misaligned store of 8 bytes", "st.global.v2.u32 [%a], {%l, %l};");
    REPORTS("misaligned store of 4 bytes", "st.shared.u32 [%s4+1], 1;");
    REPORTS("misaligned", "cp.async.ca.shared.global [%s4+4], [%a], 8;", { 1, 2, 0 });
}

TEST(freed_memory)
{
    u64 at;
    {
        Array gone(256);
        at = gone.at();
    }
    std::string said = run(kernel("ld.global.u32 %u, [%b];"), { at, at });
    EXPECT(said.find("freed allocation") != said.npos);
}

TEST(copies_that_were_not_waited_for)
{
    std::string copy =
        "cp.async.ca.shared.global [%s4], [%a], 4;\n    cp.async.commit_group;\n    ";
    REPORTS("never wrote", copy + "ld.shared.u32 %u, [%s4];");
    REPORTS("never wrote", copy + "cp.async.wait_group 1;\n    ld.shared.u32 %u, [%s4];");
    SILENT(copy + "cp.async.wait_group 0;\n    ld.shared.u32 %u, [%s4];");
    /* waiting is of the thread that copied; the others need a barrier */
    REPORTS("race on shared memory",
            copy + "cp.async.wait_group 0;\n    xor.b32 %t, %l, 32;\n    mad.lo.u32 %t, %t, 4, "
                   "%v;\n    ld.shared.u32 %u, [%t];");
    /* into a place that another warp still reads */
    REPORTS("race on shared memory",
            "st.shared.u32 [%s4], 1;\n    bar.sync 0;\n    xor.b32 %t, %l, 32;\n    mad.lo.u32 %t, "
            "%t, 4, %v;\n    ld.shared.u32 %u, [%t];\n    " +
                copy + "cp.async.wait_all;");
    REPORTS("outside every allocation",
            "cp.async.ca.shared.global [%s4], [%a+4096], 4;\n    cp.async.wait_all;");
    REPORTS("outside every shared variable",
            "cp.async.ca.shared.global [%s4+1024], [%a], 4;\n    cp.async.wait_all;");
    REPORTS("source size of 5", "cp.async.ca.shared.global [%s4], [%a], 4, 5;", { 1, 32, 0 },
            false);
}

TEST(collectives_with_lanes_that_are_not_there)
{
    REPORTS("names lanes 00008000 that exited",
            "setp.eq.u32 %p, %l, 15;\n    @%p ret;\n    shfl.sync.down.b32 %u, %l, 1, 0x1f, -1;",
            { 1, 32, 0 });
    REPORTS("exited or do not exist", "vote.sync.ballot.b32 %u, %p, -1;", { 1, 20, 0 });
    REPORTS("lane not in its own member mask", "bar.warp.sync 0xff;", { 1, 32, 0 });
    REPORTS("not in the member mask",
            "setp.lt.u32 %p, %l, 16;\n    @%p shfl.sync.bfly.b32 %u, %l, 16, 0x1f, 0xffff;",
            { 1, 32, 0 });
    /* half of the lanes wait for the other half, which waits elsewhere */
    REPORTS("lanes wait for others that never come",
            "setp.lt.u32 %p, %l, 16;\n    @%p bra low;\n    shfl.sync.down.b32 %u, %l, 1, 0x1f, "
            "-1;\n    ret;\nlow: vote.sync.any.pred %q, %p, -1;",
            { 1, 32, 0 });
    REPORTS("exited", "setp.lt.u32 %p, %l, 16;\n    @%p shfl.sync.down.b32 %u, %l, 1, 0x1f, -1;",
            { 1, 32, 0 });
}

TEST(matrix_instructions_without_all_lanes)
{
    std::string load = "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%u}, [%v];";
    REPORTS("needs all 32 lanes", load, { 1, 16, 0 });
    REPORTS("needs all 32 lanes", "setp.eq.u32 %p, %l, 0;\n    @%p ret;\n    " + load,
            { 1, 32, 0 });
    REPORTS("never come",
            "setp.lt.u32 %p, %l, 16;\n    @%p bra low;\n    " + load +
                "\n    ret;\nlow: bar.warp.sync -1;",
            { 1, 32, 0 });
}

TEST(barriers_that_cannot_complete)
{
    REPORTS(
        "barrier in divergent code",
        "setp.lt.u32 %p, %l, 16;\n    @%p bra low;\n    bar.sync 0;\n    ret;\nlow: bar.sync 1;",
        { 1, 32, 0 });
    REPORTS("barrier in divergent code",
            "setp.lt.u32 %p, %l, 16;\n    @%p bra low;\n    bar.sync 0;\n    bra out;\nlow: "
            "bar.sync 0;\nout:",
            { 1, 32, 0 });
    REPORTS(
        "barrier deadlock",
        "setp.lt.u32 %p, %l, 32;\n    @%p bra low;\n    bar.sync 0;\n    ret;\nlow: bar.sync 1;");
    REPORTS("barrier deadlock", "setp.ge.u32 %p, %l, 32;\n    @%p ret;\n    bar.sync 0, 64;");
    REPORTS("threads here and for", "setp.lt.u32 %p, %l, 32;\n    @%p bra low;\n    bar.sync 1, "
                                    "64;\n    ret;\nlow: bar.sync 1, 128;\n    ret;");
    REPORTS("not whole warps", "mov.u32 %t, 33;\n    bar.sync 1, %t;");
    REPORTS("barrier 16", "mov.u32 %t, 16;\n    bar.sync %t;");
    /* 16 threads of one warp and 32 of the next, for 32 */
    std::string much = "setp.lt.u32 %p, %l, 16;\n    setp.ge.or.u32 %p, %l, 32, %p;\n"
                       "    @%p barrier.sync 1, 32;";
    REPORTS("barrier", much);
    EXPECT(reports(much)[0].find("48 threads came, it is for 32") != std::string::npos);
    /* a warp that is not full counts whole */
    SILENT("bar.sync 1, 64;", { 1, 48, 0 });
}

TEST(blocks_that_never_end)
{
    emu::u64 steps = emu::options().steps;
    emu::options().steps = 100000;
    REPORTS(
        "did not end within",
        "again: ld.volatile.global.u32 %u, [%a];\n    setp.eq.u32 %p, %u, 0;\n    @%p bra again;");
    emu::options().steps = steps;
}

TEST(traps_and_asserts)
{
    REPORTS("trap; kernel k block (0,0,0) thread (5,0,0), PTX line",
            "setp.eq.u32 %p, %l, 5;\n    @%p trap;", { 1, 32, 0 });
    SILENT("setp.eq.u32 %p, %l, 500;\n    @%p trap;");
}

TEST(instructions_that_are_not_known)
{
    /* only when they are executed, with their text */
    REPORTS("does not know this instruction", "tex.1d.v4.s32.s32 {%l, %t, %u, %v}, [x, {%l}];",
            { 1, 32, 0 }, false);
    SILENT("setp.eq.u32 %p, %l, 500;\n    @%p mbarrier.init.shared.b64 [s], 1;", { 1, 64, 0 });
    REPORTS("does not know this instruction; kernel k block (0,0,0) thread (0,0,0), PTX line",
            "mbarrier.init.shared.b64 [s], 1;", { 1, 1, 0 });
    REPORTS("add.frobnicate.u32 %t, %l, 1", "add.frobnicate.u32 %t, %l, 1;", { 1, 1, 0 }, false);
    REPORTS("another width than the type", "add.u64 %t, %l, 1;", { 1, 1, 0 }, false);
    REPORTS("ld.global.mmio.u32", "ld.global.mmio.u32 %t, [%a];", { 1, 1, 0 }, false);
    REPORTS("does not know", "redux.sync.min.f32 %t, %l, -1;", { 1, 32, 0 }, false);
    REPORTS("does not know",
            "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%a, %b}, {%a}, {%b}, {%a, %b};",
            { 1, 32, 0 }, false);
    REPORTS("a recursive call",
            "call.uni again;\n    ret;\n}\n.func again()\n{\n    call.uni again;", { 1, 1, 0 },
            false);
    REPORTS("does not define", "call.uni elsewhere;", { 1, 1, 0 }, false);
}

TEST(modules_that_are_broken)
{
    auto says = [](const std::string &text, const char *what) {
        std::string said = run(text, {}, {}, false);
        if (said.find(what) == said.npos)
            check::fail(__FILE__, __LINE__,
                        "expected '" + std::string(what) + "', found '" + said + "'");
    };
    says(".visible .entry k() { bra nowhere; }", "label nowhere is nowhere");
    says(".visible .entry k() { .reg .b32 %r; mov.u32 %r, ", "expected");
    says("nonsense", "expected a directive");
    says(".global .u32 x = {1, 2}; .visible .entry k() { ret; }", "fewer values");
    says(".extern .global .u32 x; .visible .entry k() { ret; }", "defines");
    says(".visible .entry other() { ret; }", "no kernel k");
    says(".visible .entry k() .frobnicate { ret; }", "limit of a kernel");
}
