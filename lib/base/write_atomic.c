/* lib/base/write_atomic.c - pwrite until done; one file replaced whole or not at all.
 * Read next: lib/base/outdir.c for directories. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/fsops.h"

pe_status pe_write_at(int fd, uint64_t offset, const void *data, size_t nbytes, const char *what,
                      pe_error *err)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t n = pwrite(fd, (const char *)data + done, nbytes - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = ENOSPC;
            return pe_fail_errno(err, PE_E_WRITE, "%s: writing %zu bytes at offset %llu", what,
                                 nbytes - done, (unsigned long long)(offset + done));
        }
        done += (size_t)n;
    }
    return PE_OK;
}

static pe_status create_temp(int *fd, char name[PE_TEMP_NAME], int parent_fd, const char *base,
                             const char *path, pe_error *err)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        pe_fs_temp_name(name, base);
        *fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*fd >= 0) return PE_OK;
        if (errno != EEXIST) break;
    }
    return pe_fail_errno(err, PE_E_WRITE, "%s: creating a temporary file beside it", path);
}

static pe_status write_and_rename(int parent_fd, const char *base, const char *path,
                                  const void *data, size_t nbytes, pe_error *err)
{
    char temp[PE_TEMP_NAME];
    int fd = -1;
    pe_status st = create_temp(&fd, temp, parent_fd, base, path, err);
    if (st) return st;
    st = pe_write_at(fd, 0, data, nbytes, path, err);
    if (!st && fsync(fd)) st = pe_fail_errno(err, PE_E_WRITE, "%s: fsync", path);
    if (close(fd) && !st) st = pe_fail_errno(err, PE_E_WRITE, "%s: closing", path);
    if (!st && renameat(parent_fd, temp, parent_fd, base))
        st = pe_fail_errno(err, PE_E_WRITE, "%s: renaming the finished file to it", path);
    if (st) {
        unlinkat(parent_fd, temp, 0);
        return st;
    }
    if (fsync(parent_fd))
        return pe_fail_errno(err, PE_E_WRITE, "%s: written, but fsync of its folder failed", path);
    return PE_OK;
}

pe_status pe_write_atomic(const char *path, const void *data, size_t nbytes, pe_error *err)
{
    int parent_fd = -1;
    char *base = NULL;
    pe_status st = pe_fs_split(&parent_fd, &base, path, err);
    if (st) return st;
    struct stat sb;
    if (!fstatat(parent_fd, base, &sb, 0) && !S_ISREG(sb.st_mode))
        st =
            pe_fail(err, PE_E_ARG, "%s: exists and is not a regular file; give another name", path);
    /* signals wait until the temporary is renamed or removed */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (!st) st = write_and_rename(parent_fd, base, path, data, nbytes, err);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(parent_fd);
    free(base);
    return st;
}
