/* lib/recipe/treecopy.c - a checkpoint directory as a whole: its digest, a copy, its removal.
 * Read next: lib/recipe/stepcache.c. */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/recipe/recipe_impl.h"

#define MAX_DEPTH 4
#define CHUNK     (1u << 20)

typedef struct walk {
    pe_hasher *hasher;
    pe_outdir *out; /* NULL: digest only */
    uint8_t *chunk; /* CHUNK bytes */
    pe_error *err;
} walk;

/* Name, size and bytes of one file into the digest, and into the copy. */
static pe_status take_file(walk *w, const char *path, const char *name)
{
    pe_file *f = NULL;
    uint8_t size[8];
    uint64_t n;
    int fd = -1;
    pe_status st = pe_file_open(&f, path, w->err);

    if (st) return st;
    n = pe_file_nbytes(f);
    for (int i = 0; i < 8; i++) size[i] = (uint8_t)(n >> (8 * i));
    pe_hasher_add(w->hasher, name, strlen(name) + 1);
    pe_hasher_add(w->hasher, size, sizeof size);
    if (w->out) st = pe_outdir_create(w->out, name, n, &fd, w->err);
    for (uint64_t at = 0; !st && at < n; at += CHUNK) {
        size_t part = n - at < CHUNK ? (size_t)(n - at) : CHUNK;
        st = pe_file_read(f, at, w->chunk, part, w->err);
        if (!st) pe_hasher_add(w->hasher, w->chunk, part);
        if (!st && w->out) st = pe_write_at(fd, at, w->chunk, part, name, w->err);
    }
    pe_file_close(f);
    return st;
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int bytewise(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Files in bytewise order of their names; hidden ones are no part of a checkpoint. */
static pe_status take_folder(walk *w, const char *path, const char *prefix, int depth)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, visible, bytewise);
    pe_status st = PE_OK;

    if (n < 0) return pe_fail_errno(w->err, PE_E_INPUT, "%s: cannot be listed", path);
    if (depth > MAX_DEPTH)
        st = pe_fail(w->err, PE_E_INPUT, "%s: found folders in folders, expected a checkpoint",
                     path);
    for (int i = 0; i < n; i++) {
        char full[4096], name[1024];
        struct stat s;
        int a = snprintf(full, sizeof full, "%s/%s", path, list[i]->d_name);
        int b = snprintf(name, sizeof name, "%s%s", prefix, list[i]->d_name);
        free(list[i]);
        if (st) continue;
        if (a >= (int)sizeof full || b >= (int)sizeof name - 1)
            st = pe_fail(w->err, PE_E_INPUT, "%s: found a name that is too long", path);
        else if (stat(full, &s) != 0)
            st = pe_fail_errno(w->err, PE_E_NOTFOUND, "%s: cannot be read", full);
        else if (S_ISDIR(s.st_mode)) {
            strcat(name, "/");
            st = take_folder(w, full, name, depth + 1);
        } else {
            st = take_file(w, full, name);
        }
    }
    free(list);
    return st;
}

static pe_status take(char text[PE_DIGEST_TEXT], pe_outdir *out, const char *path, pe_error *err)
{
    walk w = { .hasher = pe_hasher_new(), .out = out, .chunk = malloc(CHUNK), .err = err };
    struct stat s;
    pe_status st = PE_OK;

    if (!w.hasher || !w.chunk) st = pe_fail_nomem(err, "file buffer", CHUNK);
    else if (stat(path, &s) != 0)
        st = pe_fail_errno(err, PE_E_NOTFOUND, "%s: cannot be read", path);
    else if (S_ISDIR(s.st_mode)) st = take_folder(&w, path, "", 1);
    else st = take_file(&w, path, "");
    if (!st) {
        pe_digest d = pe_hasher_get(w.hasher);
        pe_digest_format(text, &d);
    }
    if (w.hasher) pe_hasher_free(w.hasher);
    free(w.chunk);
    return st;
}

pe_status pe_tree_digest(char text[33], const char *path, pe_error *err)
{
    return take(text, NULL, path, err);
}

pe_status pe_tree_publish(const char *from, const char *out, const char *digest, bool replace,
                          pe_error *err)
{
    char found[PE_DIGEST_TEXT];
    pe_outdir *d = NULL;
    pe_status st = pe_outdir_open(&d, out, replace, err);

    if (st) return st;
    st = take(found, d, from, err);
    if (!st && strcmp(found, digest) != 0)
        st = pe_fail(err, PE_E_INPUT,
                     "%s: found digest %s, expected %s: it changed while the recipe ran; run again",
                     from, found, digest);
    if (st) {
        pe_outdir_abort(d);
        return st;
    }
    return pe_outdir_commit(d, err);
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *f)
{
    (void)s;
    (void)type;
    (void)f;
    return remove(path);
}

pe_status pe_tree_remove(const char *path, pe_error *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return PE_OK;
    return pe_fail_errno(err, PE_E_WRITE, "%s: cannot be removed", path);
}

pe_status pe_make_dirs(const char *path, pe_error *err)
{
    char part[4096];
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof part)
        return pe_fail(err, PE_E_ARG, "%.60s: found a path of %zu bytes, expected 1 to 4095", path,
                       n);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return pe_fail_errno(err, PE_E_WRITE, "%s: cannot be created", part);
        part[i] = path[i];
    }
    return PE_OK;
}
