/* tools/common/pass_report.h - the report of a pass (pe-report.json, or the plan of --dry-run)
 * shown to people. Read next: tools/pe-prune.c, tools/pe-quantize.c. */
#ifndef PE_TOOLS_PASS_REPORT_H
#define PE_TOOLS_PASS_REPORT_H

#include <jansson.h>

#include "tools/common/tool.h"

/* A column of the table of modules: a key of a module and how its value is written. */
typedef enum pe_cell_kind {
    PE_CELL_TEXT,
    PE_CELL_BYTES,
    PE_CELL_SHARE,
    PE_CELL_NUMBER
} pe_cell_kind;
typedef struct pe_cell {
    const char *key, *head;
    pe_cell_kind kind;
} pe_cell;

/* Takes report (from malloc). --json: prints it. Otherwise warnings, a table of "modules" with the
 * columns that any module has, sizes, and what was left alone and how to name it. */
void pe_show_report(char *report, const pe_cell *cells, size_t ncells, const char *output);

#endif
