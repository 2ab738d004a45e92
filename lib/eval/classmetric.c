/* lib/eval/classmetric.c - accuracy, F1, MCC, calibration error and divergence from counts and
 * logits. Read next: lib/eval/stats.h. */
#include <math.h>

#include "lib/eval/stats.h"

uint32_t pe_argmax(const float *x, size_t n)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (uint32_t)best;
}

double pe_softmax_f64(double *p, const float *x, size_t n)
{
    double top = x[pe_argmax(x, n)], sum = 0;

    for (size_t i = 0; i < n; i++) sum += p[i] = exp((double)x[i] - top);
    for (size_t i = 0; i < n; i++) p[i] /= sum;
    return log(sum) + top;
}

void pe_tally_add(double *tally, uint32_t nclasses, uint32_t gold, uint32_t pred, double times)
{
    tally[gold] += times;
    tally[nclasses + pred] += times;
    if (gold == pred) tally[2 * (size_t)nclasses + gold] += times;
}

void pe_tally_per_class(double *f1, double *precision, double *recall, const double *tally,
                        uint32_t nclasses)
{
    const double *gold = tally, *pred = tally + nclasses, *right = pred + nclasses;

    for (uint32_t c = 0; c < nclasses; c++) {
        if (f1) f1[c] = gold[c] + pred[c] > 0 ? 2.0 * right[c] / (gold[c] + pred[c]) : 0.0;
        if (precision) precision[c] = pred[c] > 0 ? right[c] / pred[c] : 0.0;
        if (recall) recall[c] = gold[c] > 0 ? right[c] / gold[c] : 0.0;
    }
}

pe_class_metrics pe_tally_metrics(const double *tally, uint32_t nclasses)
{
    const double *gold = tally, *pred = tally + nclasses, *right = pred + nclasses;
    double golds = 0, preds = 0, hits = 0, f1 = 0, cross = 0, gold2 = 0, pred2 = 0, var;
    pe_class_metrics m;

    for (uint32_t c = 0; c < nclasses; c++) {
        golds += gold[c];
        preds += pred[c];
        hits += right[c];
        if (gold[c] + pred[c] > 0) f1 += 2.0 * right[c] / (gold[c] + pred[c]);
        cross += gold[c] * pred[c];
        gold2 += gold[c] * gold[c];
        pred2 += pred[c] * pred[c];
    }
    m.accuracy = golds > 0 ? hits / golds : NAN;
    m.micro_f1 = golds + preds > 0 ? 2.0 * hits / (golds + preds) : NAN;
    m.macro_f1 = f1 / nclasses;
    var = (golds * golds - pred2) * (golds * golds - gold2);
    m.mcc = var > 0 ? (hits * golds - cross) / sqrt(var) : 0.0;
    return m;
}

uint32_t pe_ece_bin(double confidence)
{
    uint32_t bin = 0;

    while (bin + 1 < PE_ECE_BINS && confidence > (double)(bin + 1) / PE_ECE_BINS) bin++;
    return bin;
}

double pe_ece(const double rows[PE_ECE_BINS], const double right[PE_ECE_BINS],
              const double confidence[PE_ECE_BINS])
{
    double all = 0, gap = 0;

    for (int i = 0; i < PE_ECE_BINS; i++) {
        all += rows[i];
        gap += fabs(right[i] - confidence[i]);
    }
    return all > 0 ? gap / all : NAN;
}

static double log_sum(const float *x, size_t n)
{
    double top = x[pe_argmax(x, n)], sum = 0;

    for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - top);
    return log(sum) + top;
}

double pe_kl_logits(const float *x, const float *y, size_t n)
{
    double lx = log_sum(x, n), ly = log_sum(y, n), kl = 0;

    for (size_t i = 0; i < n; i++) {
        double lp = (double)x[i] - lx;
        kl += exp(lp) * (lp - ((double)y[i] - ly));
    }
    return kl;
}
