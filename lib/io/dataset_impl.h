/* lib/io/dataset_impl.h - what the readers of the four kinds of rows share.
 * Read next: lib/io/dataset.c. */
#ifndef PE_IO_DATASET_IMPL_H
#define PE_IO_DATASET_IMPL_H

#include <pe/data.h>

#include "lib/base/arena.h"
#include "lib/base/digest.h"

struct pe_dataset {
    char *text; /* the whole file; fields are cut out of it in place */
    size_t nbytes;
    pe_row *row;
    size_t nrows, capacity;
    size_t limit;    /* SIZE_MAX = none */
    pe_arena *arena; /* labels that are numbers in JSON */
    char digest[PE_DIGEST_TEXT];
    const char *name; /* in messages; valid while opening */
};

/* Each appends the rows of d->text[at..). Columns not wanted are NULL. */
typedef struct pe_columns {
    const char *text, *text2, *label;
    bool label_required;
} pe_columns;
pe_status pe_dataset_read_tsv(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err);
pe_status pe_dataset_read_csv(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err);
pe_status pe_dataset_read_jsonl(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err);
pe_status pe_dataset_read_txt(pe_dataset *d, size_t at, const pe_columns *c, pe_error *err);

pe_status pe_dataset_push(pe_dataset *d, const pe_row *r, pe_error *err);
/* The line at *at, NUL-terminated in place without its end (LF or CRLF); *at moves behind it.
 * PE_E_INPUT: not UTF-8, or a NUL byte in it. */
pe_status pe_dataset_line(char **line, size_t *nbytes, size_t *at, pe_dataset *d, size_t number,
                          pe_error *err);

/* Where the wanted fields stand in a row, SIZE_MAX = nowhere. */
typedef struct pe_field_map {
    size_t text, text2, label, ncolumns;
} pe_field_map;
pe_status pe_dataset_header(pe_field_map *m, const pe_dataset *d, char *const *field, size_t n,
                            const pe_columns *c, size_t line, pe_error *err);
pe_status pe_dataset_fields(pe_dataset *d, const pe_field_map *m, char *const *field,
                            const size_t *field_nbytes, size_t n, size_t line, pe_error *err);

#endif
