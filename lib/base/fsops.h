/* lib/base/fsops.h - steps that atomic output is made of; for lib/base only.
 * Read next: lib/base/outdir.c. */
#ifndef PE_BASE_FSOPS_H
#define PE_BASE_FSOPS_H

#include <pe/base.h>

enum { PE_TEMP_NAME = 256 };

/* Opens the folder that holds `path` and gives the last component, without slashes at its end (from
 * malloc). PE_E_ARG where there is none that could be created ("", "/", "..", "a/."). */
pe_status pe_fs_split(int *parent_fd, char **base, const char *path, pe_error *err);
/* A new hidden temporary name beside `base`. */
void pe_fs_temp_name(char name[PE_TEMP_NAME], const char *base);
int pe_fs_sync_dir_at(int dir_fd, const char *name); /* 0, or -1 and errno */
/* Deletes a file or a tree; 0, or -1 and errno. Never follows symbolic links. */
int pe_fs_remove_tree(int dir_fd, const char *name);

#endif
