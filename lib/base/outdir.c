/* lib/base/outdir.c - an output directory that appears whole or not at all, and stays after a
 * crash.
 * Read next: lib/base/fsops.h for the single steps, docs/formats.md for what goes in. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/fsops.h"

enum { MAX_OPEN = 64, MAX_SUBFOLDERS = 8 };

/* Something created in the directory; newest first, so that children come before their folder. */
typedef struct entry {
    struct entry *next;
    int fd; /* -1 for folders */
    bool is_dir;
    char name[]; /* relative to the directory */
} entry;

struct pe_outdir {
    char *path, *base;
    int parent_fd, fd;
    bool replace;
    char temp[PE_TEMP_NAME];
    _Atomic(entry *) entries;
    int slot;
};

/* What the signal handler has to remove. Whoever takes a directory out of its slot owns its end. */
static _Atomic(pe_outdir *) open_dirs[MAX_OPEN];
static _Atomic bool aborting;

static void block_signals(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old);
}

static bool enlist(pe_outdir *d)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        pe_outdir *none = NULL;
        if (atomic_compare_exchange_strong(&open_dirs[i], &none, d)) {
            d->slot = i;
            return true;
        }
    }
    return false;
}

static bool delist(pe_outdir *d)
{
    pe_outdir *expected = d;
    return atomic_compare_exchange_strong(&open_dirs[d->slot], &expected, NULL);
}

/* Only unlinkat: also called from signal handlers. */
static void remove_written(pe_outdir *d)
{
    for (entry *e = atomic_load(&d->entries); e; e = e->next)
        unlinkat(d->fd, e->name, e->is_dir ? AT_REMOVEDIR : 0);
    unlinkat(d->parent_fd, d->temp, AT_REMOVEDIR);
}

static void free_dir(pe_outdir *d)
{
    for (entry *e = atomic_load(&d->entries); e;) {
        entry *next = e->next;
        if (e->fd >= 0) close(e->fd);
        free(e);
        e = next;
    }
    if (d->fd >= 0) close(d->fd);
    if (d->parent_fd >= 0) close(d->parent_fd);
    free(d->path);
    free(d->base);
    free(d);
}

void pe_outdir_abort_all(void)
{
    int code = errno;
    atomic_store(&aborting, true);
    for (int i = 0; i < MAX_OPEN; i++) {
        pe_outdir *d = atomic_exchange(&open_dirs[i], NULL);
        if (d) remove_written(d);
    }
    errno = code;
}

void pe_outdir_abort(pe_outdir *d)
{
    if (!d || !delist(d)) return; /* taken by pe_outdir_abort_all: the process is ending */
    remove_written(d);
    free_dir(d);
}

/* True for an empty directory and for one that holds a checkpoint or a report: `-f` with a wrong
 * name must not delete somebody's home directory. */
static bool looks_like_output(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return false;
    }
    bool empty = true, known = false;
    for (struct dirent *e; !known && (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        empty = false;
        const char *suffix = strrchr(e->d_name, '.');
        known = !strcmp(e->d_name, "config.json") || !strcmp(e->d_name, "pe-report.json") ||
                (suffix && (!strcmp(suffix, ".safetensors") || !strcmp(suffix, ".gguf")));
    }
    closedir(dir);
    return empty || known;
}

/* What is at the final name now must be nothing, or something that may be replaced. */
static pe_status check_target(const pe_outdir *d, pe_error *err)
{
    struct stat sb;
    if (fstatat(d->parent_fd, d->base, &sb, AT_SYMLINK_NOFOLLOW)) {
        if (errno == ENOENT) return PE_OK;
        return pe_fail_errno(err, PE_E_WRITE, "%s", d->path);
    }
    if (!d->replace)
        return pe_fail(err, PE_E_ARG, "%s: exists; give another name, or -f to replace it",
                       d->path);
    if (!S_ISDIR(sb.st_mode))
        return pe_fail(err, PE_E_ARG, "%s: exists and is not a directory; give another name",
                       d->path);
    if (!looks_like_output(d->parent_fd, d->base))
        return pe_fail(err, PE_E_ARG,
                       "%s: holds neither a checkpoint nor a report, so it is not replaced; "
                       "remove it yourself or give another name",
                       d->path);
    return PE_OK;
}

static pe_status rename_failed(const pe_outdir *d, pe_error *err)
{
    switch (errno) {
    case EEXIST:
        return pe_fail(err, PE_E_ARG,
                       "%s: exists now, somebody else made it; give another name, or -f to "
                       "replace it",
                       d->path);
    case EINVAL:
    case ENOSYS:
    case EXDEV:
        return pe_fail(err, PE_E_WRITE,
                       "%s: this file system cannot %s a directory in one step; write to "
                       "another one and copy the result",
                       d->path, d->replace ? "exchange" : "place");
    default:
        return pe_fail_errno(err, PE_E_WRITE, "%s: renaming the finished output to it", d->path);
    }
}

static pe_status make_temp(char name[PE_TEMP_NAME], const pe_outdir *d, pe_error *err)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        pe_fs_temp_name(name, d->base);
        if (!mkdirat(d->parent_fd, name, 0777)) return PE_OK;
        if (errno != EEXIST) break;
    }
    return pe_fail_errno(err, PE_E_WRITE, "%s: making a temporary directory beside it", d->path);
}

/* Makes the temporary directory, and finds out now, not after hours of work, whether this file
 * system can rename it the way that commit will. */
static pe_status make_dir(pe_outdir *d, pe_error *err)
{
    char probe[PE_TEMP_NAME];
    pe_status st = make_temp(d->temp, d, err);
    if (st) return st;
    pe_fs_temp_name(probe, d->base);
    int failed = renameat2(d->parent_fd, d->temp, d->parent_fd, probe, RENAME_NOREPLACE);
    if (!failed) memcpy(d->temp, probe, sizeof probe);
    if (!failed && d->replace) {
        st = make_temp(probe, d, err);
        if (!st) failed = renameat2(d->parent_fd, d->temp, d->parent_fd, probe, RENAME_EXCHANGE);
        if (failed) st = rename_failed(d, err);
        if (unlinkat(d->parent_fd, probe, AT_REMOVEDIR) && !st)
            st = pe_fail_errno(err, PE_E_WRITE, "%s: removing the trial directory %s beside it",
                               d->path, probe);
    } else if (failed) {
        st = rename_failed(d, err);
    }
    if (!st) d->fd = openat(d->parent_fd, d->temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!st && d->fd < 0) st = pe_fail_errno(err, PE_E_WRITE, "%s: opening its temporary", d->path);
    if (!st && !enlist(d))
        st = pe_fail(err, PE_E_NOMEM, "%s: more than %d outputs are open at once", d->path,
                     (int)MAX_OPEN);
    if (st) unlinkat(d->parent_fd, d->temp, AT_REMOVEDIR);
    return st;
}

pe_status pe_outdir_open(pe_outdir **out, const char *path, bool replace, pe_error *err)
{
    pe_outdir *d = calloc(1, sizeof *d);
    if (!d) return pe_fail_nomem(err, path, sizeof *d);
    d->parent_fd = d->fd = -1;
    d->replace = replace;
    d->path = strdup(path);
    pe_status st = d->path ? PE_OK : pe_fail_nomem(err, path, strlen(path) + 1);
    if (!st) st = pe_fs_split(&d->parent_fd, &d->base, path, err);
    if (!st) st = check_target(d, err);
    if (!st) {
        sigset_t old;
        block_signals(&old); /* from its creation to its place in the list */
        st = make_dir(d, err);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (st) free_dir(d);
    else *out = d;
    return st;
}

/* Lists the name before the thing exists: a signal in between finds nothing to remove. */
static entry *add_entry(pe_outdir *d, const char *name, size_t length, bool is_dir)
{
    entry *e = malloc(sizeof *e + length + 1);
    if (!e) return NULL;
    e->fd = -1;
    e->is_dir = is_dir;
    memcpy(e->name, name, length);
    e->name[length] = '\0';
    e->next = atomic_load(&d->entries);
    atomic_store(&d->entries, e);
    return e;
}

/* Relative, without empty, "." and ".." components, few folders deep. */
static bool name_is_safe(const char *name)
{
    int depth = 0;
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (n == 0 || n > 255 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
        if (!*p) return strlen(name) < 4096;
        if (++depth > MAX_SUBFOLDERS) return false;
    }
}

static bool is_listed(const pe_outdir *d, const char *name, size_t length)
{
    for (entry *e = atomic_load(&d->entries); e; e = e->next)
        if (!strncmp(e->name, name, length) && !e->name[length]) return true;
    return false;
}

static pe_status make_subfolders(pe_outdir *d, const char *name, pe_error *err)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - name);
        if (is_listed(d, name, length)) continue;
        entry *e = add_entry(d, name, length, true);
        if (!e) return pe_fail_nomem(err, d->path, length);
        if (mkdirat(d->fd, e->name, 0777))
            return pe_fail_errno(err, PE_E_WRITE, "%s/%s: making the folder", d->path, e->name);
    }
    return PE_OK;
}

pe_status pe_outdir_create(pe_outdir *d, const char *name, uint64_t nbytes, int *fd, pe_error *err)
{
    if (!name_is_safe(name) || is_listed(d, name, strlen(name)))
        return pe_fail(err, PE_E_ARG, "%s: '%s': expected a new relative name", d->path, name);
    if (atomic_load(&aborting)) return pe_fail(err, PE_E_CANCELLED, "%s: interrupted", d->path);
    pe_status st = make_subfolders(d, name, err);
    if (st) return st;
    entry *e = add_entry(d, name, strlen(name), false);
    if (!e) return pe_fail_nomem(err, d->path, strlen(name));
    e->fd = openat(d->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (e->fd < 0) return pe_fail_errno(err, PE_E_WRITE, "%s/%s: creating it", d->path, name);
    if (nbytes > INT64_MAX) {
        errno = EFBIG;
        return pe_fail_errno(err, PE_E_WRITE, "%s/%s", d->path, name);
    }
    if (nbytes && ftruncate(e->fd, (off_t)nbytes))
        return pe_fail_errno(err, PE_E_WRITE, "%s/%s: reserving %llu bytes", d->path, name,
                             (unsigned long long)nbytes);
    *fd = e->fd;
    return PE_OK;
}

pe_status pe_outdir_put(pe_outdir *d, const char *name, const void *data, size_t nbytes,
                        pe_error *err)
{
    int fd = -1;
    pe_status st = pe_outdir_create(d, name, 0, &fd, err);
    if (!st) st = pe_write_at(fd, 0, data, nbytes, name, err);
    return st;
}

/* Every byte and every name on the disk before the directory gets its final name. */
static pe_status sync_written(pe_outdir *d, pe_error *err)
{
    for (entry *e = atomic_load(&d->entries); e; e = e->next) {
        int failed = e->is_dir ? pe_fs_sync_dir_at(d->fd, e->name) : fsync(e->fd);
        if (failed) return pe_fail_errno(err, PE_E_WRITE, "%s/%s: fsync", d->path, e->name);
        if (e->is_dir) continue;
        failed = close(e->fd);
        e->fd = -1;
        if (failed) return pe_fail_errno(err, PE_E_WRITE, "%s/%s: closing", d->path, e->name);
    }
    if (fsync(d->fd)) return pe_fail_errno(err, PE_E_WRITE, "%s: fsync", d->path);
    return PE_OK;
}

/* *exchanged: the old output now has the temporary name. */
static pe_status put_in_place(pe_outdir *d, bool *exchanged, pe_error *err)
{
    pe_status st = check_target(d, err);
    if (st) return st;
    if (d->replace && !renameat2(d->parent_fd, d->temp, d->parent_fd, d->base, RENAME_EXCHANGE)) {
        *exchanged = true;
        return PE_OK;
    }
    if (d->replace && errno != ENOENT) return rename_failed(d, err);
    if (renameat2(d->parent_fd, d->temp, d->parent_fd, d->base, RENAME_NOREPLACE))
        return rename_failed(d, err);
    return PE_OK;
}

pe_status pe_outdir_commit(pe_outdir *d, pe_error *err)
{
    pe_status st = sync_written(d, err);
    sigset_t old;
    block_signals(&old); /* the handler must see the output before or after, not between */
    if (!delist(d)) {
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return pe_fail(err, PE_E_CANCELLED, "output: interrupted");
    }
    bool exchanged = false;
    if (!st) st = put_in_place(d, &exchanged, err);
    if (st) {
        remove_written(d);
    } else {
        if (fsync(d->parent_fd))
            st = pe_fail_errno(err, PE_E_WRITE, "%s: complete, but fsync of its folder failed",
                               d->path);
        if (exchanged && pe_fs_remove_tree(d->parent_fd, d->temp) && !st)
            st = pe_fail_errno(err, PE_E_WRITE,
                               "%s: complete, but the one it replaces could not be removed "
                               "from %s beside it",
                               d->path, d->temp);
    }
    free_dir(d);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return st;
}
