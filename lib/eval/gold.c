/* lib/eval/gold.c - the labels of a data file in the terms of a model: by name, by id, as numbers.
 * Read next: lib/eval/score.c. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/error.h"
#include "lib/eval/scores.h"

typedef enum match_rule { BY_NAME, BY_ID, BY_NAME_NO_CASE, NRULES } match_rule;
static const char *const rule_names[NRULES] = { "names", "ids", "names, case ignored" };

static bool id_of(uint32_t *out, const char *s, size_t n, uint32_t nlabels)
{
    uint64_t v = 0;

    if (n == 0 || n > 9 || (n > 1 && s[0] == '0')) return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') return false;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    if (v >= nlabels) return false;
    *out = (uint32_t)v;
    return true;
}

/* The label that s[n] names under a rule; ignoring case it must name exactly one. */
static bool label_of(uint32_t *out, const pe_scores *sc, match_rule rule, const char *s, size_t n)
{
    uint32_t found = 0;

    if (rule == BY_ID) return id_of(out, s, n, sc->nlabels);
    for (uint32_t i = 0; i < sc->nlabels; i++) {
        const char *name = sc->labels[i];
        if (strlen(name) != n) continue;
        if (rule == BY_NAME ? memcmp(name, s, n) != 0 : strncasecmp(name, s, n) != 0) continue;
        *out = i;
        if (rule == BY_NAME) return true;
        found++;
    }
    return found == 1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Next piece of a cell: words under `tokens`, comma-separated names under `multilabel`, else all.
 */
static bool next_piece(const char **at, const char **piece, size_t *n, pe_eval_task task)
{
    const char *s = *at;

    if (task == PE_TASK_CLASSIFY) {
        *piece = s;
        *n = strlen(s);
        *at = s + *n;
        return *n > 0;
    }
    while (is_space(*s) || (task == PE_TASK_MULTILABEL && *s == ',')) s++;
    *piece = s;
    while (*s && (task == PE_TASK_MULTILABEL ? *s != ',' : !is_space(*s))) s++;
    *at = s;
    *n = (size_t)(s - *piece);
    while (task == PE_TASK_MULTILABEL && *n > 0 && is_space((*piece)[*n - 1])) --*n;
    return *n > 0;
}

static size_t count_pieces(const char *cell, pe_eval_task task)
{
    const char *piece;
    size_t n, count = 0;

    while (next_piece(&cell, &piece, &n, task)) count++;
    return count;
}

/* Tries one rule on every row; false at the first piece that it does not explain. */
static bool try_rule(pe_scores *s, const pe_eval_set *set, match_rule rule, size_t *bad_row,
                     const char **bad, size_t *nbad)
{
    for (size_t r = 0; r < set->nrows; r++) {
        const char *at = set->row[r]->label, *piece;
        size_t n, u = s->unit[r];
        uint32_t id;
        if (s->task == PE_TASK_MULTILABEL) memset(s->gold_multi + r * s->nlabels, 0, s->nlabels);
        while (next_piece(&at, &piece, &n, s->task)) {
            if (!label_of(&id, s, rule, piece, n)) {
                *bad_row = r;
                *bad = piece;
                *nbad = n;
                return false;
            }
            if (s->task == PE_TASK_MULTILABEL) s->gold_multi[r * s->nlabels + id] = 1;
            else s->gold[u++] = id;
        }
    }
    return true;
}

static void list_labels(char *buf, size_t nbuf, const pe_scores *s)
{
    size_t at = 0;

    buf[0] = 0;
    for (uint32_t i = 0; i < s->nlabels && i < 8 && at + 40 < nbuf; i++) {
        int n = snprintf(buf + at, nbuf - at, "%s'%.24s'", i ? ", " : "", s->labels[i]);
        if (n > 0) at += (size_t)n;
    }
    if (s->nlabels > 8 && at + 8 < nbuf) snprintf(buf + at, nbuf - at, ", ...");
}

static pe_status match_classes(pe_scores *s, const pe_eval_set *set, pe_error *err)
{
    size_t row = 0, n = 0;
    const char *piece = "";
    char names[320];

    for (int rule = 0; rule < NRULES; rule++) {
        size_t r;
        const char *p;
        size_t np;
        if (try_rule(s, set, (match_rule)rule, &r, &p, &np)) {
            s->match = rule_names[rule];
            return PE_OK;
        }
        if (rule == BY_NAME || r > row) { /* report where the best explanation ends */
            row = r;
            piece = p;
            n = np;
        }
    }
    list_labels(names, sizeof names, s);
    return pe_eval_row_fail(err, set, row,
                            "found label '%.*s', expected one of the model's %s or an id 0..%u; "
                            "choose the column with --label, or a model made for this data",
                            (int)(n > 40 ? 40 : n), piece, names, s->nlabels - 1);
}

static pe_status match_values(pe_scores *s, const pe_eval_set *set, pe_error *err)
{
    for (size_t r = 0; r < set->nrows; r++) {
        const char *cell = set->row[r]->label;
        char *end;
        s->gold_value[r] = strtod(cell, &end);
        if (end == cell || *end || !isfinite(s->gold_value[r]))
            return pe_eval_row_fail(err, set, r,
                                    "found label '%.40s', expected a finite number; choose the "
                                    "column with --label",
                                    cell);
    }
    s->match = "numbers";
    return PE_OK;
}

/* One unit a row, or one a word; text and label must have as many. */
static pe_status count_units(pe_scores *s, const pe_eval_set *set, pe_error *err)
{
    size_t *unit = pe_arena_zalloc(s->arena, set->nrows + 1, sizeof *unit);

    if (!unit) return pe_fail_nomem(err, "units", set->nrows * sizeof *unit);
    s->unit = unit;
    for (size_t r = 0; r < set->nrows; r++) {
        size_t n = 1, words;
        if (s->task == PE_TASK_TOKENS) {
            n = count_pieces(set->row[r]->label, s->task);
            words = count_pieces(set->row[r]->text, s->task);
            if (n != words)
                return pe_eval_row_fail(err, set, r,
                                        "found %zu labels for %zu words, expected one label a "
                                        "word, both separated by spaces",
                                        n, words);
        } else if (s->task == PE_TASK_CLASSIFY && !set->row[r]->label[0]) {
            return pe_eval_row_fail(err, set, r, "found an empty label, expected one");
        }
        unit[r + 1] = unit[r] + n;
    }
    s->nunits = unit[set->nrows];
    return PE_OK;
}

static pe_status alloc_gold(pe_scores *s, size_t nrows, pe_error *err)
{
    void *p;
    size_t n = nrows * sizeof(double);

    if (s->task == PE_TASK_MULTILABEL) {
        p = s->gold_multi = pe_arena_zalloc(s->arena, nrows, s->nlabels);
        n = nrows * s->nlabels;
    } else if (s->task == PE_TASK_CLASSIFY || s->task == PE_TASK_TOKENS) {
        p = s->gold = pe_arena_zalloc(s->arena, s->nunits + 1, sizeof *s->gold);
    } else {
        p = s->gold_value = pe_arena_zalloc(s->arena, nrows, sizeof *s->gold_value);
    }
    return p ? PE_OK : pe_fail_nomem(err, "labels", n);
}

pe_status pe_gold_match(pe_scores *s, const pe_eval_set *set, pe_error *err)
{
    size_t unlabelled = set->nrows, labelled = 0;
    pe_status st;

    s->nrows = set->nrows;
    for (size_t r = set->nrows; r > 0; r--) {
        if (set->row[r - 1]->label) labelled++;
        else unlabelled = r - 1;
    }
    if (s->task == PE_TASK_EMBED && !set->row[0]->text2) labelled = 0; /* of single texts: unused */
    if (labelled != set->nrows && (s->task != PE_TASK_EMBED || labelled > 0))
        return pe_eval_row_fail(err, set, unlabelled,
                                "found no label, expected one in every row; choose the column "
                                "with --label");
    st = labelled ? count_units(s, set, err) : PE_OK;
    if (!labelled) {
        s->nunits = s->nrows;
        return PE_OK;
    }
    if (!st) st = alloc_gold(s, set->nrows, err);
    if (!st && (s->task == PE_TASK_REGRESS || s->task == PE_TASK_EMBED))
        return match_values(s, set, err);
    return st ? st : match_classes(s, set, err);
}
