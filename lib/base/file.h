/* lib/base/file.h - read a file that may lie, write one that appears whole or not at all.
 * Read next: formats/safetensors.h. */
#ifndef PE_BASE_FILE_H
#define PE_BASE_FILE_H

#include <pe/base.h>

/* A regular file open for reading. FIFOs, devices and directories are refused by name. */
typedef struct pe_file pe_file;
pe_status pe_file_open(pe_file **out, const char *path, pe_error *err);
void pe_file_close(pe_file *f);
/* True only when nothing has this name. A name that cannot be looked up counts as there, so that
 * opening it reports why: an I/O error must not turn an optional file into a missing one. */
bool pe_path_is_absent(const char *path);
uint64_t pe_file_nbytes(const pe_file *f);
const char *pe_file_path(const pe_file *f);
/* Exactly nbytes at offset, or PE_E_INPUT naming file and place (EINTR and short reads retried). */
pe_status pe_file_read(const pe_file *f, uint64_t offset, void *dst, size_t nbytes, pe_error *err);
/* The whole file read-only; valid until close. For execution on local disks, not for conversion. */
pe_status pe_file_map(pe_file *f, const uint8_t **out, pe_error *err);
/* Whole file as a NUL-terminated string from malloc; refuses more than max_nbytes. "-" is stdin. */
pe_status pe_file_slurp(char **out, size_t *nbytes, const char *path, size_t max_nbytes,
                        pe_error *err);

/* A directory that appears under its final name only when complete: made beside it under a
 * temporary name, every file fsynced, the directory fsynced, renamed (RENAME_NOREPLACE, or
 * RENAME_EXCHANGE when `replace`, the old one deleted after), the parent fsynced. Abandoned ones
 * are removed on pe_outdir_abort, at exit by signal (tools call pe_outdir_abort_all), and never
 * mistaken for output after kill -9. `replace` takes the place of an empty directory or of one that
 * holds a checkpoint or a report, of nothing else. One thread at a time opens, creates and commits;
 * any thread writes to the files. PE_E_ARG: exists; PE_E_NOTFOUND: its folder does not. */
typedef struct pe_outdir pe_outdir;
pe_status pe_outdir_open(pe_outdir **out, const char *path, bool replace, pe_error *err);
/* Creates `name` ("a.json", or "1_Pooling/config.json": folders are made) in it for writing; *fd is
 * owned by the outdir. nbytes > 0 sets the size at once. */
pe_status pe_outdir_create(pe_outdir *d, const char *name, uint64_t nbytes, int *fd, pe_error *err);
pe_status pe_outdir_put(pe_outdir *d, const char *name, const void *data, size_t nbytes,
                        pe_error *err);
pe_status pe_outdir_commit(pe_outdir *d, pe_error *err); /* frees d, also on failure */
void pe_outdir_abort(pe_outdir *d);                      /* frees d, removes what was written */
/* pread until all is read; a shorter file is PE_E_INPUT naming `what`. */
pe_status pe_read_at(int fd, uint64_t offset, void *dst, size_t nbytes, const char *what,
                     pe_error *err);
/* pwrite until all is written; PE_E_WRITE names `what`. */
pe_status pe_write_at(int fd, uint64_t offset, const void *data, size_t nbytes, const char *what,
                      pe_error *err);
/* One file, same promise (temporary, fsync, rename over the old one, fsync of the folder). */
pe_status pe_write_atomic(const char *path, const void *data, size_t nbytes, pe_error *err);
/* Signal handlers call pe_outdir_abort_all (pe/base.h). */

#endif
