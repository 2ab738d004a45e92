/* kernels/cpu.h - what this processor can do, by CPUID feature bits alone, and the PE_CPU cap.
 * Read next: kernels/kernels.h. */
#ifndef PE_KERNELS_CPU_H
#define PE_KERNELS_CPU_H

#include <pe/base.h>

/* Feature bits; a level is a set of them, each level containing the one before. */
enum {
    PE_CPU_AVX2 = 1 << 0,    /* AVX2 + FMA + F16C */
    PE_CPU_AVXVNNI = 1 << 1, /* 256-bit VNNI (VEX) */
    PE_CPU_AVX512 = 1 << 2,  /* F, BW, VL, DQ */
    PE_CPU_VNNI = 1 << 3,    /* AVX-512 VNNI */
    PE_CPU_VBMI2 = 1 << 4,   /* vpexpandb */
    PE_CPU_AMX = 1 << 5      /* tile + int8, permission granted by the kernel */
};

typedef struct pe_cpu_level_row {
    const char *name;  /* what PE_CPU takes */
    unsigned features; /* what it needs and allows */
} pe_cpu_level_row;
/* ref, avx2, avxvnni, avx512, vnni, vbmi2, amx; ascending. */
extern const pe_cpu_level_row pe_cpu_levels[];
extern const size_t pe_cpu_nlevels;

unsigned pe_cpu_detect(void); /* feature bits of this machine and OS, without the cap */
/* Feature bits to use: detected, capped by PE_CPU. An unknown PE_CPU is PE_E_ARG. */
pe_status pe_cpu_features(unsigned *out, pe_error *err);

#endif
