/* tests/ckpt_edit.h - a copy of a checkpoint with one thing changed, or its matrices quantized, so
 * that a test has the odd checkpoint it needs. Read next: tests/unit/test_hostile_model.c. */
#ifndef PE_TESTS_CKPT_EDIT_H
#define PE_TESTS_CKPT_EDIT_H

#include <stdbool.h>
#include <stdint.h>

/* CKPT_ROUNDED: float weights that are code * scale, what CKPT_WEIGHTS_ONLY executes. */
typedef enum ckpt_int8 {
    CKPT_FLOAT,
    CKPT_DYNAMIC,
    CKPT_STATIC,
    CKPT_ASYMMETRIC,
    CKPT_WEIGHTS_ONLY,
    CKPT_ROUNDED
} ckpt_int8;

/* All-zero: an exact copy. Names are of tensors; each edit fails the test when nothing matches. */
typedef struct ckpt_edit {
    const char *drop;      /* leave it out */
    const char *rename[2]; /* from, to */
    const char *poison;    /* its last element becomes NaN */
    const char *shorten;   /* its first dimension is one less */
    const char *scale;     /* its elements times factor; also of what int8 makes */
    float factor;
    const char *config;     /* JSON object, laid over config.json; null removes a key */
    ckpt_int8 int8;         /* linear layers as another tool's int-quantized */
    bool one_scale;         /* a weight_scale for the whole matrix, not for each output */
    int zero_blocks_of_10;  /* so many of ten 1x4 blocks of each linear layer are zero */
    const char *keep_float; /* module that is not quantized */
} ckpt_edit;

void ckpt_edit_write(const char *from, const char *to, const ckpt_edit *e);

#endif
