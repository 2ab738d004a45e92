/* fragments.hh - where the elements of a matrix lie in the registers of a warp, written as the ISA
 * writes it, element by element. Read next: test_matrix.cc. */
#ifndef PE_TESTS_EMU_PTX_FRAGMENTS_HH
#define PE_TESTS_EMU_PTX_FRAGMENTS_HH

#include "tests/emu/ptx/check.hh"

namespace fragments
{

using check::u32;
using check::u64;

typedef void (*Place)(int lane, int i, int *row, int *col);

/* group g = lane >> 2, t = lane % 4 */
inline void a_k4_tf32(int l, int i, int *r, int *c)
{
    *r = l / 4 + 8 * i, *c = l % 4;
}
inline void b_k4_tf32(int l, int, int *r, int *c)
{
    *r = l % 4, *c = l / 4;
}
inline void a_k8_tf32(int l, int i, int *r, int *c)
{
    *r = l / 4 + (i == 1 || i == 3 ? 8 : 0), *c = l % 4 + (i >= 2 ? 4 : 0);
}
inline void b_k8_tf32(int l, int i, int *r, int *c)
{
    *r = l % 4 + 4 * i, *c = l / 4;
}
inline void a_k8_half(int l, int i, int *r, int *c)
{
    *r = l / 4 + (i >= 2 ? 8 : 0), *c = l % 4 * 2 + (i & 1);
}
inline void b_k8_half(int l, int i, int *r, int *c)
{
    *r = l % 4 * 2 + (i & 1), *c = l / 4;
}
inline void a_k16_half(int l, int i, int *r, int *c)
{
    *r = l / 4 + ((i >= 0 && i < 2) || (i >= 4 && i < 6) ? 0 : 8);
    *c = l % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0);
}
inline void b_k16_half(int l, int i, int *r, int *c)
{
    *r = l % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), *c = l / 4;
}
inline void a_k16_int(int l, int i, int *r, int *c)
{
    *r = l / 4 + (i >= 4 ? 8 : 0), *c = l % 4 * 4 + (i & 3);
}
inline void b_k16_int(int l, int i, int *r, int *c)
{
    *r = l % 4 * 4 + i, *c = l / 4;
}
inline void a_k32_int(int l, int i, int *r, int *c)
{
    *r = l / 4 + ((i >= 0 && i < 4) || (i >= 8 && i < 12) ? 0 : 8);
    *c = l % 4 * 4 + (i & 3) + (i >= 8 ? 16 : 0);
}
inline void b_k32_int(int l, int i, int *r, int *c)
{
    *r = l % 4 * 4 + (i & 3) + (i >= 4 ? 16 : 0), *c = l / 4;
}
/* the same pattern goes on for the dense B of the sparse shapes */
inline void b_k32_half(int l, int i, int *r, int *c)
{
    *r = l % 4 * 2 + (i & 1) + i / 2 * 8, *c = l / 4;
}
inline void b_k64_int(int l, int i, int *r, int *c)
{
    *r = l % 4 * 4 + (i & 3) + i / 4 * 16, *c = l / 4;
}
inline void c_any(int l, int i, int *r, int *c)
{
    *r = l / 4 + (i >= 2 ? 8 : 0), *c = l % 4 * 2 + (i & 1);
}

/* Elements of `bits` bits into words, n elements a lane: word [lane * 4 + element / per]. */
inline std::vector<u32> fragment(const std::vector<u64> &m, int columns, Place place, int n,
                                 int bits)
{
    std::vector<u32> words(128);
    int per = 32 / bits;
    u64 mask = bits == 32 ? 0xffffffff : ((u64)1 << bits) - 1;
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < n; i++) {
            int r, c;
            place(l, i, &r, &c);
            words[(size_t)(l * 4 + i / per)] |=
                (u32)((m[(size_t)(r * columns + c)] & mask) << (i % per * bits));
        }
    }
    return words;
}

inline std::vector<u64> matrix(const std::vector<u32> &words, Place place, int bits)
{
    std::vector<u64> m(128);
    int per = 32 / bits;
    for (int l = 0; l < 32; l++) {
        for (int i = 0; i < 4; i++) {
            int r, c;
            place(l, i, &r, &c);
            m[(size_t)(r * 8 + c)] = words[(size_t)(l * 4 + i / per)] >> (i % per * bits) &
                                     (bits == 32 ? 0xffffffff : 0xffff);
        }
    }
    return m;
}

/* {%a0, %a1, %a2} */
inline std::string list(char name, int n)
{
    std::string s = "{";
    for (int i = 0; i < n; i++) s += (i ? ", %" : "%") + std::string(1, name) + std::to_string(i);
    return s + "}";
}

} // namespace fragments

#endif
