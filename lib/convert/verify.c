/* lib/convert/verify.c - pe_verify_checkpoint: is it what it says it is, and could it be executed?
 * Read next: docs/pe-inspect.md, "--verify". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/convert/convert_job.h"
#include "lib/convert/survey.h"
#include "lib/io/provenance.h"
#include "lib/model/weights.h"

#define MAX_REPORT_NBYTES ((size_t)64 << 20)

typedef struct verifier {
    const pe_ckpt *c;
    pe_survey_row *rows;
    json_t *checks;
    char first[1000]; /* first failure, "" = none so far */
    bool ok;          /* memory */
} verifier;

/* A line of the result: passed, failed with `what`, or not done because of `what`. */
static void add(verifier *v, const char *check, const char *verdict, const char *what)
{
    json_t *o = json_pack("{ss ss}", "check", check, "verdict", verdict);
    if (!o || (what && json_object_set_new(o, "what", json_string(what))) ||
        json_array_append(v->checks, o))
        v->ok = false;
    json_decref(o);
    if (!strcmp(verdict, "fail") && !v->first[0]) snprintf(v->first, sizeof v->first, "%s", what);
}

/* Every array's trouble or NaN as a failure; one line when there is none. */
static void check_data(verifier *v)
{
    bool layouts = true, finite = true;
    for (size_t i = 0; i < pe_ckpt_narrays(v->c); i++) {
        const pe_survey_row *r = &v->rows[i];
        if (r->trouble) add(v, "layouts", "fail", r->trouble);
        if (r->nonfinite) add(v, "finite", "fail", r->nonfinite);
        layouts = layouts && !r->trouble;
        finite = finite && !r->nonfinite;
    }
    if (layouts) add(v, "layouts", "pass", NULL);
    if (finite) add(v, "finite", "pass", NULL);
}

static bool has_trouble(const verifier *v)
{
    for (size_t i = 0; i < pe_ckpt_narrays(v->c); i++)
        if (v->rows[i].status) return true;
    return false;
}

/* pe-report.json beside the weights; NULL: none, or not readable as one. */
static json_t *load_report(const pe_ckpt *c)
{
    char *path = malloc(strlen(pe_ckpt_path(c)) + sizeof "/pe-report.json");
    json_t *report = NULL;
    struct stat sb;
    if (path) strcat(strcpy(path, pe_ckpt_path(c)), "/pe-report.json");
    if (path && !stat(path, &sb) && pe_json_load(&report, path, MAX_REPORT_NBYTES, NULL))
        report = NULL;
    free(path);
    return report;
}

/* Names the arrays whose bytes are not those that were written, as far as the report knows. */
static size_t name_changed(verifier *v, const json_t *digests)
{
    size_t named = 0;
    for (size_t i = 0; i < pe_ckpt_narrays(v->c); i++) {
        const pe_array *a = pe_ckpt_array(v->c, i);
        for (int p = 0; p < a->nparts; p++) {
            char name[512], text[PE_DIGEST_TEXT], what[900];
            snprintf(name, sizeof name, "%s%s", a->name, a->part[p].suffix);
            const char *want = json_string_value(json_object_get(digests, name));
            pe_digest_format(text, &v->rows[i].digest[p]);
            if (!want || !strcmp(want, text)) continue;
            snprintf(what, sizeof what,
                     "%s: tensor \"%.300s\": XXH3-128 %s, written as %s; the bytes have changed",
                     pe_ckpt_file(v->c, a->file), name, text, want);
            add(v, "digests", "fail", what);
            named++;
        }
    }
    return named;
}

static pe_status check_digests(verifier *v, pe_error *err)
{
    json_t *p = NULL, *report;
    pe_digest digest;
    char text[PE_DIGEST_TEXT], what[900];
    pe_status st = pe_provenance_read(&p, v->c, err);
    if (st) {
        add(v, "provenance", "fail", err->text);
        return PE_OK;
    }
    const char *want = pe_provenance_content(p);
    if (!want || has_trouble(v)) {
        add(v, "digests", "skip",
            want ? "data could not be read" : "no provenance: not written by pe");
        json_decref(p);
        return PE_OK;
    }
    st = pe_ckpt_content(&digest, v->c, (const pe_digest(*)[PE_MAX_PARTS]) & v->rows->digest,
                         sizeof *v->rows, err);
    pe_digest_format(text, &digest);
    report = load_report(v->c);
    if (!st && !strcmp(text, want)) {
        add(v, "digests", "pass", NULL);
    } else if (!st && !name_changed(v, json_object_get(report, "digests"))) {
        snprintf(what, sizeof what,
                 "%s: content %s, provenance says %s; the weights are not those that were written",
                 pe_ckpt_file(v->c, 0), text, want);
        add(v, "digests", "fail", what);
    }
    json_decref(report);
    json_decref(p);
    return st;
}

/* Shapes and names against config.json, as the runtime reads them. */
static pe_status match_config(const pe_ckpt *c, pe_error *err)
{
    pe_config config = { 0 };
    pe_modules modules = { 0 };
    pe_status st = pe_config_read(&config, pe_ckpt_config(c), pe_ckpt_path(c), err);
    if (!st) st = pe_modules_match(&modules, &config, c, err);
    pe_modules_release(&modules);
    pe_config_release(&config);
    return st;
}

static void check_model(verifier *v)
{
    pe_error err = { 0 };
    if (!pe_ckpt_config(v->c)) {
        add(v, "model", "skip", "no config.json");
        return;
    }
    pe_status st = match_config(v->c, &err);
    add(v, "model", !st ? "pass" : st == PE_E_UNSUPPORTED ? "skip" : "fail", st ? err.text : NULL);
}

static pe_status run(verifier *v, pe_pool *pool, pe_error *err)
{
    size_t n = pe_ckpt_narrays(v->c);
    v->rows = calloc(n + 1, sizeof *v->rows);
    v->checks = json_array();
    if (!v->rows || !v->checks) return pe_fail_nomem(err, "tensor list", n * sizeof *v->rows);
    pe_status st = pe_survey(v->rows, v->c, pool, err);
    if (st) return st;
    add(v, "headers", "pass", NULL); /* or it would not have opened */
    check_data(v);
    st = check_digests(v, err);
    if (!st) check_model(v);
    return st;
}

pe_status pe_verify_checkpoint(char **json, const char *path, pe_pool *pool, pe_error *err)
{
    pe_ckpt *c = NULL;
    verifier v = { .ok = true };
    *json = NULL;
    pe_status st = pe_ckpt_open(&c, path, err);
    v.c = c;
    if (!st) st = run(&v, pool, err);
    json_t *o = st ? NULL
                   : json_pack("{ss ss sb sO}", "schema", "pe.verify/1", "path", path, "ok",
                               !v.first[0], "checks", v.checks);
    if (o) *json = pe_json_text(o, 2);
    if (!st && (!v.ok || !*json)) st = pe_fail_nomem(err, "result", 0);
    if (!st && v.first[0]) st = pe_fail(err, PE_E_NEGATIVE, "%s", v.first);
    json_decref(o);
    json_decref(v.checks);
    if (c) pe_survey_release(v.rows, pe_ckpt_narrays(c));
    pe_ckpt_close(c);
    return st;
}
