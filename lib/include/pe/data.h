/* pe/data.h - labelled rows of text: TSV, CSV, JSONL, plain text, gzip'd or not. */
#ifndef PE_DATA_H
#define PE_DATA_H

#include <pe/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pe_data_params {
    const char *text, *text2,
        *label;         /* columns or keys; NULL = "text", none, "label" when present */
    const char *format; /* NULL = by name: .tsv .csv .jsonl .txt, each also .gz */
    size_t limit;       /* first rows only; 0 = all */
} pe_data_params;

typedef struct pe_row {
    const char *text, *text2, *label; /* NUL-terminated; text2 and label NULL when absent */
    size_t text_nbytes, text2_nbytes;
    size_t line; /* in the file, from 1 */
} pe_row;

typedef struct pe_dataset pe_dataset;
/* Whole file in memory; a bad row is PE_E_INPUT "file:line: ...". "-" reads stdin (format
 * required). */
PE_API pe_status pe_dataset_open(pe_dataset **out, const char *path, const pe_data_params *p,
                                 pe_error *err);
PE_API void pe_dataset_close(pe_dataset *d);
PE_API size_t pe_dataset_nrows(const pe_dataset *d);
PE_API const pe_row *pe_dataset_row(const pe_dataset *d, size_t i);
PE_API const char *pe_dataset_digest(
    const pe_dataset *d); /* XXH3-128 of the decompressed bytes, hex */

#ifdef __cplusplus
}
#endif
#endif
