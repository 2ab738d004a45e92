/* kernels/cpu.c - CPUID, the operating system's consent (XCR0, AMX permission) and the PE_CPU cap.
 * Read next: kernels/select.c. */
#include "kernels/cpu.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "lib/base/error.h"

#define L_AVX2    PE_CPU_AVX2
#define L_AVXVNNI (L_AVX2 | PE_CPU_AVXVNNI)
#define L_AVX512  (L_AVXVNNI | PE_CPU_AVX512)
#define L_VNNI    (L_AVX512 | PE_CPU_VNNI)
#define L_VBMI2   (L_VNNI | PE_CPU_VBMI2)
#define L_AMX     (L_VBMI2 | PE_CPU_AMX)

const pe_cpu_level_row pe_cpu_levels[] = {
    { "ref", 0 },       { "avx2", L_AVX2 },   { "avxvnni", L_AVXVNNI }, { "avx512", L_AVX512 },
    { "vnni", L_VNNI }, { "vbmi2", L_VBMI2 }, { "amx", L_AMX },
};
const size_t pe_cpu_nlevels = sizeof pe_cpu_levels / sizeof pe_cpu_levels[0];

/* State components the OS saves: without them the registers may not be touched. */
enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_AMX = 0x60000 };

static uint64_t xcr0(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static bool has(uint32_t word, int bit)
{
    return word >> bit & 1;
}

/* Linux hands out the 8 KiB of tile state on request only (Documentation/arch/x86/xstate.rst). */
static bool amx_permitted(void)
{
    enum { REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

unsigned pe_cpu_detect(void)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, 27)) return 0; /* OSXSAVE */
    bool avx = has(c, 28), fma = has(c, 12), f16c = has(c, 29);
    uint64_t os = xcr0();
    if (!avx || !fma || !f16c || (os & XCR0_AVX) != XCR0_AVX) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, 5)) return 0;
    uint32_t nsub = a, b7 = b, c7 = c, d7 = d;
    unsigned f = PE_CPU_AVX2;
    if (nsub >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, 4)) f |= PE_CPU_AVXVNNI;
    bool f512 = has(b7, 16) && has(b7, 17) && has(b7, 30) && has(b7, 31);
    if (!f512 || (os & XCR0_AVX512) != XCR0_AVX512) return f;
    f |= PE_CPU_AVX512;
    if (!has(c7, 11)) return f;
    f |= PE_CPU_VNNI;
    if (!has(c7, 1) || !has(c7, 6)) return f;
    f |= PE_CPU_VBMI2;
    bool tiles = has(d7, 24) && has(d7, 25) && (os & XCR0_AMX) == XCR0_AMX;
    if (tiles && amx_permitted()) f |= PE_CPU_AMX;
    return f;
}

pe_status pe_cpu_features(unsigned *out, pe_error *err)
{
    unsigned found = pe_cpu_detect();
    const char *cap = getenv("PE_CPU");
    if (!cap || !*cap) {
        *out = found;
        return PE_OK;
    }
    for (size_t i = 0; i < pe_cpu_nlevels; i++) {
        if (strcmp(cap, pe_cpu_levels[i].name)) continue;
        *out = found & pe_cpu_levels[i].features;
        return PE_OK;
    }
    return pe_fail(
        err, PE_E_ARG,
        "PE_CPU=%s: no such level; expected ref, avx2, avxvnni, avx512, vnni, vbmi2 or amx", cap);
}

const char *pe_cpu_level(void)
{
    const pe_kernels *k = pe_kernels_get(NULL);
    return k ? k->level : "none";
}
