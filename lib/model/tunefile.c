/* lib/model/tunefile.c - the JSON of measured times: found, read, applied, written.
 * Read next: lib/model/tunefile.h. */
#include "lib/model/tunefile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"

#define SCHEMA "pe.tune/1"
/* A form must be this much faster than dense to be taken: times repeat to a few percent only. */
#define MARGIN 0.97

static pe_status structure_digest(char text[PE_DIGEST_TEXT], const pe_ckpt *ckpt, pe_error *err)
{
    pe_hasher *h = pe_hasher_new();
    if (!h) return pe_fail_nomem(err, "digest", 0);
    for (size_t i = 0; i < pe_ckpt_narrays(ckpt); i++) {
        const pe_array *a = pe_ckpt_array(ckpt, i);
        uint64_t facts[3] = { a->nbytes, (uint64_t)a->layout.layout, a->layout.block };
        pe_hasher_add(h, a->name, strlen(a->name) + 1);
        pe_hasher_add(h, a->dtype_name, strlen(a->dtype_name) + 1);
        pe_hasher_add(h, a->shape, (size_t)a->rank * sizeof *a->shape);
        pe_hasher_add(h, facts, sizeof facts);
    }
    pe_digest d = pe_hasher_get(h);
    pe_digest_format(text, &d);
    pe_hasher_free(h);
    return PE_OK;
}

pe_status pe_tunefile_path(char **out, const pe_ckpt *ckpt, const pe_identity *here, pe_error *err)
{
    char digest[PE_DIGEST_TEXT];
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    pe_status st = structure_digest(digest, ckpt, err);
    if (st) return st;
    bool xdg = cache && *cache == '/';
    if (!xdg && !(home && *home))
        return pe_fail(
            err, PE_E_ARG,
            "no place for measured times: neither XDG_CACHE_HOME nor HOME is set; try --tune-file");
    int n = asprintf(out, "%s/%spe/tune/%s-%s.json", xdg ? cache : home, xdg ? "" : ".cache/",
                     digest, here->text);
    return n < 0 ? pe_fail_nomem(err, "path of the tune file", 256) : PE_OK;
}

static const char *text_of(const json_t *root, const char *key)
{
    const char *text = json_string_value(json_object_get(root, key));
    return text ? text : "";
}

static bool of_model(const json_t *root, const pe_ckpt *ckpt)
{
    char digest[PE_DIGEST_TEXT];
    return strcmp(text_of(root, "schema"), SCHEMA) == 0 && !structure_digest(digest, ckpt, NULL) &&
           strcmp(text_of(root, "model"), digest) == 0;
}

static bool fits(const json_t *root, const pe_ckpt *ckpt, const pe_identity *here)
{
    return of_model(root, ckpt) && strcmp(text_of(root, "cpu"), here->text) == 0;
}

/* Says of a file that does not fit whether it is of another device or driver. */
static void note_foreign(pe_tunes *out, const char *path, const pe_ckpt *ckpt,
                         const pe_identity *here)
{
    json_t *root = NULL;
    if (pe_json_load(&root, path, 64 << 20, NULL)) return;
    if (of_model(root, ckpt) && *text_of(root, "device") && !fits(root, ckpt, here))
        snprintf(out->note, sizeof out->note,
                 "%.200s: measured on %.60s, driver %.40s; this is %.60s, driver %.40s: not used, "
                 "pe-bench --tune measures here",
                 path, text_of(root, "device"), text_of(root, "driver"), here->device,
                 here->driver);
    json_decref(root);
}

/* Times of this model beside `path`, where there are none that fit. */
static void look_beside(pe_tunes *out, const char *path, const pe_ckpt *ckpt,
                        const pe_identity *here)
{
    const char *name = strrchr(path, '/') + 1;
    size_t digest = strlen(name) - strlen(here->text) - strlen(".json");
    char *folder = strndup(path, (size_t)(name - path)), *file = NULL;
    DIR *d = folder ? opendir(folder) : NULL;
    for (struct dirent *e; d && !out->note[0] && (e = readdir(d));) {
        if (strncmp(e->d_name, name, digest) != 0) continue;
        if (asprintf(&file, "%s%s", folder, e->d_name) < 0) break;
        note_foreign(out, file, ckpt, here);
        free(file);
    }
    if (d) (void)closedir(d);
    free(folder);
}

pe_status pe_tunefile_read(pe_tunes *out, const char *file, const pe_ckpt *ckpt,
                           const pe_identity *here, pe_error *err)
{
    char *path = NULL;
    *out = (pe_tunes){ 0 };
    if (file && !*file) return PE_OK;
    if (file) {
        pe_status st = pe_json_load(&out->root, file, 64 << 20, err);
        if (!st && !fits(out->root, ckpt, here)) {
            pe_tunes_release(out);
            st = pe_fail(err, PE_E_INPUT,
                         "%s: measured for another model, CPU, GPU or driver; run pe-bench --tune",
                         file);
        }
        return st;
    }
    /* A cache may be gone, stale, or of an older version: then the estimate serves. */
    pe_status st = pe_tunefile_path(&path, ckpt, here, err);
    if (st) return st == PE_E_ARG ? PE_OK : st;
    if (access(path, R_OK) == 0 && !pe_json_load(&out->root, path, 64 << 20, NULL) &&
        !fits(out->root, ckpt, here))
        pe_tunes_release(out);
    if (!out->root && here->device[0]) look_beside(out, path, ckpt, here);
    free(path);
    return PE_OK;
}

void pe_tunes_release(pe_tunes *t)
{
    json_decref(t->root);
    t->root = NULL;
}

pe_status pe_tunes_new(pe_tunes *out, const pe_ckpt *ckpt, const pe_identity *here, pe_error *err)
{
    char digest[PE_DIGEST_TEXT];
    pe_status st = structure_digest(digest, ckpt, err);
    if (st) return st;
    out->root = json_pack("{s:s, s:s, s:s, s:{}}", "schema", SCHEMA, "model", digest, "cpu",
                          here->text, "layers");
    if (!out->root) return pe_fail_nomem(err, "tune file", 0);
    if (here->device[0]) {
        (void)json_object_set_new(out->root, "device", json_string(here->device));
        (void)json_object_set_new(out->root, "driver", json_string(here->driver));
    }
    return PE_OK;
}

pe_status pe_tunes_add(pe_tunes *t, const pe_linear *l, double us[PE_NFORMS][PE_NBUCKETS],
                       pe_error *err)
{
    json_t *layer = json_object();
    for (int f = 0; f < PE_NFORMS; f++) {
        if (us[f][0] < 0) continue;
        json_t *times = json_array();
        for (int i = 0; i < PE_NBUCKETS; i++)
            (void)json_array_append_new(times, json_real(us[f][i]));
        (void)json_object_set_new(layer, pe_form_name((pe_form)f), times);
    }
    int bad = json_object_set_new(json_object_get(t->root, "layers"), l->part[0], layer);
    return bad ? pe_fail_nomem(err, "tune file", 0) : PE_OK;
}

static double time_of(const json_t *layer, pe_form form, int bucket)
{
    const json_t *v = json_array_get(json_object_get(layer, pe_form_name(form)), (size_t)bucket);
    return json_is_number(v) && json_number_value(v) > 0 ? json_number_value(v) : -1;
}

bool pe_tunes_apply(const pe_tunes *t, pe_linear *l, const pe_backend *b)
{
    const json_t *layer = json_object_get(json_object_get(t->root, "layers"), l->part[0]);
    pe_form dense = pe_linear_dense_form(l);
    if (!layer) return false;
    for (int i = 0; i < PE_NBUCKETS; i++) {
        double best = time_of(layer, dense, i) * MARGIN;
        l->form[i] = dense;
        if (best < 0) return false;
        for (pe_form f = 0; f < PE_NFORMS; f++) {
            double us = pe_linear_admits(l, b, f) && f != dense ? time_of(layer, f, i) : -1;
            if (us > 0 && us < best) best = us, l->form[i] = f;
        }
    }
    return true;
}

static pe_status make_folders(const char *file, pe_error *err)
{
    char *path = strdup(file);
    if (!path) return pe_fail_nomem(err, "path of the tune file", strlen(file));
    pe_status st = PE_OK;
    for (char *p = path + 1; !st && *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        if (mkdir(path, 0777) && errno != EEXIST) st = pe_fail_errno(err, PE_E_WRITE, "%s", path);
        *p = '/';
    }
    free(path);
    return st;
}

pe_status pe_tunefile_write(const pe_tunes *t, const char *file, pe_error *err)
{
    char *text = pe_json_text(t->root, 2);
    if (!text) return pe_fail_nomem(err, "tune file", 0);
    pe_status st = make_folders(file, err);
    if (!st) st = pe_write_atomic(file, text, strlen(text), err);
    free(text);
    return st;
}
