/* report.cc - options, failures on demand, and broken rules: printed, counted, remembered.
 * Read next: common.hh. */
#include "tests/emu/runtime/common.hh"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>

namespace emu
{

static std::string vformat(const char *fmt, va_list ap)
{
    char text[4096];
    vsnprintf(text, sizeof text, fmt, ap);
    return text;
}

std::string format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    std::string text = vformat(fmt, ap);
    va_end(ap);
    return text;
}

void fault(cudaError_t code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    std::string text = vformat(fmt, ap);
    va_end(ap);
    throw Fault{ code, text };
}

/* A wrong setting must not look like a passed test. */
[[noreturn]] static void refuse(const char *name, const char *value, const char *expected)
{
    fprintf(stderr, "emu: %s=%s: expected %s\n", name, value, expected);
    abort();
}

static u64 number(const char *name, u64 otherwise, u64 most, bool size = false)
{
    const char *value = getenv(name);
    if (!value || !*value) return otherwise;
    char *end;
    u64 n = strtoull(value, &end, 10), unit = 1;
    if (size && *end) {
        unit = *end == 'K' ? 1u << 10 : *end == 'M' ? 1u << 20 : *end == 'G' ? 1u << 30 : 0;
        end++;
    }
    if (*end || !unit || *value < '0' || *value > '9' || n > most / unit) {
        refuse(name, value, size ? "a size like 64M" : "a number in range");
    }
    return n * unit;
}

static bool on(const char *name, bool otherwise)
{
    return number(name, otherwise, 1) != 0;
}

static Options from_environment()
{
    Options o = {};
    o.cc = (int)number("PE_EMU_CC", 90, 129);
    o.memory = number("PE_EMU_MEM", (u64)1 << 30, (u64)1 << 36, true);
    o.devices = (int)number("PE_EMU_DEVICES", 1, 16);
    o.failure = (cudaError_t)number("PE_EMU_ERROR", cudaErrorUnknown, cudaErrorApiFailureBase);
    o.reuse = on("PE_EMU_REUSE", false);
    o.race = on("PE_EMU_RACE", true);
    o.init = (int)number("PE_EMU_INIT", 1, 2);
    o.stats = on("PE_EMU_STATS", false);
    o.seed = number("PE_EMU_SEED", 1, ~(u64)0);
    o.steps = number("PE_EMU_STEPS", (u64)1 << 30, ~(u64)0);
    const char *driver = getenv("PE_EMU_DRIVER"), *sched = getenv("PE_EMU_SCHED");
    if (driver && *driver && strcmp(driver, "old")) refuse("PE_EMU_DRIVER", driver, "old");
    o.old_driver = driver && *driver;
    if (!sched || !*sched || !strcmp(sched, "forward")) o.sched = Sched::Forward;
    else if (!strcmp(sched, "reverse")) o.sched = Sched::Reverse;
    else if (!strcmp(sched, "random")) o.sched = Sched::Random;
    else refuse("PE_EMU_SCHED", sched, "forward, reverse or random");
    return o;
}

Options &options()
{
    static Options o = from_environment();
    return o;
}

std::recursive_mutex &runtime_mutex()
{
    static std::recursive_mutex *m = new std::recursive_mutex; /* outlives every static */
    return *m;
}

static cudaError_t sticky;
static unsigned long count;

void report(cudaError_t code, const std::string &text)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    fflush(stdout);
    fprintf(stderr, "emu: %s\n", text.c_str());
    count++;
    if (sticky == cudaSuccess) sticky = code;
}

void violation(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(cudaErrorLaunchFailure, vformat(fmt, ap));
    va_end(ap);
}

unsigned long violations()
{
    return count;
}

cudaError_t sticky_error()
{
    return sticky;
}

void forget_errors()
{
    sticky = cudaSuccess;
    count = 0;
}

/* "name:n,name:n": which call of which function fails. */
static std::multimap<std::string, u64> planned_failures()
{
    std::multimap<std::string, u64> plan;
    const char *value = getenv("PE_EMU_FAIL");
    std::string rest = value ? value : "";
    while (!rest.empty()) {
        std::string item = rest.substr(0, rest.find(','));
        rest.erase(0, item.size() + 1);
        size_t colon = item.find(':');
        char *end = nullptr;
        u64 n = colon == item.npos ? 0 : strtoull(item.c_str() + colon + 1, &end, 10);
        if (!n || *end) refuse("PE_EMU_FAIL", value, "a list like cudaMalloc:3,cudaMemcpy:1");
        plan.insert({ item.substr(0, colon), n });
    }
    return plan;
}

bool fails_now(const char *function)
{
    std::lock_guard<std::recursive_mutex> hold(runtime_mutex());
    static const auto *plan = new std::multimap<std::string, u64>(planned_failures());
    static auto *calls = new std::map<std::string, u64>;
    if (plan->empty()) return false;
    u64 call = ++(*calls)[function];
    auto range = plan->equal_range(function);
    for (auto i = range.first; i != range.second; i++) {
        if (i->second == call) return true;
    }
    return false;
}

} // namespace emu
