/* lib/calib/ranges.h - from observed values to scales and zero points.
 * Read next: lib/calib/observer.h (who observes), lib/quant/quant.c (who uses them). */
#ifndef PE_CALIB_RANGES_H
#define PE_CALIB_RANGES_H

#include <pe/base.h>

/* absmax / qmax (127 for int8), in f32. 1 when absmax is 0; never 0 for another absmax. */
float pe_range_scale(float absmax, float qmax);
/* Codes -128..127 for values lo..hi, widened to contain 0: scale = (hi - lo) / 255, zero = the code
 * of 0. Both 0: scale 1. */
void pe_range_asymmetric(float *scale, int32_t *zero, float lo, float hi);
/* A static rule for values seen in lo..hi, cut to -clip..clip: asymmetric (true) where the smaller
 * side is at most a quarter of the larger one and `may` allows it, else clip / 127. */
bool pe_range_static(float *scale, int32_t *zero, float lo, float hi, float clip, bool may);
/* The p-th percentile of n magnitudes: linear interpolation between order statistics at place
 * p/100 * (n - 1). `top` holds the ntop largest of them in any order (it is reordered), at least
 * pe_range_percentile_need(p, n). */
uint64_t pe_range_percentile_need(double p, uint64_t n);
double pe_range_percentile(float *top, size_t ntop, double p, uint64_t n);
/* Of the clips (1 - 0.01 i) * absmax, i = 0..79, the first one with the least squared error of
 * values rounded to scale = clip / qmax and clamped to +-qmax. *error (NULL allowed): the sum. */
#define PE_MSE_CLIPS 80
int pe_range_mse(double *error, const float *x, size_t n, float absmax, float qmax);
float pe_mse_clip(int i, float absmax);
/* What pe_range_mse is made of, where something else finds the errors: the i-th scale, and the
 * first of the least errors (0: there is none below infinity). */
double pe_mse_scale(int i, float absmax, float qmax);
int pe_mse_least(const double error[PE_MSE_CLIPS]);

#endif
