/* lib/base/fsops.c - splitting paths, temporary names, folder fsync, tree removal.
 * Read next: lib/base/outdir.c, lib/base/write_atomic.c. */
#include "lib/base/fsops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/error.h"

enum { MAX_TREE_DEPTH = 32 };

pe_status pe_fs_split(int *parent_fd, char **base, const char *path, pe_error *err)
{
    char *copy = strdup(path);
    if (!copy) return pe_fail_nomem(err, path, strlen(path) + 1);
    size_t n = strlen(copy);
    while (n > 1 && copy[n - 1] == '/') copy[--n] = '\0';
    char *slash = strrchr(copy, '/');
    const char *last = slash ? slash + 1 : copy;
    if (!*last || !strcmp(last, ".") || !strcmp(last, "..")) {
        free(copy);
        return pe_fail(err, PE_E_ARG, "'%s': expected the name of something to create", path);
    }
    *base = strdup(last);
    if (slash) slash[slash == copy] = '\0'; /* "/x" is in "/" */
    if (*base) *parent_fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pe_status st = PE_OK;
    if (!*base) st = pe_fail_nomem(err, path, n);
    else if (*parent_fd < 0) {
        st = pe_fail_errno(err, PE_E_WRITE, "%s: the folder that should hold it", path);
        free(*base);
        *base = NULL;
    }
    free(copy);
    return st;
}

/* Random: a process that was killed may have left its temporaries, and process ids come again. */
void pe_fs_temp_name(char name[PE_TEMP_NAME], const char *base)
{
    static _Atomic uint64_t serial;
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        random = (uint64_t)getpid() << 32 | (uint32_t)time(NULL);
    random += atomic_fetch_add(&serial, 1);
    snprintf(name, PE_TEMP_NAME, ".%.200s.pe-tmp-%016llx", base, (unsigned long long)random);
}

int pe_fs_sync_dir_at(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    int rc = fsync(fd), code = errno;
    close(fd);
    errno = code;
    return rc;
}

static int remove_entries(int fd, int depth);

static int remove_at(int dir_fd, const char *name, int depth)
{
    if (!unlinkat(dir_fd, name, 0)) return 0;
    if (errno != EISDIR && errno != EPERM) return -1;
    if (depth >= MAX_TREE_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || remove_entries(fd, depth + 1)) return -1;
    return unlinkat(dir_fd, name, AT_REMOVEDIR);
}

/* Closes fd. */
static int remove_entries(int fd, int depth)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -1;
    }
    int rc = 0, code = 0;
    errno = 0;
    for (struct dirent *e; !rc && (e = readdir(dir)); errno = 0) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        rc = remove_at(dirfd(dir), e->d_name, depth);
        code = errno;
    }
    if (!rc && errno) {
        rc = -1;
        code = errno;
    }
    closedir(dir);
    errno = code;
    return rc;
}

int pe_fs_remove_tree(int dir_fd, const char *name)
{
    return remove_at(dir_fd, name, 0);
}
