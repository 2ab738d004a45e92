/* tests/emu/libs/refusal.cc - messages of the stand-in libraries, each with the name of its call.
 * Read next: refusal.hh, tests/emu/emu.h. */
#include "refusal.hh"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <cuda_runtime_api.h>

#include "../emu.h"

namespace emulib
{

static thread_local const char *current = "?";

bool enter(const char *name)
{
    current = name;
    return emu::fails_now(name);
}

const char *function()
{
    return current;
}

void refused(const char *format, va_list arguments)
{
    const char *verbose = getenv("PE_EMU_VERBOSE");
    char text[400];
    if (!verbose || !strcmp(verbose, "0")) return;
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "emu: note: %s: %s\n", current, text);
}

void missing(const char *format, va_list arguments)
{
    char text[400];
    vsnprintf(text, sizeof text, format, arguments);
    emu::violation("%s: the stand-in does not have %s", current, text);
}

void broken(const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    emu::violation("%s: %s", current, text);
}

namespace
{

struct Objects {
    const char *library = "";
    std::atomic<long> made{ 0 }, alive{ 0 };
    ~Objects()
    {
        const char *stats = getenv("PE_EMU_STATS");
        if (!made || !stats || strcmp(stats, "1")) return;
        fprintf(stderr, "emu: %s: %ld objects made, %ld alive\n", library, (long)made, (long)alive);
    }
} objects;

} // namespace

void count_object(const char *library, int change)
{
    objects.library = library;
    if (change > 0) objects.made += change;
    objects.alive += change;
}

/* Asked of the runtime once, so that counts of its calls (PE_EMU_FAIL) are the program's own. */
int capability()
{
    static std::atomic<int> known{ 0 };
    int count = 0, device = 0, major = 0, minor = 0;
    if (known) return known;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) return 0;
    if (cudaGetDevice(&device) != cudaSuccess) return 0;
    if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device)) return 0;
    if (cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device)) return 0;
    known = major * 10 + minor;
    return known;
}

} // namespace emulib
