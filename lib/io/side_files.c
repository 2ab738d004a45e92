/* lib/io/side_files.c - tokenizer and other files that go with a model, copied byte for byte.
 * Read next: lib/io/ckpt_write.c. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/glob.h"
#include "lib/base/json.h"
#include "lib/io/ckpt_impl.h"
#include "lib/io/ckptw_impl.h"

#define COPY_NBYTES        ((size_t)1 << 20)
#define MAX_MODULES_NBYTES ((size_t)1 << 20)

/* Names in a model directory that say how text becomes ids and what comes after the encoder. */
static const char *const wanted[] = {
    "tokenizer*",
    "vocab*",
    "merges*",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template*",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "sentencepiece*.model",
    "spiece.model",
    "preprocessor_config.json",
};

static bool is_wanted(const char *name)
{
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (pe_glob_match(wanted[i], name)) return true;
    return false;
}

static pe_status copy_bytes(int fd, const pe_file *f, const char *what, pe_error *err)
{
    uint8_t *buf = malloc(COPY_NBYTES);
    pe_status st = buf ? PE_OK : pe_fail_nomem(err, what, COPY_NBYTES);
    uint64_t total = pe_file_nbytes(f);
    for (uint64_t at = 0; at < total && !st;) {
        size_t n = total - at < COPY_NBYTES ? (size_t)(total - at) : COPY_NBYTES;
        st = pe_file_read(f, at, buf, n, err);
        if (!st) st = pe_write_at(fd, at, buf, n, what, err);
        at += n;
    }
    free(buf);
    return st;
}

static pe_status copy_file(pe_outdir *to, const char *dir, const char *name, pe_error *err)
{
    char *path = pe_path_join(dir, name);
    pe_file *f = NULL;
    int fd = -1;
    pe_status st = path ? pe_file_open(&f, path, err) : pe_fail_nomem(err, "path", strlen(name));
    if (!st) st = pe_outdir_create(to, name, 0, &fd, err);
    if (!st) st = copy_bytes(fd, f, name, err);
    if (f) pe_file_close(f);
    free(path);
    return st;
}

/* What cannot be looked up counts as a file: copying it then says why. */
static bool is_regular(const char *dir, const char *name)
{
    struct stat sb;
    char *path = pe_path_join(dir, name);
    bool yes = !path || (stat(path, &sb) ? errno != ENOENT : S_ISREG(sb.st_mode));
    free(path);
    return yes;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Copies the regular files of dir/folder (folder "" = dir itself) that pick() wants, by name
 * order. */
static pe_status copy_folder(pe_outdir *to, const char *dir, const char *folder,
                             bool (*pick)(const char *), pe_error *err)
{
    char *path = *folder ? pe_path_join(dir, folder) : strdup(dir), **names = NULL;
    size_t n = 0;
    DIR *d = path ? opendir(path) : NULL;
    pe_status st = d ? PE_OK : pe_fail_errno(err, PE_E_NOTFOUND, "%s", path ? path : dir);
    for (struct dirent *e; !st && (errno = 0, e = readdir(d));) {
        if ((pick && !pick(e->d_name)) || !is_regular(path, e->d_name)) continue;
        char **grown = realloc(names, (n + 1) * sizeof *names);
        names = grown ? grown : names;
        char *name = grown ? (*folder ? pe_path_join(folder, e->d_name) : strdup(e->d_name)) : NULL;
        if (!name) st = pe_fail_nomem(err, "file names", n * sizeof *names);
        else names[n++] = name;
    }
    if (!st && errno) st = pe_fail_errno(err, PE_E_INPUT, "%s: reading the directory", path);
    if (n) qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++) {
        if (!st) st = copy_file(to, dir, names[i], err);
        free(names[i]);
    }
    if (d) closedir(d);
    free(names);
    free(path);
    return st;
}

/* A folder that modules.json may name: one plain component. */
static bool plain_folder(const char *s)
{
    return *s && strcmp(s, ".") && strcmp(s, "..") && !strpbrk(s, "/\\:");
}

/* Folders of sentence-transformers modules ("1_Pooling"); "" is the model itself. */
static pe_status copy_modules(pe_outdir *to, const char *dir, pe_error *err)
{
    char *path = pe_path_join(dir, "modules.json");
    json_t *modules = NULL, *m;
    size_t i;
    pe_status st = path ? pe_json_load(&modules, path, MAX_MODULES_NBYTES, err)
                        : pe_fail_nomem(err, "path", 0);
    json_array_foreach(modules, i, m)
    {
        const char *folder = json_string_value(json_object_get(m, "path"));
        if (st || !folder || !*folder) continue;
        if (!plain_folder(folder)) {
            st = pe_fail(err, PE_E_INPUT,
                         "%s: path \"%.80s\": expected a folder in the model directory", path,
                         folder);
            continue;
        }
        char *full = pe_path_join(dir, folder);
        if (!full) st = pe_fail_nomem(err, "path", strlen(folder));
        else if (!pe_path_is_absent(full))
            st = copy_folder(to, dir, folder, NULL, err); /* 2_Normalize has no folder */
        free(full);
    }
    json_decref(modules);
    free(path);
    return st;
}

pe_status pe_copy_side_files(pe_outdir *to, const char *from_dir, pe_error *err)
{
    pe_status st = copy_folder(to, from_dir, "", is_wanted, err);
    if (!st && is_regular(from_dir, "modules.json")) st = copy_modules(to, from_dir, err);
    return st;
}
