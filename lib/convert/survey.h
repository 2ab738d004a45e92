/* lib/convert/survey.h - reads every byte of a checkpoint once: zeros, NaN and Inf, layouts,
 * digests. Read next: lib/convert/inspect.c, lib/convert/verify.c. */
#ifndef PE_CONVERT_SURVEY_H
#define PE_CONVERT_SURVEY_H

#include "lib/base/digest.h"
#include "lib/io/ckpt.h"

typedef struct pe_survey_row { /* of one array */
    uint64_t zeros;            /* elements whose bits are all zero */
    pe_digest digest[PE_MAX_PARTS];
    pe_status status; /* stored parts that are no valid layout, unreadable data */
    char *trouble;    /* its message, from malloc */
    char *nonfinite;  /* first NaN or Inf, from malloc; NULL: none */
} pe_survey_row;

/* rows: [narrays], zeroed. Findings are in the rows; the status is for memory and cancelling. */
pe_status pe_survey(pe_survey_row *rows, const pe_ckpt *c, pe_pool *pool, pe_error *err);
void pe_survey_release(pe_survey_row *rows, size_t n);

#endif
