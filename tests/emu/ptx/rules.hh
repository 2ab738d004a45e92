/* rules.hh - a few lines of PTX that break a rule, or do not: what is reported under each schedule.
 * Read next: test_races.cc, test_rules.cc. */
#ifndef PE_TESTS_EMU_PTX_RULES_HH
#define PE_TESTS_EMU_PTX_RULES_HH

#include "tests/emu/ptx/check.hh"

#include "tests/emu/runtime/common.hh"

namespace rules
{

using namespace check;

const emu::Sched schedules[] = { emu::Sched::Forward, emu::Sched::Reverse, emu::Sched::Random };

/* p0, p1: device memory. %l = %tid.x, %s4 = s + 4 * %l, %a = p0 + 4 * %l, %b = p1. */
inline std::string kernel(const std::string &code)
{
    return ".visible .entry k(.param .u64 p0, .param .u64 p1)\n{\n    .reg .pred %p, %q;\n    .reg "
           ".b32 %l, %t, %u, %v, %s4;\n    .reg .b64 %a, %b, %c;\n"
           "    .shared .align 16 .b8 s[1024];\n    mov.u32 %l, %tid.x;\n    mov.u32 %v, s;\n    "
           "mad.lo.u32 %s4, %l, 4, %v;\n"
           "    ld.param.u64 %a, [p0];\n    mad.wide.u32 %a, %l, 4, %a;\n    ld.param.u64 %b, "
           "[p1];\n    " +
           code + "\n    ret;\n}\n";
}

/* What is reported when the code runs, under each schedule. */
inline std::vector<std::string> reports(const std::string &code, Shape shape = { 1, 64, 0 },
                                        bool legal = true)
{
    std::vector<std::string> all;
    for (emu::Sched sched : schedules) {
        emu::options().sched = sched;
        Array a(std::vector<u32>(1024)), b(1024);
        all.push_back(run(kernel(code), { a.at(), b.at() }, shape, legal));
    }
    emu::options().sched = emu::Sched::Forward;
    return all;
}

#define REPORTS(what, ...)                                                                    \
    do {                                                                                      \
        for (const std::string &said : reports(__VA_ARGS__)) {                                \
            if (said.find(what) == said.npos) {                                               \
                check::fail(__FILE__, __LINE__, "expected '" what "', found '" + said + "'"); \
            }                                                                                 \
        }                                                                                     \
    } while (0)
#define SILENT(...)                                                                     \
    do {                                                                                \
        for (const std::string &said : reports(__VA_ARGS__)) {                          \
            if (!said.empty()) check::fail(__FILE__, __LINE__, "found '" + said + "'"); \
        }                                                                               \
    } while (0)

} // namespace rules

#endif
