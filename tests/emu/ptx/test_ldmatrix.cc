/* test_ldmatrix.cc - ldmatrix, stmatrix and movmatrix, which move 8x8 matrices of 16-bit elements.
 * Read next: test_matrix.cc, runtime/ops/matrix.cc. */
#include "tests/emu/ptx/fragments.hh"

using namespace check;
using namespace fragments;

static const char *const fill_shared =
    ".visible .entry k(.param .u64 p0)\n{\n    .shared .align 16 .b8 s[1024];\n    .reg .b16 %h;\n "
    "   .reg .b32 %r<9>, %l, %t, %v;\n    .reg .b64 %a;\n"
    "    .reg .pred %p;\n    mov.u32 %l, %laneid;\n    mov.u32 %v, s;\n    mov.u32 %t, %l;\n"
    "fill: mad.lo.u32 %r8, %t, 2, %v;\n    cvt.u16.u32 %h, %t;\n    st.shared.u16 [%r8], %h;\n    "
    "add.u32 %t, %t, 32;\n    setp.lt.u32 %p, %t, 512;\n"
    "    @%p bra fill;\n    bar.warp.sync -1;\n    ld.param.u64 %a, [p0];\n";

TEST(ldmatrix)
{
    for (int n : { 1, 2, 4 }) {
        for (bool trans : { false, true }) {
            /* row r of matrix q begins at element 8 * (lane 8 q + r) + 8 * 32 for odd lanes */
            std::string code = "    and.b32 %t, %l, 1;\n    mul.lo.u32 %t, %t, 512;\n    "
                               "mad.lo.u32 %t, %l, 16, %t;\n    add.u32 %t, %t, %v;\n"
                               "    ldmatrix.sync.aligned.m8n8.x" +
                               std::to_string(n) + (trans ? ".trans" : "") + ".shared.b16 " +
                               list('r', n) + ", [%t];\n    mad.wide.u32 %a, %l, 16, %a;\n";
            for (int q = 0; q < n; q++)
                code += emu::format("    st.global.b32 [%%a+%d], %%r%d;\n", 4 * q, q);
            Array out(std::vector<u32>(128));
            std::string said = run(fill_shared + code + "    ret;\n}\n", { out.at() });
            if (!said.empty()) check::fail(__FILE__, __LINE__, said);
            std::vector<u32> got = out.get<u32>();
            auto element = [](int q, int row, int col) {
                return (u32)(8 * (8 * q + row) + 256 * (row & 1) + col);
            };
            for (int l = 0; l < 32; l++) {
                for (int q = 0; q < n; q++) {
                    int r = l / 4, c = l % 4 * 2;
                    u32 low = trans ? element(q, c, r) : element(q, r, c),
                        high = trans ? element(q, c + 1, r) : element(q, r, c + 1);
                    EXPECT_EQ(got[(size_t)(4 * l + q)], low | high << 16);
                }
            }
        }
    }
}

TEST(stmatrix)
{
    for (int n : { 1, 2, 4 }) {
        for (bool trans : { false, true }) {
            /* register q of lane l holds 1000 q + 2 l and the number after it; the rows lie one
             * after the other */
            std::string code = "    bar.warp.sync -1;\n";
            for (int q = 0; q < n; q++) {
                code += emu::format("    mad.lo.u32 %%t, %%l, 2, %d;\n    add.u32 %%r8, %%t, 1;\n  "
                                    "  shl.b32 %%r8, %%r8, 16;\n    or.b32 %%r%d, %%t, %%r8;\n",
                                    1000 * q, q);
            }
            code += "    mad.lo.u32 %t, %l, 16, %v;\n    stmatrix.sync.aligned.m8n8.x" +
                    std::to_string(n) + (trans ? ".trans" : "") + ".shared.b16 [%t], " +
                    list('r', n) +
                    ";\n    bar.warp.sync -1;\n    mad.wide.u32 %a, %l, 16, %a;\n"
                    "    ld.shared.v4.b32 {%r0, %r1, %r2, %r3}, [%t];\n    st.global.v4.b32 [%a], "
                    "{%r0, %r1, %r2, %r3};\n";
            Array out(std::vector<u32>(128));
            std::string said = run(fill_shared + code + "    ret;\n}\n", { out.at() });
            if (!said.empty()) check::fail(__FILE__, __LINE__, said);
            std::vector<u32> got = out.get<u32>();
            for (int row = 0; row < 8 * n; row++) {
                for (int col = 0; col < 8; col++) {
                    int r = trans ? col : row % 8, c = trans ? row % 8 : col;
                    u32 expected = (u32)(1000 * (row / 8) + 2 * (4 * r + c / 2) + (c & 1));
                    EXPECT_EQ(got[(size_t)(4 * row + col / 2)] >> (16 * (col & 1)) & 0xffff,
                              expected);
                }
            }
        }
    }
}

TEST(movmatrix)
{
    std::string code = "    mul.lo.u32 %t, %l, 2;\n    add.u32 %r8, %t, 1;\n    shl.b32 %r8, %r8, "
                       "16;\n    or.b32 %r0, %t, %r8;\n"
                       "    movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r0;\n    mad.wide.u32 %a, "
                       "%l, 4, %a;\n    st.global.b32 [%a], %r1;\n";
    Array out(128);
    EXPECT(run(fill_shared + code + "    ret;\n}\n", { out.at() }).empty());
    for (u32 l = 0; l < 32; l++) {
        u32 row = l / 4, col = l % 4 * 2;
        EXPECT_EQ(out.get<u32>()[l], (8 * col + row) | (8 * (col + 1) + row) << 16);
    }
}
