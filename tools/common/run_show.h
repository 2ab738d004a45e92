/* tools/common/run_show.h - answers of a model as lines for people, or as JSON.
 * Read next: tools/pe-run.c. */
#ifndef PE_TOOLS_RUN_SHOW_H
#define PE_TOOLS_RUN_SHOW_H

#include "tools/common/run_rows.h"

typedef struct pe_run_view {
    const pe_model_info *info;
    const pe_tokenizer *tokenizer; /* NULL: the model has none, ids only */
    size_t top;                    /* words a mask gets */
    int32_t mask_id;               /* -1: no such token */
    bool json;
} pe_run_view;

void pe_run_show(const pe_run_view *v, const pe_run_row *row);
/* Tokens of a row, without a model. */
void pe_run_show_tokens(const pe_run_view *v, const pe_run_row *row);
/* One line of JSON on stdout; takes o. */
void pe_run_print_json(void *o);

#endif
