/* test_races.cc - races in shared memory, and between blocks in device memory, broken on purpose;
 * and that the correct neighbour of each mistake is not reported. Read next: rules.hh,
 * runtime/race_shared.hh, runtime/race_global.hh. */
#include "tests/emu/ptx/rules.hh"

using namespace rules;

TEST(race_between_warps_without_a_barrier)
{
    std::string
        write = "st.shared.u32 [%s4], %l;\n",
        read = "xor.b32 %t, %l, 32;\n    mad.lo.u32 %t, %t, 4, %v;\n    ld.shared.u32 %u, [%t];";
    REPORTS("race on shared memory", write + read);
    SILENT(write + "bar.sync 0;\n" + read);
    /* the other way round: written before all have read it */
    std::string again = "bar.sync 0;\n    ld.shared.u32 %u, [s];\n    setp.eq.u32 %p, %l, 40;\n    "
                        "@%p st.shared.u32 [s], 5;";
    REPORTS("race on shared memory", "st.shared.u32 [%s4], 1;\n" + again);
    SILENT("st.shared.u32 [%s4], 1;\n    bar.sync 0;\n    ld.shared.u32 %u, [s];\n    bar.sync "
           "0;\n    setp.eq.u32 %p, %l, 40;\n    @%p st.shared.u32 [s], 5;");
    REPORTS("race on shared memory", "st.shared.u32 [s], %l;"); /* two warps to one place */
    SILENT("st.shared.u32 [s], 3;", { 1, 32, 0 });              /* one instruction of one warp */
}

TEST(race_between_lanes_without_a_warp_barrier)
{
    std::string
        write = "st.shared.u32 [%s4], %l;\n",
        read = "xor.b32 %t, %l, 1;\n    mad.lo.u32 %t, %t, 4, %v;\n    ld.shared.u32 %u, [%t];";
    REPORTS("race on shared memory", write + read, { 1, 32, 0 });
    SILENT(write + "bar.warp.sync -1;\n" + read, { 1, 32, 0 });
    SILENT(write + "bar.sync 0;\n" + read, { 1, 32, 0 });
    SILENT(write + "ld.shared.u32 %u, [%s4];", { 1, 32, 0 }); /* its own place */
    /* a barrier of the halves does not order lanes of different halves */
    std::string halves = "setp.lt.u32 %p, %l, 16;\n    selp.b32 %t, 0xffff, 0xffff0000, %p;\n    "
                         "bar.warp.sync %t;\n";
    SILENT(write + halves + read, { 1, 32, 0 });
    REPORTS("race on shared memory",
            write + halves +
                "xor.b32 %t, %l, 16;\n    mad.lo.u32 %t, %t, 4, %v;\n    ld.shared.u32 %u, [%t];",
            { 1, 32, 0 });
}

/* Lane 3 reads, lanes 0 to 15 meet, lane 5 reads and then writes: ordered, though others have read
 * too. The other lanes stay until the end, or the meeting would be one of the whole warp. */
TEST(no_race_after_a_barrier_of_some_lanes)
{
    std::string one =
        "setp.eq.u32 %p, %l, 0;\n    @%p st.shared.u32 [s], 1;\n    bar.warp.sync -1;\n"
        "    setp.ge.u32 %p, %l, 16;\n    @%p bra out;\n    setp.eq.u32 %p, %l, 3;\n"
        "    @%p ld.shared.u32 %u, [s];\n    ";
    std::string two = "setp.eq.u32 %p, %l, 5;\n    @%p ld.shared.u32 %u, [s];\n"
                      "    @%p st.shared.u32 [s], 2;\nout: bar.warp.sync -1;";
    SILENT(one + "bar.warp.sync 0xffff;\n    " + two, { 1, 32, 0 });
    REPORTS("race on shared memory", one + two, { 1, 32, 0 });
}

TEST(race_is_found_by_the_byte)
{
    std::string at = "add.u32 %t, %v, %l;\n    ";
    SILENT(at + "st.shared.u8 [%t], 1;\n    bar.sync 0;\n    and.b32 %t, %l, 0xc;\n    add.u32 %t, "
                "%t, %v;\n    ld.shared.u32 %u, [%t];");
    REPORTS("race on shared memory", at + "st.shared.u8 [%t], 1;\n    and.b32 %t, %l, 0x3c;\n    "
                                          "add.u32 %t, %t, %v;\n    ld.shared.u32 %u, [%t];");
    REPORTS("race on shared memory", at + "st.shared.u8 [%t], 1;\n    xor.b32 %t, %l, 32;\n    "
                                          "add.u32 %t, %t, %v;\n    st.shared.u8 [%t], 1;");
}

TEST(race_between_atomics_and_plain_accesses)
{
    std::string zero =
        "setp.eq.u32 %p, %l, 0;\n    @%p st.shared.u32 [s], 0;\n    bar.sync 0;\n    ";
    SILENT(zero + "atom.shared.add.u32 %u, [s], 1;\n    red.shared.max.u32 [s], 7;");
    REPORTS("race on shared memory",
            zero + "atom.shared.add.u32 %u, [s], 1;\n    ld.shared.u32 %u, [s];");
    SILENT(zero + "atom.shared.add.u32 %u, [s], 1;\n    bar.sync 0;\n    ld.shared.u32 %u, [s];");
}

TEST(race_of_a_flag_without_a_fence)
{
    std::string before = "setp.eq.u32 %p, %l, 0;\n    @%p st.shared.u32 [s+512], 0;\n    bar.sync "
                         "0;\n    setp.lt.u32 %p, %l, 32;\n    @%p bra reader;\n"
                         "    add.u32 %t, %s4, -128;\n    st.shared.u32 [%t], %l;\n    ";
    std::string after = "atom.shared.add.u32 %u, [s+512], 1;\n    ret;\nreader: "
                        "ld.volatile.shared.u32 %u, [s+512];\n    setp.ne.u32 %q, %u, 32;\n"
                        "    @%q bra reader;\n    ";
    REPORTS("race on shared memory", before + after + "membar.cta;\n    ld.shared.u32 %u, [%s4];");
    REPORTS("race on shared memory",
            before + "membar.cta;\n    " + after + "ld.shared.u32 %u, [%s4];");
    SILENT(before + "membar.cta;\n    " + after + "membar.cta;\n    ld.shared.u32 %u, [%s4];");
}

static const Shape blocks = { 4, 32, 0 };

TEST(race_between_blocks)
{
    REPORTS("race between blocks", "st.global.u32 [%a], %l;", blocks);
    REPORTS("race between blocks",
            "mov.u32 %t, %ctaid.x;\n    setp.eq.u32 %p, %t, 2;\n    @%p st.global.u32 [%a], 3;\n   "
            " @!%p ld.global.u32 %u, [%a];",
            blocks);
    SILENT("ld.global.u32 %u, [%a];", blocks);
    SILENT("mov.u32 %t, %ctaid.x;\n    mad.wide.u32 %a, %t, 128, %a;\n    st.global.u32 [%a], "
           "%l;\n    ld.global.u32 %u, [%a];",
           blocks);
    SILENT("red.global.add.u32 [%a], 1;\n    atom.global.max.u32 %u, [%a], %l;", blocks);
    REPORTS("race between blocks",
            "mov.u32 %t, %ctaid.x;\n    setp.eq.u32 %p, %t, 2;\n    @%p st.global.u32 [%a], 3;\n   "
            " @!%p red.global.add.u32 [%a], 1;",
            blocks);
    SILENT("st.global.u32 [%a], %l;", { 1, 32, 0 });
    emu::options().race = false;
    SILENT("st.global.u32 [%a], %l;", blocks);
    emu::options().race = true;
}

TEST(race_between_blocks_is_found_by_the_byte)
{
    std::string own = "mov.u32 %t, %ctaid.x;\n    mad.wide.u32 %a, %t, 1, %a;\n    ";
    SILENT(own + "st.global.u8 [%a], %t;\n    ld.global.u8 %u, [%a];", blocks);
    REPORTS("race between blocks",
            own + "st.global.u8 [%a], %t;\n    ld.param.u64 %a, [p0];\n    mad.wide.u32 %a, %l, 4, "
                  "%a;\n    ld.global.u32 %u, [%a];",
            blocks);
    REPORTS("race between blocks",
            "and.b32 %t, %l, 1;\n    mad.wide.u32 %a, %t, 1, %a;\n    st.global.u8 [%a], %l;",
            blocks);
    /* block 0 writes a byte, blocks 1 and 2 another one of the same word */
    REPORTS("race between blocks",
            "mov.u32 %t, %ctaid.x;\n    min.u32 %t, %t, 1;\n    mad.wide.u32 %a, %t, 1, %a;\n"
            "    st.global.u8 [%a], 7;",
            { 3, 1, 0 });
    /* read by all as words, then one byte of it written by one */
    REPORTS("race between blocks",
            "ld.global.u32 %u, [%a];\n    " + own +
                "setp.eq.u32 %p, %t, 1;\n    @%p st.global.u8 [%a], 1;",
            blocks);
}

/* Two blocks, so that one schedule has only the write after the read, and one only the read after
 * the write; in rows of words, apart, and in bytes. */
TEST(race_between_a_reader_and_a_writer)
{
    const Shape two = { 2, 32, 0 };
    std::string second = "mov.u32 %t, %ctaid.x;\n    setp.eq.u32 %p, %t, 1;\n    ";
    std::string apart = "mad.wide.u32 %a, %l, 4, %a;\n    ";
    REPORTS("race between blocks",
            second + "@%p st.global.u32 [%a], 3;\n    @!%p ld.global.u32 %u, [%a];", two);
    REPORTS("race between blocks",
            second + "ld.global.u32 %u, [%a];\n    @%p st.global.u32 [%a], 3;", two);
    REPORTS("race between blocks",
            apart + second + "@%p st.global.u32 [%a], 3;\n    @!%p ld.global.u32 %u, [%a];", two);
    REPORTS("race between blocks",
            apart + second + "ld.global.u32 %u, [%a];\n    @%p st.global.u32 [%a], 3;", two);
    REPORTS("race between blocks",
            second + "@%p st.global.u8 [%a+1], 3;\n    @!%p ld.global.u8 %u, [%a+1];", two);
    SILENT(second + "@%p st.global.u8 [%a+1], 3;\n    @!%p ld.global.u8 %u, [%a+2];", two);
}

TEST(race_with_the_last_block_without_a_fence)
{
    std::string code = "mov.u32 %t, %ctaid.x;\n    mad.wide.u32 %c, %t, 4, %b;\n    st.global.u32 "
                       "[%c+64], %t;\n    FENCE\n    mov.u32 %v, 0;\n"
                       "    ld.param.u64 %a, [p0];\n    atom.global.add.u32 %u, [%a], 1;\n    "
                       "setp.ne.u32 %p, %u, 3;\n    @%p ret;\n"
                       "    ld.global.u32 %u, [%b+64];\n    ld.global.u32 %u, [%b+76];";
    std::string with = code, without = code;
    with.replace(with.find("FENCE"), 5, "fence.acq_rel.gpu;");
    without.replace(without.find("FENCE"), 5, "");
    SILENT(with, { 4, 1, 0 });
    REPORTS("race between blocks", without, { 4, 1, 0 });
}

/* What block 1 acquires from block 0 is of no use to block 2. */
TEST(race_with_a_block_that_has_not_acquired)
{
    REPORTS("race between blocks",
            "mov.u32 %t, %ctaid.x;\n    setp.eq.u32 %p, %t, 0;\n    @%p bra first;\n"
            "    setp.eq.u32 %p, %t, 1;\n    @%p atom.global.add.u32 %u, [%a], 1;\n"
            "    @!%p ld.global.u32 %u, [%a+64];\n    ret;\nfirst: st.global.u32 [%a+64], 5;\n"
            "    membar.gl;\n    atom.global.add.u32 %u, [%a], 1;",
            { 3, 1, 0 });
}
