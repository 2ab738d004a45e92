/* tests/emu/libtests/bench_lt.cc - how fast the stand-in multiplies, in Gflop/s on one core.
 * Read next: tests/emu/libs/panels.cc. */
#include <chrono>
#include <cstdio>

#include <vector>

#include "../libs/panels.hh"

int main()
{
    const int64_t sizes[][3] = { { 1024, 1024, 1024 }, { 768, 128, 3072 }, { 4096, 1, 4096 } };
    for (auto &s : sizes) {
        std::vector<float> a((size_t)(s[0] * s[2]), 1.0f), b((size_t)(s[2] * s[1]), 1.0f);
        std::vector<float> c((size_t)(s[0] * s[1]));
        auto start = std::chrono::steady_clock::now();
        double seconds = 0;
        int runs = 0;
        for (; seconds < 0.5; runs++) {
            emulib::multiply(c.data(), s[0], s[1], 0, s[2],
                             { a.data(), CUDA_R_32F, s[2], 1, false },
                             { b.data(), CUDA_R_32F, 1, s[2], false });
            seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        }
        printf("f32 TN %lld x %lld x %lld: %.1f Gflop/s\n", (long long)s[0], (long long)s[1],
               (long long)s[2], 2e-9 * (double)(s[0] * s[1] * s[2]) * runs / seconds);
    }
    return 0;
}
