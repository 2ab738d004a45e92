/* test_memory.cc - loads and stores of every width in every space, vectors, generic addresses,
 * variables and parameters. Read next: check.hh, runtime/ops/memory.cc, runtime/module.cc. */
#include "tests/emu/ptx/check.hh"

#include <cstring>

using namespace check;

static s64 extend(u64 v, int bits)
{
    return bits == 64 ? (s64)v : (s64)(v << (64 - bits)) >> (64 - bits);
}

/* A kernel with 64-bit parameters p0, p1, ...; %r0 is the thread's number, %a0 = p0 + 8 * it. */
static std::string kernel(const std::string &body, int params, const std::string &before = "")
{
    std::string s = before + ".visible .entry k(";
    for (int i = 0; i < params; i++)
        s += (i ? ", .param .u64 p" : ".param .u64 p") + std::to_string(i);
    s += ")\n{\n    .reg .pred %p<9>;\n    .reg .b16 %h<9>;\n    .reg .b32 %r<20>;\n    .reg .b64 "
         "%a<20>;\n"
         "    .reg .f32 %f<9>;\n    mov.u32 %r0, %tid.x;\n";
    for (int i = 0; i < params; i++) {
        s +=
            emu::format("    ld.param.u64 %%a%d, [p%d];\n    mad.wide.u32 %%a%d, %%r0, 8, %%a%d;\n",
                        i, i, i, i);
    }
    return s + body + "    ret;\n}\n";
}

TEST(loads_extend_to_the_register)
{
    std::vector<u64> in = { 0x8899aabbccddeeff, 0x7f7e7d7c7b7a7978, 0, 0x80 };
    in.resize(32, 0xfedcba9876543210);
    Array from(in), to(32 * 8);
    for (int bits : { 8, 16, 32, 64 }) {
        for (char kind : { 'u', 's', 'b' }) {
            std::string t = kind + std::to_string(bits);
            std::string said = run(
                kernel("    ld.global." + t + " %a2, [%a0];\n    st.global.u64 [%a1], %a2;\n", 2),
                { from.at(), to.at() });
            EXPECT(said.empty());
            std::vector<u64> got = to.get<u64>();
            for (int i = 0; i < 32; i++) {
                u64 low = bits == 64 ? in[i] : in[i] & (((u64)1 << bits) - 1);
                EXPECT_EQ(got[i], kind == 's' ? (u64)extend(low, bits) : low);
            }
            if (bits > 16) continue;
            said = run(kernel("    mov.u64 %a2, 0;\n    st.global.u64 [%a1], %a2;\n    ld.global." +
                                  t + " %h0, [%a0];\n    st.global.u16 [%a1], %h0;\n",
                              2),
                       { from.at(), to.at() });
            EXPECT(said.empty());
            got = to.get<u64>();
            for (int i = 0; i < 32; i++) {
                u64 low = in[i] & (((u64)1 << bits) - 1);
                EXPECT_EQ(got[i], (kind == 's' ? (u64)extend(low, bits) : low) & 0xffff);
            }
        }
    }
}

TEST(stores_write_their_width_only)
{
    for (int bits : { 8, 16, 32, 64 }) {
        Array to(std::vector<u64>(32, 0x1111111111111111));
        std::string code = "    mov.u64 %a2, 0xffeeddccbbaa9988;\n    st.global.b" +
                           std::to_string(bits) + " [%a0], %a2;\n";
        EXPECT(run(kernel(code, 1), { to.at() }).empty());
        u64 mask = bits == 64 ? ~(u64)0 : ((u64)1 << bits) - 1;
        EXPECT_EQ(to.get<u64>()[7], (0xffeeddccbbaa9988 & mask) | (0x1111111111111111 & ~mask));
    }
}

TEST(vectors)
{
    std::vector<u32> in(128);
    for (u32 i = 0; i < 128; i++) in[i] = i * 0x01010101u;
    Array from(in), to(512);
    auto lane = [](const std::string &body) {
        return kernel("    mad.wide.u32 %a2, %r0, 8, 0;\n    add.s64 %a0, %a0, %a2;\n    add.s64 "
                      "%a1, %a1, %a2;\n" +
                          body,
                      2);
    };
    EXPECT(run(lane("    ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%a0];\n"
                    "    st.global.v4.u32 [%a1], {%r4, %r3, %r2, %r1};\n"),
               { from.at(), to.at() })
               .empty());
    std::vector<u32> got = to.get<u32>();
    for (u32 i = 0; i < 128; i++) EXPECT_EQ(got[i], in[i / 4 * 4 + 3 - i % 4]);
    EXPECT(run(lane("    ld.global.v2.b64 {%a5, %a6}, [%a0];\n    st.global.v2.b64 [%a1], {%a6, "
                    "%a5};\n"),
               { from.at(), to.at() })
               .empty());
    got = to.get<u32>();
    for (u32 i = 0; i < 128; i++) EXPECT_EQ(got[i], in[i / 4 * 4 + (i + 2) % 4]);
    EXPECT(run(lane("    ld.global.v4.u16 {%h0, %h1, %h2, %h3}, [%a0];\n    ld.global.v2.f32 {%f0, "
                    "%f1}, [%a0+8];\n"
                    "    st.global.v4.b16 [%a1], {%h3, %h2, %h1, %h0};\n    st.global.v2.f32 "
                    "[%a1+8], {%f1, %f0};\n"),
               { from.at(), to.at() })
               .empty());
    got = to.get<u32>();
    for (u32 i = 0; i < 32; i++) {
        u32 a = in[4 * i], b = in[4 * i + 1];
        EXPECT_EQ(got[4 * i], b >> 16 | b << 16);
        EXPECT_EQ(got[4 * i + 1], a >> 16 | a << 16);
        EXPECT_EQ(got[4 * i + 2], in[4 * i + 3]);
    }
    EXPECT(run(lane("    ld.global.v4.u8 {%r1, %r2, _, %r4}, [%a0];\n    mov.u32 %r3, 0;\n"
                    "    st.global.v4.u32 [%a1], {%r1, %r2, %r3, %r4};\n"),
               { from.at(), to.at() })
               .empty());
    EXPECT_EQ(to.get<u32>()[20 + 3], (u32)20);
}

TEST(hints_and_qualifiers_change_nothing)
{
    std::vector<u64> in(32, 42);
    for (auto load : { "ld.global.nc.u64", "ld.global.ca.u64", "ld.global.cg.u64",
                       "ld.volatile.global.u64", "ld.relaxed.gpu.global.u64",
                       "ld.acquire.cta.global.u64", "ld.weak.global.u64", "ldu.global.u64",
                       "ld.global.nc.L1::no_allocate.L2::128B.u64", "ld.global.L1::evict_last.u64",
                       "ld.u64", "ld.global.cs.u64", "ld.global.lu.u64", "ld.global.cv.u64" }) {
        for (auto store : { "st.global.u64", "st.volatile.global.u64", "st.release.gpu.global.u64",
                            "st.relaxed.sys.global.u64", "st.global.wb.u64", "st.global.cg.u64",
                            "st.global.cs.u64", "st.u64", "st.global.wt.u64",
                            "st.global.L1::no_allocate.u64" }) {
            Array from(in), to(256);
            std::string code =
                std::string("    ") + load + " %a2, [%a0];\n    " + store + " [%a1], %a2;\n";
            EXPECT(run(kernel(code, 2), { from.at(), to.at() }).empty());
            EXPECT_EQ(to.get<u64>()[31], (u64)42);
        }
    }
    Array from(in), to(256);
    EXPECT(run(kernel("    createpolicy.fractional.L2::evict_last.b64 %a3, 0f3F800000;\n"
                      "    ld.global.L2::cache_hint.u64 %a2, [%a0], %a3;\n"
                      "    prefetch.global.L2 [%a0];\n    st.global.L2::cache_hint.u64 [%a1], %a2, "
                      "%a3;\n",
                      2),
               { from.at(), to.at() })
               .empty());
    EXPECT_EQ(to.get<u64>()[3], (u64)42);
}

TEST(shared_memory_static_and_dynamic)
{
    Array to(256);
    std::string code =
        "    .shared .align 8 .b8 first[256];\n    mov.u32 %r1, first;\n"
        "    mad.lo.u32 %r2, %r0, 8, %r1;\n    cvt.u64.u32 %a2, %r0;\n    st.shared.u64 [%r2], "
        "%a2;\n"
        "    bar.sync 0;\n    xor.b32 %r3, %r0, 31;\n    mad.lo.u32 %r3, %r3, 8, %r1;\n"
        "    ld.shared.u64 %a3, [%r3];\n    st.global.u64 [%a0], %a3;\n";
    EXPECT(run(kernel(code, 1), { to.at() }).empty());
    for (u64 i = 0; i < 32; i++) EXPECT_EQ(to.get<u64>()[i], 31 - i);
    std::string dynamic =
        "    mov.u32 %r1, tail;\n    mad.lo.u32 %r2, %r0, 8, %r1;\n    cvt.u64.u32 %a2, %r0;\n"
        "    st.shared.u64 [%r2], %a2;\n    bar.sync 0;\n    ld.shared.u64 %a3, [tail+16];\n"
        "    mov.u32 %r4, %dynamic_smem_size;\n    cvt.u64.u32 %a4, %r4;\n    add.u64 %a3, %a3, "
        "%a4;\n"
        "    st.global.u64 [%a0], %a3;\n";
    Shape shape = { 1, 32, 256 };
    EXPECT(run(kernel(dynamic, 1, ".extern .shared .align 16 .b8 tail[];\n"), { to.at() }, shape)
               .empty());
    for (u64 i = 0; i < 32; i++) EXPECT_EQ(to.get<u64>()[i], (u64)258);
}

TEST(module_shared_variables_do_not_overlap)
{
    Array to(256);
    std::string code =
        "    st.shared.u32 [one], 1;\n    st.shared.u32 [two], 2;\n    ld.shared.u32 %r1, [one];\n"
        "    ld.shared.u32 %r2, [two];\n    mad.lo.u32 %r1, %r1, 10, %r2;\n    cvt.u64.u32 %a2, "
        "%r1;\n"
        "    st.global.u64 [%a0], %a2;\n";
    Shape one = { 1, 1, 0 };
    EXPECT(run(kernel(code, 1, ".shared .align 4 .u32 one;\n.shared .align 4 .u32 two;\n"),
               { to.at() }, one)
               .empty());
    EXPECT_EQ(to.get<u64>()[0], (u64)12);
}

TEST(local_memory_is_of_each_thread)
{
    Array to(256);
    std::string code =
        "    .local .align 8 .b8 frame[64];\n    mov.u64 %a2, frame;\n    cvt.u64.u32 %a3, %r0;\n"
        "    st.local.u64 [%a2+8], %a3;\n    cvta.local.u64 %a4, %a2;\n    add.u64 %a4, %a4, 8;\n"
        "    ld.u64 %a5, [%a4];\n    ld.local.u64 %a6, [frame+8];\n    add.u64 %a5, %a5, %a6;\n"
        "    st.global.u64 [%a0], %a5;\n";
    EXPECT(run(kernel(code, 1), { to.at() }).empty());
    for (u64 i = 0; i < 32; i++) EXPECT_EQ(to.get<u64>()[i], 2 * i);
}

TEST(generic_addresses)
{
    Array to(256);
    std::string code =
        "    .shared .align 8 .b8 s[256];\n    mov.u64 %a2, s;\n    cvta.shared.u64 %a3, %a2;\n"
        "    mad.wide.u32 %a3, %r0, 8, %a3;\n    cvt.u64.u32 %a4, %r0;\n    st.u64 [%a3], %a4;\n"
        "    cvta.to.shared.u64 %a5, %a3;\n    ld.shared.u64 %a6, [%a5];\n"
        "    isspacep.shared %p0, %a3;\n    isspacep.global %p1, %a3;\n    isspacep.global %p2, "
        "%a0;\n"
        "    isspacep.local %p3, %a3;\n"
        "    selp.b32 %r1, 1, 0, %p0;\n    selp.b32 %r2, 2, 0, %p1;\n    selp.b32 %r3, 4, 0, %p2;\n"
        "    selp.b32 %r4, 8, 0, %p3;\n    or.b32 %r1, %r1, %r2;\n    or.b32 %r3, %r3, %r4;\n    "
        "or.b32 %r1, %r1, %r3;\n"
        "    mad.wide.u32 %a6, %r1, 100, %a6;\n    cvta.global.u64 %a7, %a0;\n    st.u64 [%a7], "
        "%a6;\n";
    EXPECT(run(kernel(code, 1), { to.at() }).empty());
    for (u64 i = 0; i < 32; i++) EXPECT_EQ(to.get<u64>()[i], 500 + i);
}

TEST(variables_and_their_initial_values)
{
    Array to(32 * 8);
    std::string before =
        ".global .align 4 .u32 numbers[4] = {7, 0x10, -1};\n"
        ".const .align 8 .b8 bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 255};\n"
        ".global .align 8 .f64 half = 0d3FE0000000000000;\n"
        ".global .align 4 .f32 third = 0f3EAAAAAB;\n"
        ".global .align 8 .u64 pointer = generic(numbers)+4;\n"
        ".global .align 8 .u64 plain[2] = {numbers, numbers+8};\n"
        ".global .align 4 .b8 zero[8];\n.global .align 2 .u16 grid[2][2] = {{1, 2}, {3, 4}};\n";
    std::string code =
        "    ld.global.u32 %r1, [numbers];\n    ld.global.s32 %r2, [numbers+8];\n    ld.global.u32 "
        "%r3, [numbers+12];\n"
        "    st.global.u32 [%a0], %r1;\n    st.global.u32 [%a0+4], %r2;\n    st.global.u32 "
        "[%a0+8], %r3;\n"
        "    ld.const.u64 %a1, [bytes];\n    st.global.u64 [%a0+16], %a1;\n    ld.const.u8 %r4, "
        "[bytes+8];\n"
        "    st.global.u32 [%a0+24], %r4;\n    ld.global.u64 %a2, [half];\n    st.global.u64 "
        "[%a0+32], %a2;\n"
        "    ld.global.u64 %a3, [pointer];\n    ld.u32 %r5, [%a3];\n    st.global.u32 [%a0+40], "
        "%r5;\n"
        "    ld.global.u64 %a4, [plain+8];\n    ld.global.u32 %r6, [%a4];\n    st.global.u32 "
        "[%a0+44], %r6;\n"
        "    ld.global.u64 %a5, [zero];\n    st.global.u64 [%a0+48], %a5;\n    ld.global.u16 %r7, "
        "[grid+6];\n"
        "    st.global.u32 [%a0+56], %r7;\n    mov.u64 %a6, bytes;\n    ld.const.u8 %r8, [%a6+2];\n"
        "    st.global.u32 [%a0+60], %r8;\n    ld.global.b32 %r9, [third];\n    st.global.b32 "
        "[%a0+64], %r9;\n";
    Shape one = { 1, 1, 0 };
    EXPECT(run(kernel(code, 1, before), { to.at() }, one).empty());
    std::vector<u32> got = to.get<u32>();
    EXPECT_EQ(got[0], 7u);
    EXPECT_EQ(got[1], 0xffffffffu);
    EXPECT_EQ(got[2], 0u);
    EXPECT_EQ(got[4], 0x04030201u);
    EXPECT_EQ(got[5], 0x08070605u);
    EXPECT_EQ(got[6], 255u);
    EXPECT_EQ(got[9], 0x3fe00000u);
    EXPECT_EQ(got[10], 16u);
    EXPECT_EQ(got[11], 0xffffffffu);
    EXPECT_EQ(got[12], 0u);
    EXPECT_EQ(got[14], 4u);
    EXPECT_EQ(got[15], 3u);
    EXPECT_EQ(got[16], 0x3eaaaaabu);
}

TEST(parameters_of_all_widths)
{
    Array to(64);
    std::string text =
        ".visible .entry k(.param .u8 a, .param .u16 b, .param .f32 c, .param .u64 d,\n"
        "                  .param .align 8 .b8 e[24], .param .u64 out)\n{\n"
        "    .reg .b32 %r<9>;\n    .reg .b64 %a<9>;\n    .reg .f32 %f<2>;\n"
        "    ld.param.u64 %a0, [out];\n    ld.param.u8 %r0, [a];\n    ld.param.s16 %r1, [b];\n"
        "    ld.param.f32 %f0, [c];\n    ld.param.u64 %a1, [d];\n    ld.param.v2.u32 {%r2, %r3}, "
        "[e+8];\n"
        "    mov.b64 %a2, e;\n    ld.param.u64 %a3, [%a2+16];\n"
        "    st.global.u32 [%a0], %r0;\n    st.global.u32 [%a0+4], %r1;\n    st.global.f32 "
        "[%a0+8], %f0;\n"
        "    st.global.u64 [%a0+16], %a1;\n    st.global.v2.u32 [%a0+24], {%r2, %r3};\n"
        "    st.global.u64 [%a0+32], %a3;\n    ret;\n}\n";
    /* a at 0, b at 2, c at 4, d at 8, e at 16, out at 40 */
    std::vector<u64> params = { 0x3fc00000ffee00c8, 77, 0, 0x0000000900000008, 123, to.at() };
    Shape one = { 1, 1, 0 };
    EXPECT(run(text, params, one).empty());
    std::vector<u32> got = to.get<u32>();
    EXPECT_EQ(got[0], 0xc8u);
    EXPECT_EQ(got[1], 0xffffffeeu);
    EXPECT_EQ(got[2], 0x3fc00000u);
    EXPECT_EQ(got[4], 77u);
    EXPECT_EQ(got[6], 8u);
    EXPECT_EQ(got[7], 9u);
    EXPECT_EQ(got[8], 123u);
}
