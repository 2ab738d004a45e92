/* check.hh - the frame of the interpreter's tests: cases that register themselves, comparisons, and
 * PTX text run on arrays. Read next: check.cc, test_integer.cc (the usual shape of a test). */
#ifndef PE_TESTS_EMU_PTX_CHECK_HH
#define PE_TESTS_EMU_PTX_CHECK_HH

#include <functional>
#include <string>
#include <vector>

#include "tests/emu/runtime/common.hh"

namespace check
{

using emu::s16;
using emu::s32;
using emu::s64;
using emu::s8;
using emu::u16;
using emu::u32;
using emu::u64;
using emu::u8;

/* TEST(name) { ... } prints "ok name", or what EXPECT found and "not ok name". */
struct Case {
    Case(const char *name, void (*body)());
};
#define TEST(name)                                      \
    static void test_##name();                          \
    static check::Case case_##name(#name, test_##name); \
    static void test_##name()

void fail(const char *file, int line, const std::string &what);
#define EXPECT(condition) \
    ((condition) ? (void)0 : check::fail(__FILE__, __LINE__, "expected " #condition))
#define EXPECT_EQ(found, expected) check::equal(__FILE__, __LINE__, #found, found, expected)
template <class A, class B>
void equal(const char *file, int line, const char *what, const A &found, const B &expected)
{
    if (found == expected) return;
    fail(file, line,
         std::string(what) + " is " + std::to_string(found) + ", expected " +
             std::to_string(expected));
}

/* Device memory with these bytes, as long as the object lives. */
class Array
{
  public:
    explicit Array(size_t nbytes); /* not written */
    template <class T> explicit Array(const std::vector<T> &v) : Array(v.size() * sizeof(T))
    {
        put(v.data(), v.size() * sizeof(T));
    }
    Array(const Array &) = delete;
    ~Array();
    void put(const void *from, size_t nbytes);
    template <class T> std::vector<T> get() const
    {
        std::vector<T> v(nbytes_ / sizeof(T));
        take(v.data());
        return v;
    }
    u64 at() const { return at_; }

  private:
    void take(void *to) const;
    u64 at_;
    size_t nbytes_;
};

struct Shape {
    u32 blocks = 1, threads = 32, dynamic = 0;
};

/* Runs kernel k of the module text; params are 64-bit values, in order. Text without a ".version"
 * gets the usual head. The result is what was reported, "" when nothing was. Every text is also
 * given to ptxas by run.sh, unless `legal` is false. */
std::string run(const std::string &text, const std::vector<u64> &params, Shape shape = {},
                bool legal = true);

/* One instruction on arrays: "add.s32 d, a, b;" with the registers named after types, for example
 * "32 32 32" for d, a, b, of 16, 32 or 64 bits. The arrays have one value a lane, as 64-bit words;
 * so has the result. Reports fail the test. */
std::vector<u64> evaluate(const std::string &code, const std::string &widths,
                          const std::vector<std::vector<u64>> &in);

/* The same over all pairs or triples of values, compared with a function of them. `same` compares
 * results, equality of bits by default. */
typedef std::vector<u64> Values;
void each1(const std::string &code, const std::string &widths, const Values &a,
           const std::function<u64(u64)> &expected);
void each2(const std::string &code, const std::string &widths, const Values &a, const Values &b,
           const std::function<u64(u64, u64)> &expected);
void each3(const std::string &code, const std::string &widths, const Values &a, const Values &b,
           const Values &c, const std::function<u64(u64, u64, u64)> &expected);

/* Values at the edges: 0, 1, most, least, powers of two and their neighbours, and some between. */
Values edges(int bits);
Values amounts(); /* for shifts: 0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 256, all ones */
Values floats();  /* f32: zeros, denormals, infinities, NaNs, ties, large and small */
Values doubles();

} // namespace check

#endif
