/* tests/emu/libtests/harness.hh - test cases of the stand-in libraries, each in a process of its
 * own, since a violation stays. Read next: harness.cc; test_lt_rules.cc for how it is used. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <cuda_runtime_api.h>

/* A case passes when no check fails and no rule is broken. */
struct Case {
    const char *name;
    std::function<void()> body;
    const char *environment; /* "PE_EMU_CC=80", NULL: nothing */
    const char *violation;   /* text that a violation has to say; NULL: none may happen */
    Case(const char *of, std::function<void()> steps, const char *variables = nullptr);

  protected:
    Case(const char *of, const char *text, std::function<void()> steps);
};

/* A case passes when the rule is reported in these words, and no check fails. */
struct Broken : Case {
    Broken(const char *of, const char *text, std::function<void()> steps,
           const char *variables = nullptr)
        : Case(of, text, steps)
    {
        environment = variables;
    }
};

void check(bool ok, const char *what, int line = __builtin_LINE());
/* `got` as a number against `expected`. */
void check_equal(long long got, long long expected, const char *what, int line = __builtin_LINE());

/* Device memory: from a vector, or of a size and never written. Freed when the process ends. */
void *device(const void *data, size_t nbytes);
void *device(size_t nbytes);
template <class T> T *device(const std::vector<T> &data)
{
    return (T *)device(data.data(), data.size() * sizeof(T));
}
template <class T> std::vector<T> host(const void *p, size_t count)
{
    std::vector<T> out(count);
    check_equal(cudaMemcpy(out.data(), p, count * sizeof(T), cudaMemcpyDeviceToHost), 0, "memcpy");
    return out;
}

/* Numbers that are the same in every run: small, of both signs, exact in f16 and bf16. */
struct Numbers {
    uint64_t state;
    explicit Numbers(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}
    uint32_t next();
    int between(int low, int high); /* both included */
    float value() { return (float)between(-16, 16) / 8; }
};

/* Whether device memory was written, as emu::initialized() tells. */
bool was_written(const void *p, size_t nbytes);
