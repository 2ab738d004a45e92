/* tests/scratch.c - temporary folders for tests.
 * Read next: tests/scratch.h. */
#include "tests/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/base/fsops.h"

char *scratch_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/pe-test-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(path) ? strdup(path) : NULL;
}

int scratch_drop(char *folder)
{
    int rc = pe_fs_remove_tree(AT_FDCWD, folder);
    free(folder);
    return rc;
}

const char *scratch_path(const char *folder, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

int scratch_count(const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) return -1;
    int n = 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) n++;
    closedir(dir);
    return n;
}

void scratch_limit_file_size(size_t nbytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit)) abort();
    limit.rlim_cur = nbytes ? nbytes : limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit)) abort();
}
