/* lib/eval/evalset.c - several data files as one list of rows, and the names of the tasks.
 * Read next: lib/eval/gold.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/eval/scores.h"

static const char *const task_names[PE_NTASKS] = { "classify", "multilabel", "regress", "tokens",
                                                   "embed" };

const char *pe_task_name(pe_eval_task t)
{
    return task_names[t];
}

pe_status pe_task_parse(pe_eval_task *out, const char *name, pe_error *err)
{
    for (int i = 0; i < PE_NTASKS; i++) {
        if (strcmp(name, task_names[i]) != 0) continue;
        *out = (pe_eval_task)i;
        return PE_OK;
    }
    return pe_fail(err, PE_E_ARG,
                   "task: found '%.40s', expected classify, multilabel, regress, tokens or embed; "
                   "leave it out to take it from the model",
                   name);
}

static pe_status open_files(pe_eval_set *set, const char *const *paths,
                            const pe_data_params *columns, pe_error *err)
{
    pe_status st = PE_OK;

    for (size_t f = 0; !st && f < set->nfiles; f++) {
        set->paths[f] = pe_arena_strndup(set->arena, paths[f], strlen(paths[f]));
        if (!set->paths[f]) return pe_fail_nomem(err, "file name", strlen(paths[f]));
        st = pe_dataset_open(&set->data[f], paths[f], columns, err);
        if (!st) set->nrows += pe_dataset_nrows(set->data[f]);
        set->first[f + 1] = set->nrows;
    }
    if (!st && set->nrows == 0)
        st = pe_fail(err, PE_E_INPUT, "%s: found no rows, expected at least one", paths[0]);
    if (!st && set->nrows > UINT32_MAX / 2)
        st = pe_fail(err, PE_E_INPUT, "%s: found %zu rows, expected at most 2^31; set a limit",
                     paths[0], set->nrows);
    return st;
}

static pe_status list_rows(pe_eval_set *set, pe_error *err)
{
    set->row = pe_arena_zalloc(set->arena, set->nrows, sizeof *set->row);
    set->file = pe_arena_zalloc(set->arena, set->nrows, sizeof *set->file);
    if (!set->row || !set->file)
        return pe_fail_nomem(err, "list of rows", set->nrows * sizeof *set->row);
    for (size_t f = 0; f < set->nfiles; f++) {
        for (size_t r = set->first[f]; r < set->first[f + 1]; r++) {
            set->row[r] = pe_dataset_row(set->data[f], r - set->first[f]);
            set->file[r] = (uint32_t)f;
        }
    }
    return PE_OK;
}

pe_status pe_eval_set_open(pe_eval_set **out, const char *const *paths, size_t npaths,
                           const pe_data_params *columns, pe_error *err)
{
    pe_arena *arena = NULL;
    pe_eval_set *set = NULL;
    pe_status st;

    if (npaths == 0) return pe_fail(err, PE_E_ARG, "data: found no file, expected at least one");
    st = pe_arena_new(&arena, 1 << 16, err);
    if (st) return st;
    set = pe_arena_zalloc(arena, 1, sizeof *set);
    if (set) {
        set->arena = arena;
        set->nfiles = npaths;
        set->data = pe_arena_zalloc(arena, npaths, sizeof(pe_dataset *));
        set->paths = pe_arena_zalloc(arena, npaths, sizeof *set->paths);
        set->first = pe_arena_zalloc(arena, npaths + 1, sizeof *set->first);
    }
    if (!set || !set->data || !set->paths || !set->first) {
        pe_arena_free(arena);
        return pe_fail_nomem(err, "list of data files", npaths * 3 * sizeof(void *));
    }
    st = open_files(set, paths, columns, err);
    if (!st) st = list_rows(set, err);
    if (st) pe_eval_set_close(set);
    else *out = set;
    return st;
}

void pe_eval_set_close(pe_eval_set *set)
{
    if (!set) return;
    for (size_t f = 0; f < set->nfiles; f++) pe_dataset_close(set->data[f]);
    pe_arena_free(set->arena);
}

pe_status pe_eval_row_fail(pe_error *err, const pe_eval_set *set, size_t row, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pe_fail(err, PE_E_INPUT, "%s:%zu: %s", set->paths[set->file[row]], set->row[row]->line,
                   text);
}
