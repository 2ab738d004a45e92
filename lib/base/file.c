/* lib/base/file.c - regular files read with pread or mapped, text files read whole.
 * Read next: lib/base/outdir.c for writing. */
#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/checked.h"
#include "lib/base/error.h"

struct pe_file {
    int fd;
    uint64_t nbytes;
    char *path;
    void *map; /* NULL until mapped */
    size_t map_nbytes;
};

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    return S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "a special file";
}

/* O_NONBLOCK: opening a FIFO must be refused, not wait for a writer. */
static pe_status open_regular(int *fd, uint64_t *nbytes, const char *path, pe_error *err)
{
    int opened;
    do {
        opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    } while (opened < 0 && errno == EINTR);
    if (opened < 0) return pe_fail_errno(err, PE_E_INPUT, "%s", path);
    struct stat sb;
    pe_status st = PE_OK;
    if (fstat(opened, &sb)) st = pe_fail_errno(err, PE_E_INPUT, "%s", path);
    else if (!S_ISREG(sb.st_mode))
        st = pe_fail(err, PE_E_INPUT, "%s: found %s, expected a regular file", path,
                     kind_of(sb.st_mode));
    if (st) {
        close(opened);
        return st;
    }
    *fd = opened;
    *nbytes = (uint64_t)sb.st_size;
    return PE_OK;
}

bool pe_path_is_absent(const char *path)
{
    struct stat sb;
    return lstat(path, &sb) && (errno == ENOENT || errno == ENOTDIR);
}

pe_status pe_file_open(pe_file **out, const char *path, pe_error *err)
{
    pe_file *f = calloc(1, sizeof *f);
    if (f) f->path = strdup(path);
    if (!f || !f->path) {
        free(f);
        return pe_fail_nomem(err, path, sizeof *f);
    }
    pe_status st = open_regular(&f->fd, &f->nbytes, path, err);
    if (st) {
        free(f->path);
        free(f);
        return st;
    }
    *out = f;
    return PE_OK;
}

void pe_file_close(pe_file *f)
{
    if (!f) return;
    if (f->map) munmap(f->map, f->map_nbytes);
    close(f->fd);
    free(f->path);
    free(f);
}

uint64_t pe_file_nbytes(const pe_file *f)
{
    return f->nbytes;
}

const char *pe_file_path(const pe_file *f)
{
    return f->path;
}

pe_status pe_read_at(int fd, uint64_t offset, void *dst, size_t nbytes, const char *what,
                     pe_error *err)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t n = pread(fd, (char *)dst + done, nbytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return pe_fail_errno(err, PE_E_INPUT, "%s: reading at offset %llu", what,
                                 (unsigned long long)(offset + done));
        if (n == 0)
            return pe_fail(err, PE_E_INPUT,
                           "%s: the file ended at offset %llu while it was read, %llu "
                           "bytes expected; is it being written?",
                           what, (unsigned long long)(offset + done),
                           (unsigned long long)(offset + nbytes));
        done += (size_t)n;
    }
    return PE_OK;
}

pe_status pe_file_read(const pe_file *f, uint64_t offset, void *dst, size_t nbytes, pe_error *err)
{
    uint64_t end;
    if (!pe_add_u64(&end, offset, nbytes) || end > f->nbytes)
        return pe_fail(err, PE_E_INPUT,
                       "%s: %zu bytes expected at offset %llu, but the file ends at %llu; "
                       "is it truncated?",
                       f->path, nbytes, (unsigned long long)offset, (unsigned long long)f->nbytes);
    return pe_read_at(f->fd, offset, dst, nbytes, f->path, err);
}

pe_status pe_file_map(pe_file *f, const uint8_t **out, pe_error *err)
{
    static const uint8_t nothing[1];
    if (!f->nbytes) {
        *out = nothing;
        return PE_OK;
    }
    if (!f->map) {
        size_t n;
        if (!pe_to_size(&n, f->nbytes)) return pe_fail_nomem(err, f->path, SIZE_MAX);
        void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, f->fd, 0);
        if (p == MAP_FAILED)
            return pe_fail_errno(err, PE_E_INPUT, "%s: mapping %zu bytes", f->path, n);
        f->map = p;
        f->map_nbytes = n;
    }
    *out = f->map;
    return PE_OK;
}

static pe_status too_large(const char *path, size_t max_nbytes, pe_error *err)
{
    return pe_fail(err, PE_E_INPUT, "%s: larger than the %zu bytes that are accepted here", path,
                   max_nbytes);
}

/* Until the end of fd, at most max_nbytes; hint sizes the first buffer. */
static pe_status read_all(char **out, size_t *nbytes, int fd, const char *path, size_t hint,
                          size_t max_nbytes, pe_error *err)
{
    size_t capacity = hint < 4096 ? 4096 : hint + 1, used = 0;
    char *buf = malloc(capacity);
    pe_status st = buf ? PE_OK : pe_fail_nomem(err, path, capacity);
    while (!st) {
        if (used + 1 >= capacity) {
            char *larger = capacity <= SIZE_MAX / 4 ? realloc(buf, capacity * 2) : NULL;
            if (!larger) {
                st = pe_fail_nomem(err, path, capacity);
                break;
            }
            buf = larger;
            capacity *= 2;
        }
        ssize_t n = read(fd, buf + used, capacity - 1 - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) st = pe_fail_errno(err, PE_E_INPUT, "%s: reading", path);
        if (n <= 0) break;
        used += (size_t)n;
        if (used > max_nbytes) st = too_large(path, max_nbytes, err);
    }
    if (st) {
        free(buf);
        return st;
    }
    buf[used] = '\0';
    *out = buf;
    if (nbytes) *nbytes = used;
    return PE_OK;
}

pe_status pe_file_slurp(char **out, size_t *nbytes, const char *path, size_t max_nbytes,
                        pe_error *err)
{
    if (!strcmp(path, "-")) return read_all(out, nbytes, STDIN_FILENO, "stdin", 0, max_nbytes, err);
    int fd;
    uint64_t size;
    pe_status st = open_regular(&fd, &size, path, err);
    if (st) return st;
    if (size > max_nbytes) st = too_large(path, max_nbytes, err);
    /* one more than the size: the read that finds the end must not grow the buffer */
    if (!st) st = read_all(out, nbytes, fd, path, (size_t)size + 1, max_nbytes, err);
    close(fd);
    return st;
}
