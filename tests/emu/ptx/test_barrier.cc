/* test_barrier.cc - barriers of blocks, with counts, reductions and arrivals; cp.async; fences that
 * order warps and blocks. Read next: check.hh, runtime/block.cc, runtime/async.cc. */
#include "tests/emu/ptx/check.hh"

#include "tests/emu/runtime/common.hh"

using namespace check;

static const emu::Sched schedules[] = { emu::Sched::Forward, emu::Sched::Reverse,
                                        emu::Sched::Random };

/* Runs under all schedules; %l is %tid.x, %d is stored to p0[block * threads + %l]. */
static void expect(const std::string &code, Shape shape, const std::vector<u64> &more,
                   u32 (*expected)(u32, u32))
{
    std::string text =
        ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n    .reg .pred %p, %q, %s;\n    "
        ".reg .b32 %l, %d, %t, %u, %v;\n"
        "    .reg .b64 %a, %b, %c;\n    .shared .align 16 .b8 s[4096];\n    mov.u32 %l, %tid.x;\n  "
        "  mov.u32 %d, 0;\n"
        "    mov.u32 %v, s;\n    ld.param.u64 %b, [p1];\n" +
        code +
        "\n    mov.u32 %t, %ctaid.x; mov.u32 %u, %ntid.x; mad.lo.u32 %l, %t, %u, %l;\n"
        "    ld.param.u64 %a, [p0];\n    mad.wide.u32 %a, %l, 4, %a;\n    st.global.u32 [%a], "
        "%d;\n    ret;\n}\n";
    for (emu::Sched sched : schedules) {
        emu::options().sched = sched;
        Array d(4 * shape.blocks * shape.threads);
        std::vector<u64> params = { d.at() };
        params.insert(params.end(), more.begin(), more.end());
        std::string said = run(text, params, shape);
        if (!said.empty()) check::fail(__FILE__, __LINE__, said);
        std::vector<u32> got = d.get<u32>();
        for (u32 i = 0; i < got.size(); i++)
            EXPECT_EQ(got[i], expected(i % shape.threads, i / shape.threads));
    }
    emu::options().sched = emu::Sched::Forward;
}

TEST(barrier_of_all_threads)
{
    for (auto bar : { "bar.sync 0;", "barrier.sync 0;", "barrier.sync.aligned 3;",
                      "bar.cta.sync 15;", "mov.u32 %t, 2; bar.sync %t;" }) {
        expect("    mad.lo.u32 %t, %l, 4, %v;\n    st.shared.u32 [%t], %l;\n    " +
                   std::string(bar) +
                   "\n    xor.b32 %t, %l, 127;\n    mad.lo.u32 %t, %t, 4, %v;\n    ld.shared.u32 "
                   "%d, [%t];",
               { 2, 128, 0 }, { 0 }, [](u32 l, u32) { return l ^ 127; });
    }
}

TEST(barrier_reductions)
{
    std::string odd = "    and.b32 %t, %l, 1;\n    setp.ne.u32 %p, %t, 0;\n";
    expect(odd + "    bar.red.popc.u32 %d, 0, %p;", { 1, 100, 0 }, { 0 },
           [](u32, u32) { return 50u; });
    expect(odd + "    barrier.red.popc.u32 %d, 1, !%p;", { 1, 96, 0 }, { 0 },
           [](u32, u32) { return 48u; });
    expect(odd + "    bar.red.and.pred %q, 0, %p;\n    selp.b32 %d, 1, 2, %q;", { 1, 64, 0 }, { 0 },
           [](u32, u32) { return 2u; });
    expect(odd + "    bar.red.or.pred %q, 0, %p;\n    selp.b32 %d, 1, 2, %q;", { 1, 64, 0 }, { 0 },
           [](u32, u32) { return 1u; });
    expect(
        "    setp.lt.u32 %p, %l, 64;\n    bar.red.and.pred %q, 0, %p;\n    selp.b32 %d, 1, 2, %q;",
        { 1, 64, 0 }, { 0 }, [](u32, u32) { return 1u; });
}

TEST(barriers_with_counts)
{
    /* warps 0 and 1 exchange by barrier 1, warps 2 and 3 by barrier 2 */
    expect("    mad.lo.u32 %t, %l, 4, %v;\n    st.shared.u32 [%t], %l;\n    shr.u32 %u, %l, 6;\n   "
           " add.u32 %u, %u, 1;\n"
           "    bar.sync %u, 64;\n    xor.b32 %t, %l, 32;\n    mad.lo.u32 %t, %t, 4, %v;\n    "
           "ld.shared.u32 %d, [%t];",
           { 1, 128, 0 }, { 0 }, [](u32 l, u32) { return l ^ 32; });
}

TEST(producers_arrive_and_consumers_wait)
{
    /* warp 0 writes four rounds for warp 1: "full" is barrier 1, "empty" barrier 2 */
    expect("    mov.u32 %u, 0;\n    setp.ge.u32 %p, %l, 32;\n    and.b32 %t, %l, 31;\n    "
           "mad.lo.u32 %v, %t, 4, %v;\n    @%p bra consumer;\n"
           "produce: setp.eq.u32 %q, %u, 0;\n    @%q bra write;\n    bar.sync 2, 64;\nwrite: "
           "mad.lo.u32 %t, %u, 100, %l;\n"
           "    st.shared.u32 [%v], %t;\n    bar.arrive 1, 64;\n    add.u32 %u, %u, 1;\n    "
           "setp.lt.u32 %q, %u, 4;\n    @%q bra produce;\n"
           "    bra done;\n"
           "consumer: bar.sync 1, 64;\n    ld.shared.u32 %t, [%v];\n    add.u32 %d, %d, %t;\n    "
           "add.u32 %u, %u, 1;\n    setp.eq.u32 %q, %u, 4;\n"
           "    @%q bra done;\n    bar.arrive 2, 64;\n    bra consumer;\ndone:",
           { 1, 64, 0 }, { 0 }, [](u32 l, u32) { return l < 32 ? 0 : 600 + 4 * (l - 32); });
}

static std::vector<u32> numbers(u32 n)
{
    std::vector<u32> v(n);
    for (u32 i = 0; i < n; i++) v[i] = 1000 + i;
    return v;
}

TEST(cp_async)
{
    Array from(numbers(1024));
    for (u32 n : { 4u, 8u, 16u }) {
        std::string size = std::to_string(n), step = std::to_string(n);
        for (auto wait :
             { "cp.async.commit_group; cp.async.wait_group 0;", "cp.async.wait_all;" }) {
            std::string code = "    mad.lo.u32 %t, %l, " + step +
                               ", %v;\n    mad.wide.u32 %c, %l, " + step + ", %b;\n    cp.async." +
                               (n == 16 ? "cg" : "ca") + ".shared.global [%t], [%c], " + size +
                               ";\n    " + wait + "\n    ld.shared.u32 %d, [%t];";
            expect(
                code, { 1, 64, 0 }, { from.at() },
                n == 4   ? [](u32 l, u32) { return 1000 + l; }
                : n == 8 ? [](u32 l, u32) { return 1000 + 2 * l; }
                         : [](u32 l, u32) { return 1000 + 4 * l; });
        }
    }
}

TEST(cp_async_source_size_and_ignored_sources)
{
    Array from(numbers(256));
    std::string at = "    mad.lo.u32 %t, %l, 16, %v;\n    mad.wide.u32 %c, %l, 16, %b;\n";
    std::string rest = " cp.async.wait_all;\n    ld.shared.u32 %d, [%t];\n    ld.shared.u32 %u, "
                       "[%t+12];\n    add.u32 %d, %d, %u;";
    expect(at + "    cp.async.cg.shared.global.L2::128B [%t], [%c], 16, 8;\n" + rest, { 1, 32, 0 },
           { from.at() }, [](u32 l, u32) { return 1000 + 4 * l; });
    expect(at +
               "    and.b32 %u, %l, 1; mul.lo.u32 %u, %u, 16;\n    cp.async.cg.shared.global [%t], "
               "[%c], 16, %u;\n" +
               rest,
           { 1, 32, 0 }, { from.at() }, [](u32 l, u32) { return l & 1 ? 2003 + 8 * l : 0; });
    expect(at + "    setp.lt.u32 %p, %l, 9;\n    cp.async.cg.shared.global [%t], [%c], 16, %p;\n" +
               rest,
           { 1, 32, 0 }, { from.at() }, [](u32 l, u32) { return l < 9 ? 0 : 2003 + 8 * l; });
}

TEST(cp_async_groups_arrive_in_order)
{
    /* two groups; after wait_group 1 only the first has to be there */
    Array from(numbers(256));
    expect("    mad.lo.u32 %t, %l, 4, %v;\n    mad.wide.u32 %c, %l, 4, %b;\n    "
           "cp.async.ca.shared.global [%t], [%c], 4;\n"
           "    cp.async.commit_group;\n    cp.async.ca.shared.global [%t+512], [%c+128], 4;\n    "
           "cp.async.commit_group;\n"
           "    cp.async.wait_group 1;\n    ld.shared.u32 %d, [%t];\n    cp.async.wait_group 0;\n  "
           "  ld.shared.u32 %u, [%t+512];\n"
           "    add.u32 %d, %d, %u;",
           { 1, 32, 0 }, { from.at() }, [](u32 l, u32) { return 2032 + 2 * l; });
}

TEST(fences_and_flags_order_warps)
{
    /* warp 1 publishes with a fence, warp 0 waits for the flag: no race is reported */
    expect("    setp.ne.u32 %p, %l, 0;\n    @%p bra ready;\n    st.shared.u32 [s+1024], 0;\nready: "
           "bar.sync 0;\n"
           "    and.b32 %t, %l, 31;\n    mad.lo.u32 %t, %t, 4, %v;\n    setp.lt.u32 %p, %l, 32;\n  "
           "  @%p bra reader;\n"
           "    st.shared.u32 [%t], %l;\n    membar.cta;\n    atom.shared.add.u32 %u, [s+1024], "
           "1;\n    bra done;\n"
           "reader: ld.volatile.shared.u32 %u, [s+1024];\n    setp.ne.u32 %q, %u, 32;\n    @%q bra "
           "reader;\n    fence.acq_rel.cta;\n"
           "    ld.shared.u32 %d, [%t];\ndone:",
           { 1, 64, 0 }, { 0 }, [](u32 l, u32) { return l < 32 ? l + 32 : 0; });
}

TEST(the_last_block_may_read_what_all_have_written)
{
    /* the pattern of __threadfence(): each block writes, fences and counts; the last one adds up */
    for (emu::Sched sched : schedules) {
        emu::options().sched = sched;
        Array data(std::vector<u64>(64)), sum(8);
        std::string text =
            ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n    .reg .pred %p;\n    .reg "
            ".b32 %r<9>;\n    .reg .b64 %a<9>;\n"
            "    ld.param.u64 %a0, [p0];\n    ld.param.u64 %a1, [p1];\n    mov.u32 %r0, "
            "%ctaid.x;\n    mad.wide.u32 %a2, %r0, 4, %a0;\n"
            "    add.u32 %r1, %r0, 1;\n    st.global.u32 [%a2+64], %r1;\n    membar.gl;\n    "
            "atom.global.add.u32 %r2, [%a0], 1;\n"
            "    setp.ne.u32 %p, %r2, 9;\n    @%p ret;\n    mov.u32 %r3, 0;\n    mov.u32 %r4, 0;\n"
            "loop: mad.wide.u32 %a3, %r4, 4, %a0;\n    ld.global.u32 %r5, [%a3+64];\n    add.u32 "
            "%r3, %r3, %r5;\n    add.u32 %r4, %r4, 1;\n"
            "    setp.lt.u32 %p, %r4, 10;\n    @%p bra loop;\n    st.global.u32 [%a1], %r3;\n    "
            "ret;\n}\n";
        EXPECT(run(text, { data.at(), sum.at() }, { 10, 1, 0 }).empty());
        EXPECT_EQ(sum.get<u32>()[0], 55u);
    }
    emu::options().sched = emu::Sched::Forward;
}
