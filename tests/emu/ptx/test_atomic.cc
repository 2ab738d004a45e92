/* test_atomic.cc - atom and red on device and shared memory. Read next: check.hh,
 * runtime/atomic.cc. */
#include "tests/emu/ptx/exact.hh"

using namespace check;
using namespace exact;

/* Every thread of 4 blocks of 64 applies `operation` with its own number as %v to the one place p0
 * and stores what came back to p1[its number]. */
static std::string on_global(const std::string &operation, int bits)
{
    return emu::format(
               ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n    .reg .b32 %%r<9>;\n"
               "    .reg .b64 %%a<9>;\n    .reg .b%d old, v, w;\n    .reg .b%d half;\n"
               "    ld.param.u64 %%a0, [p0];\n    ld.param.u64 %%a1, [p1];\n    mov.u32 %%r0, "
               "%%tid.x;\n"
               "    mov.u32 %%r1, %%ctaid.x;\n    mad.lo.u32 %%r0, %%r1, 64, %%r0;\n"
               "    cvt.u%d.u32 v, %%r0;\n    mad.wide.u32 %%a2, %%r0, 8, %%a1;\n    ",
               bits, bits, bits) +
           operation + emu::format("\n    st.global.b%d [%%a2], old;\n    ret;\n}\n", bits);
}

static const Shape four = { 4, 64, 0 };

/* The final value, when the place started at `start`. */
static u64 applied(const std::string &operation, int bits, u64 start)
{
    Array place(std::vector<u64>{ start }), out(256 * 8);
    std::string said = run(on_global(operation, bits), { place.at(), out.at() }, four);
    if (!said.empty()) check::fail(__FILE__, __LINE__, said);
    u64 v = place.get<u64>()[0];
    return bits == 64 ? v : v & (((u64)1 << bits) - 1);
}

TEST(atom_integers)
{
    EXPECT_EQ(applied("atom.global.add.u32 old, [%a0], v;", 32, 5), (u64)(5 + 255 * 128));
    EXPECT_EQ(applied("atom.global.add.s32 old, [%a0], v;", 32, 0xfffffff0), (u64)(255 * 128 - 16));
    EXPECT_EQ(applied("atom.global.add.u64 old, [%a0], v;", 64, (u64)1 << 40),
              ((u64)1 << 40) + 255 * 128);
    EXPECT_EQ(applied("atom.global.min.u32 old, [%a0], v;", 32, 77), (u64)0);
    EXPECT_EQ(applied("atom.global.max.u32 old, [%a0], v;", 32, 77), (u64)255);
    EXPECT_EQ(applied("atom.global.min.s32 old, [%a0], v;", 32, 0xffffff00), (u64)0xffffff00);
    EXPECT_EQ(applied("atom.global.max.s32 old, [%a0], v;", 32, 0xffffff00), (u64)255);
    EXPECT_EQ(applied("atom.global.min.u64 old, [%a0], v;", 64, 9), (u64)0);
    EXPECT_EQ(applied("atom.global.max.s64 old, [%a0], v;", 64, ~(u64)0), (u64)255);
    EXPECT_EQ(applied("atom.global.and.b32 old, [%a0], 0xf0f0;", 32, 0xffff), (u64)0xf0f0);
    EXPECT_EQ(applied("atom.global.or.b32 old, [%a0], v;", 32, 0x100), (u64)0x1ff);
    EXPECT_EQ(applied("atom.global.xor.b32 old, [%a0], v;", 32, 7), (u64)7);
    EXPECT_EQ(applied("atom.global.or.b64 old, [%a0], v;", 64, (u64)1 << 63), ((u64)1 << 63) + 255);
    EXPECT_EQ(applied("atom.global.inc.u32 old, [%a0], 99;", 32, 0), (u64)(256 % 100));
    EXPECT_EQ(applied("atom.global.dec.u32 old, [%a0], 99;", 32, 0), (u64)(100 - 256 % 100));
    /* above the limit: inc begins at 0, dec at the limit */
    EXPECT_EQ(applied("atom.global.inc.u32 old, [%a0], 500;", 32, 1000), (u64)255);
    EXPECT_EQ(applied("atom.global.dec.u32 old, [%a0], 500;", 32, 1000), (u64)(500 - 255));
    EXPECT_EQ(applied("atom.relaxed.gpu.global.add.u32 old, [%a0], 1;", 32, 0), (u64)256);
    EXPECT_EQ(applied("atom.acq_rel.sys.global.add.u32 old, [%a0], 1;", 32, 0), (u64)256);
    EXPECT_EQ(applied("atom.add.u32 old, [%a0], 1;", 32, 0), (u64)256);
    EXPECT_EQ(applied("red.global.add.u32 [%a0], v; mov.b32 old, 0;", 32, 0), (u64)(255 * 128));
    EXPECT_EQ(applied("red.relaxed.gpu.global.max.u64 [%a0], v; mov.b64 old, 0;", 64, 3), (u64)255);
    EXPECT_EQ(applied("red.and.b32 [%a0], 12; mov.b32 old, 0;", 32, 0xff), (u64)12);
}

TEST(atom_returns_the_value_before)
{
    Array place(std::vector<u64>{ 1000 }), out(std::vector<u64>(256));
    EXPECT(run(on_global("atom.global.add.u32 old, [%a0], 1;", 32), { place.at(), out.at() }, four)
               .empty());
    std::vector<bool> seen(256);
    for (u64 v : out.get<u64>()) {
        EXPECT(v >= 1000 && v < 1256 && !seen[v - 1000]);
        if (v >= 1000 && v < 1256) seen[v - 1000] = true;
    }
}

TEST(atom_cas_and_exch)
{
    /* cas 0 -> own number + 1: the first thread in order wins */
    EXPECT_EQ(applied("add.u32 w, v, 1; atom.global.cas.b32 old, [%a0], 0, w;", 32, 0), (u64)1);
    EXPECT_EQ(applied("add.u64 w, v, 1; atom.global.cas.b64 old, [%a0], 0, w;", 64, 7), (u64)7);
    EXPECT_EQ(applied("add.u16 w, v, 1; atom.global.cas.b16 old, [%a0], 5, w;", 16, 5), (u64)1);
    EXPECT_EQ(applied("atom.global.exch.b32 old, [%a0], v;", 32, 999), (u64)255);
    EXPECT_EQ(applied("atom.global.exch.b64 old, [%a0], v;", 64, 999), (u64)255);
    /* a loop that adds with cas alone, with a plain load before it */
    EXPECT_EQ(
        applied(
            "ld.global.u32 old, [%a0];\nagain:\n    add.u32 w, old, v;\n    mov.u32 half, old;\n"
            "    atom.global.cas.b32 old, [%a0], half, w;\n    .reg .pred %q;\n"
            "    setp.ne.u32 %q, old, half;\n    @%q bra again;",
            32, 3),
        (u64)(3 + 255 * 128));
}

TEST(atom_floats)
{
    EXPECT_EQ(applied("cvt.rn.f32.u32 v, %r0; atom.global.add.f32 old, [%a0], v;", 32, bits(0.5f)),
              bits(32640.5f));
    EXPECT_EQ(applied("cvt.rn.f64.u32 v, %r0; atom.global.add.f64 old, [%a0], v;", 64, bits(0.5)),
              bits(32640.5));
    EXPECT_EQ(applied("red.global.add.f32 [%a0], 0f3F800000; mov.b32 old, 0;", 32, 0),
              bits(256.0f));
    EXPECT_EQ(applied("mov.b32 v, 0x3c003800; atom.global.add.noftz.f16x2 old, [%a0], v;", 32, 0),
              (u64)0x5c00 << 16 | 0x5800);
    EXPECT_EQ(applied("mov.b16 v, 0x3c00; atom.global.add.noftz.f16 old, [%a0], v;", 16, 0),
              (u64)0x5c00);
    EXPECT_EQ(applied("mov.b16 v, 0x3f80; atom.global.add.noftz.bf16 old, [%a0], v;", 16, 0),
              (u64)0x4380);
    EXPECT_EQ(
        applied("mov.b32 v, 0x3f803f00; red.global.add.noftz.bf16x2 [%a0], v; mov.b32 old, 0;", 32,
                0),
        (u64)0x4380 << 16 | 0x4300);
    /* on device memory denormals are flushed */
    EXPECT_EQ(applied("atom.global.add.f32 old, [%a0], 0f00000001;", 32, 0), (u64)0);
}

static std::string on_shared(const std::string &operation, u64 start)
{
    return emu::format(".visible .entry k(.param .u64 p0)\n{\n    .shared .align 8 .b8 place[8];\n"
                       "    .reg .b32 %%r<9>;\n    .reg .b64 %%a<9>;\n    .reg .pred %%p<2>;\n"
                       "    ld.param.u64 %%a0, [p0];\n    mov.u32 %%r0, %%tid.x;\n    setp.ne.u32 "
                       "%%p0, %%r0, 0;\n"
                       "    @%%p0 bra wait;\n    st.shared.u64 [place], %llu;\nwait:\n    bar.sync "
                       "0;\n    ",
                       (unsigned long long)start) +
           operation +
           "\n    bar.sync 0;\n    @%p0 ret;\n    ld.shared.u64 %a1, [place];\n"
           "    st.global.u64 [%a0], %a1;\n    ret;\n}\n";
}

TEST(atom_on_shared_memory)
{
    Array out(8);
    Shape one = { 1, 256, 0 };
    auto final = [&](const std::string &operation, u64 start) {
        std::string said = run(on_shared(operation, start), { out.at() }, one);
        if (!said.empty()) check::fail(__FILE__, __LINE__, said);
        return out.get<u64>()[0];
    };
    EXPECT_EQ(final("atom.shared.add.u32 %r1, [place], %r0;", 0), (u64)(255 * 128));
    EXPECT_EQ(final("red.shared.add.u32 [place], 1;", 0), (u64)256);
    EXPECT_EQ(final("mov.u32 %r2, place;\n    atom.shared.max.s32 %r1, [%r2], %r0;", 9), (u64)255);
    EXPECT_EQ(final("atom.shared.add.f32 %r1, [place], 0f00000001;", 0),
              (u64)256); /* no flush here */
    EXPECT_EQ(
        final("mov.u64 %a2, place;\n    cvta.shared.u64 %a2, %a2;\n    atom.add.u64 %a3, [%a2], 2;",
              1),
        (u64)513);
    EXPECT_EQ(final("atom.shared::cta.cas.b32 %r1, [place], 5, %r0;", 6), (u64)6);
}
