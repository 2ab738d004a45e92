/* tools/common/run_rows.h - inputs of pe-run: texts, pairs or ids, a window of rows at a time.
 * Read next: tools/common/run_show.h (their answers), tools/pe-run.c. */
#ifndef PE_TOOLS_RUN_ROWS_H
#define PE_TOOLS_RUN_ROWS_H

#include <pe/model.h>
#include <pe/text.h>

#include "tools/common/tool.h"

typedef struct pe_run_row {
    char *text, *text2;                 /* NULL with --ids; text2 NULL without a pair */
    int32_t *ids, *types, *tasks, *pos; /* [n] tokens that are not masked */
    uint32_t *place;                    /* [n] in the row as given */
    size_t (*offsets)[2];               /* [n] bytes of the text, NULL with --ids */
    uint8_t *special;                   /* [n] added by the template, NULL with --ids */
    size_t n, width;                    /* width: tokens of the row as given */
    size_t truncated;                   /* tokens cut off */
    pe_lead lead;
    const char *file; /* borrowed from the source; "text" for operands */
    size_t line;      /* from 1 */
    /* The answer, copied from pe_output. */
    float *logits, *embedding;
    size_t nlogits, nembedding;
} pe_run_row;

typedef struct pe_run_source pe_run_source;
/* One of: texts (operands), or a file of lines ("-" is stdin), each a text, a pair divided by a
 * tab, or with ids a JSON object. Prints and exits on failure. */
pe_run_source *pe_run_source_open(const pe_strings *texts, size_t first, const char *file,
                                  bool pairs, bool ids);
/* The next rows, at most `most`; fewer when the input ends or nothing more is waiting. 0: the
 * end. */
size_t pe_run_source_next(pe_run_source *s, pe_run_row *rows, size_t most);
void pe_run_source_close(pe_run_source *s);
/* Tokens of a text row. */
void pe_run_row_encode(pe_run_row *row, const pe_tokenizer *t, pe_encoding *work,
                       const pe_encode_params *p);
/* Padding of an --ids row taken out, positions as the family counts them; numbers that the model
 * does not have are refused with file and line. */
void pe_run_row_place(pe_run_row *row, const pe_model *m);
void pe_run_row_release(pe_run_row *row);
/* The row's text as a list of ids, JSON or divided by blanks. */
int32_t *pe_run_parse_ids(const pe_run_row *row, size_t *n);

#endif
