/* select.cc - which build of the handlers this CPU can run. Read next: ops.hh, emu.mk. */
#include "tests/emu/runtime/lower.hh"

#include "tests/emu/runtime/ops.hh"

#include <cstdlib>

namespace emu
{

typedef Handler (*Family)(const Key &);

#define EMU_ENTRY(name) base::name,
static const Family plain[] = { EMU_FAMILIES(EMU_ENTRY) };
#undef EMU_ENTRY
#define EMU_ENTRY(name) avx2::name,
static const Family with_avx2[] = { EMU_FAMILIES(EMU_ENTRY) };
#undef EMU_ENTRY
constexpr int FAMILIES = sizeof plain / sizeof *plain;

static bool has_avx2()
{
    const char *cap = getenv("PE_EMU_CPU");
    if (cap && !strcmp(cap, "base")) return false;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
}

Handler select_handler(const Key &k)
{
    static const Family *families = has_avx2() ? with_avx2 : plain;
    if (k.op != Op::Cvt && k.op != Op::CvtPack && k.round != Round::Nearest)
        return select_rounded(k);
    for (int f = 0; f < FAMILIES; f++) {
        if (Handler h = families[f](k)) return h;
    }
    return nullptr;
}

} // namespace emu
