/* lib/text/truncate.c - longest_first, only_first and only_second, as Hugging Face does.
 * Read next: lib/text/truncate.h. */
#include "lib/text/truncate.h"

#include <string.h>

#include "lib/base/error.h"

/* The shorter text stays whole where that leaves room; otherwise each gets half, the odd token
 * going to the longer one. */
static void longest_first(size_t keep[2], size_t limit)
{
    bool swap = keep[0] > keep[1];
    size_t n1 = keep[swap], n2;
    if (n1 > limit) n2 = n1;
    else n2 = n1 > limit - n1 ? n1 : limit - n1;
    if (n1 + n2 > limit) {
        n1 = limit / 2;
        n2 = n1 + limit % 2;
    }
    if (n1 < keep[swap]) keep[swap] = n1;
    if (n2 < keep[!swap]) keep[!swap] = n2;
}

static pe_status only(size_t keep[2], size_t which, size_t excess, const char *strategy,
                      pe_error *err)
{
    if (keep[which] <= excess)
        return pe_fail(err, PE_E_ARG,
                       "strategy %s: the %s text has %zu tokens and %zu must go; "
                       "try longest_first",
                       strategy, which ? "second" : "first", keep[which], excess);
    keep[which] -= excess;
    return PE_OK;
}

pe_status pe_truncate_counts(size_t keep[2], size_t nspecial, bool has_second,
                             const pe_encode_params *p, pe_error *err)
{
    const char *strategy = p->strategy ? p->strategy : "longest_first";
    bool first = !strcmp(strategy, "only_first"), second = !strcmp(strategy, "only_second");
    if (!first && !second && strcmp(strategy, "longest_first") != 0)
        return pe_fail(err, PE_E_ARG,
                       "strategy \"%.40s\": expected longest_first, only_first or only_second",
                       strategy);
    if (!p->max_length) return PE_OK;
    if (p->max_length < nspecial)
        return pe_fail(err, PE_E_ARG, "max_length %zu: the special tokens alone are %zu",
                       p->max_length, nspecial);
    size_t limit = p->max_length - nspecial, total = keep[0] + keep[1];
    if (total <= limit) return PE_OK;
    if (!limit) keep[0] = keep[1] = 0;
    if (!limit) return PE_OK;
    if (second && !has_second)
        return pe_fail(err, PE_E_ARG, "strategy only_second: there is no second text");
    if (first || second) return only(keep, second, total - limit, strategy, err);
    if (has_second) longest_first(keep, limit);
    else keep[0] = limit;
    return PE_OK;
}
