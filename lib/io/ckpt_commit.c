/* lib/io/ckpt_commit.c - the end of a checkpoint: digests, header, config.json, pe-report.json.
 * Read next: lib/base/outdir.c, which makes it appear. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/io/ckptw_impl.h"
#include "lib/io/provenance.h"

#define COPY_NBYTES ((size_t)1 << 20)

static pe_status no_memory(pe_error *err)
{
    return pe_fail_nomem(err, "description of a checkpoint", 0);
}

/* Digest of what was written, read back: for parts that did not come in order. */
static pe_status hash_again(pe_ckptw *w, pe_out_part *p, uint8_t *buf, pe_error *err)
{
    pe_hasher *h = pe_hasher_new();
    pe_status st = h ? PE_OK : no_memory(err);
    for (uint64_t at = 0; at < p->nbytes && !st;) {
        size_t n = p->nbytes - at < COPY_NBYTES ? (size_t)(p->nbytes - at) : COPY_NBYTES;
        st = pe_read_at(w->fd, w->data_offset + p->offset + at, buf, n, w->path, err);
        if (!st) pe_hasher_add(h, buf, n);
        at += n;
    }
    if (!st) p->digest = pe_hasher_get(h);
    pe_hasher_free(h);
    return st;
}

static pe_status finish_digests(pe_ckptw *w, pe_error *err)
{
    uint8_t *buf = malloc(COPY_NBYTES);
    pe_status st = buf ? PE_OK : no_memory(err);
    for (size_t i = 0; i < w->nparts && !st; i++) {
        pe_out_part *p = &w->parts[i];
        if (atomic_load(&p->written) != p->nbytes)
            st = pe_fail(err, PE_E_ARG, "tensor \"%.200s\": %llu of %llu bytes were written",
                         p->name, (unsigned long long)atomic_load(&p->written),
                         (unsigned long long)p->nbytes);
        else if (!p->nbytes) p->digest = pe_digest_of("", 0);
        else if (atomic_load(&p->again)) st = hash_again(w, p, buf, err);
    }
    free(buf);
    return st;
}

static pe_status content_of(pe_digest *out, const pe_ckptw *w, pe_error *err)
{
    pe_stored_digest *d = malloc((w->nparts + 1) * sizeof *d);
    if (!d) return no_memory(err);
    for (size_t i = 0; i < w->nparts; i++) {
        const pe_out_part *p = &w->parts[i];
        d[i] = (pe_stored_digest){ p->name, "", p->dtype_name, (int)p->rank, p->shape, p->digest };
    }
    pe_status st = pe_content_digest(out, d, w->nparts, err);
    free(d);
    return st;
}

/* Fewest digits that read back as the same numbers: what a pass did not touch stays as it was. */
static char *exact_text(const json_t *o, size_t flags)
{
    for (size_t digits = 15;; digits = 17) {
        char *text = json_dumps(o, flags | JSON_REAL_PRECISION(digits));
        json_t *back = text ? json_loads(text, 0, NULL) : NULL;
        bool same = back && json_equal((json_t *)o, back);
        json_decref(back);
        if (!text || same || digits == 17) return text;
        free(text);
    }
}

/* The text of `__metadata__` key "pe". */
static pe_status set_provenance(pe_ckptw *w, const char *content, const json_t *step, pe_error *err)
{
    json_t *history = json_copy(w->history);
    if (history && step && json_array_append(history, (json_t *)step)) return no_memory(err);
    json_t *all = json_pack("{ss ss so}", "schema", "pe.provenance/1", "content", content,
                            "history", history);
    char *text = all ? exact_text(all, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    bool ok = text && !json_object_set_new(w->metadata, "pe", json_string(text));
    free(text);
    json_decref(all);
    return ok ? PE_OK : no_memory(err);
}

/* The header turned out longer than the room that was kept: moves the data up, last bytes first. */
static pe_status move_data(pe_ckptw *w, uint64_t data_offset, pe_error *err)
{
    uint8_t *buf = malloc(COPY_NBYTES);
    pe_status st = buf ? PE_OK : no_memory(err);
    for (uint64_t left = w->data_nbytes; left && !st;) {
        size_t n = left < COPY_NBYTES ? (size_t)left : COPY_NBYTES;
        left -= n;
        st = pe_read_at(w->fd, w->data_offset + left, buf, n, w->path, err);
        if (!st) st = pe_write_at(w->fd, data_offset + left, buf, n, w->path, err);
    }
    free(buf);
    w->data_offset = data_offset;
    return st;
}

static pe_status write_header(pe_ckptw *w, pe_error *err)
{
    char *header = NULL;
    size_t nbytes = 0, room = (size_t)w->data_offset;
    pe_status st = pe_st_header(&header, &nbytes, w->entries, w->nparts, w->metadata, room, err);
    if (!st && nbytes > room) {
        free(header);
        header = NULL;
        room = pe_round_up(nbytes, PE_DATA_ALIGN);
        st = pe_st_header(&header, &nbytes, w->entries, w->nparts, w->metadata, room, err);
        if (!st) st = move_data(w, nbytes, err);
    }
    if (!st) st = pe_write_at(w->fd, 0, header, nbytes, w->path, err);
    free(header);
    return st;
}

/* {"layout", "shape" [, "block"]} of every matrix that is not dense. */
static json_t *layouts_json(const pe_ckptw *w)
{
    json_t *all = json_object();
    for (size_t i = 0; i < w->ntensors && all; i++) {
        const pe_out_tensor *t = &w->tensors[i];
        if (t->layout.layout == PE_LAYOUT_DENSE) continue;
        json_t *o = json_pack("{ss s[II]}", "layout", pe_layout_name(t->layout.layout), "shape",
                              (json_int_t)t->shape[0], (json_int_t)t->shape[1]);
        if (o && t->layout.layout >= PE_LAYOUT_BSR)
            json_object_set_new(o, "block", json_integer(t->layout.block ? t->layout.block : 16));
        if (!o || json_object_set_new(all, t->name, o)) {
            json_decref(all);
            all = NULL;
        }
    }
    return all;
}

static void rename_key(json_t *o, const char *from, const char *to)
{
    json_t *v = json_object_get(o, from);
    if (!v) return;
    json_object_set(o, to, v);
    json_object_del(o, from);
}

static pe_status put_json(pe_ckptw *w, const char *name, json_t *value, pe_error *err)
{
    char *text = value ? pe_json_text(value, 2) : NULL;
    pe_status st = text ? pe_outdir_put(w->dir, name, text, strlen(text), err) : no_memory(err);
    free(text);
    return st;
}

static pe_status put_config(pe_ckptw *w, const json_t *config, pe_error *err)
{
    if (!config && !w->sparse) return PE_OK;
    json_t *o = config ? json_copy((json_t *)config) : json_object();
    json_object_del(o, "pe_layouts");
    if (w->sparse) {
        json_object_set_new(o, "pe_layouts", layouts_json(w));
        rename_key(o, "quantization_config", "pe_quantization");
    } else {
        rename_key(o, "pe_quantization", "quantization_config");
    }
    char *text = o ? exact_text(o, JSON_INDENT(2)) : NULL;
    pe_status st =
        text ? pe_outdir_put(w->dir, "config.json", text, strlen(text), err) : no_memory(err);
    free(text);
    json_decref(o);
    return st;
}

static pe_status put_report(pe_ckptw *w, const json_t *report, const char *content, pe_error *err)
{
    char text[PE_SHA256_TEXT];
    json_t *o = report ? json_copy((json_t *)report) : json_object(), *digests = json_object();
    for (size_t i = 0; i < w->nparts; i++) {
        pe_digest_format(text, &w->parts[i].digest);
        if (!strstr(w->parts[i].name, "\xc0\x80")) /* JSON keys have no U+0000 here */
            json_object_set_new(digests, w->parts[i].name, json_string(text));
    }
    json_object_set_new(o, "digests", digests);
    json_object_set_new(o, "content", json_string(content));
    pe_status st = PE_OK;
    if (w->sha256) {
        st = pe_sha256_fd(text, w->fd, w->data_offset + w->data_nbytes, w->path, err);
        if (!st) json_object_set_new(o, "sha256", json_pack("{ss}", w->file_name, text));
    }
    if (!st) st = put_json(w, "pe-report.json", o, err);
    json_decref(o);
    return st;
}

pe_status pe_ckptw_commit(pe_ckptw *w, const json_t *config, const json_t *step,
                          const json_t *report, pe_error *err)
{
    pe_digest digest;
    char content[PE_DIGEST_TEXT] = "";
    pe_status st = w->entries ? PE_OK : pe_ckptw_begin(w, err);
    if (!st) st = finish_digests(w, err);
    if (!st) st = content_of(&digest, w, err);
    if (!st) pe_digest_format(content, &digest);
    if (!st) st = set_provenance(w, content, step, err);
    if (!st) st = write_header(w, err);
    if (!st) st = put_config(w, config, err);
    if (!st) st = put_report(w, report, content, err);
    if (st) pe_outdir_abort(w->dir);
    else st = pe_outdir_commit(w->dir, err);
    pe_ckptw_free(w);
    return st;
}
