/* tools/common/tool.h - what every tool does the same: start, messages, progress, tables, exit.
 * Read next: docs/cli.md. */
#ifndef PE_TOOLS_TOOL_H
#define PE_TOOLS_TOOL_H

#include "tools/common/options.h"

/* The options that mean the same everywhere; PE_COMMON_OPTIONS puts them into a tool's table. */
typedef struct pe_common {
    int64_t threads;
    const char *device, *progress, *precision;
    uint64_t max_ram, max_vram;
    int64_t seed;
    bool quiet, verbose, json, dry_run;
    const char *output;
    bool force;
} pe_common;
extern pe_common pe_common_opts;
/* -j/--threads --device --max-ram --progress -q -v --json; each tool adds -o, -f, --seed, --dry-run
 * where they mean something. */
/* clang-format off */
#define PE_COMMON_OPTIONS \
    { "threads", 'j', PE_OPT_INT, &pe_common_opts.threads, "N", \
      "threads (default: physical cores)", 1, 256 }, \
    { "device", 0, PE_OPT_STRING, &pe_common_opts.device, "DEV", \
      "cpu, cuda[:N], emu or auto (default cpu)", 0, 0 }, \
    { "max-vram", 0, PE_OPT_SIZE, &pe_common_opts.max_vram, "SIZE", \
      "use at most so much of a GPU's memory", 0, 0 }, \
    { "max-ram", 0, PE_OPT_SIZE, &pe_common_opts.max_ram, "SIZE", \
      "refuse to use more memory, as 4G", 0, 0 }, \
    { "progress", 0, PE_OPT_STRING, &pe_common_opts.progress, "HOW", \
      "auto, none or json (lines on stderr)", 0, 0 }, \
    { "json", 0, PE_OPT_FLAG, &pe_common_opts.json, 0, \
      "one JSON object on stdout", 0, 0 }, \
    { "quiet", 'q', PE_OPT_FLAG, &pe_common_opts.quiet, 0, \
      "errors only", 0, 0 }, \
    { "verbose", 'v', PE_OPT_FLAG, &pe_common_opts.verbose, 0, \
      "say more", 0, 0 }
#define PE_PRECISION_OPTION \
    { "precision", 0, PE_OPT_STRING, &pe_common_opts.precision, "NAME", \
      "f32 (default), or on a GPU bf16 or f16 products", 0, 0 }
#define PE_OUTPUT_OPTIONS \
    { "output", 'o', PE_OPT_STRING, &pe_common_opts.output, "DIR", \
      "new checkpoint directory", 0, 0 }, \
    { "force", 'f', PE_OPT_FLAG, &pe_common_opts.force, 0, \
      "replace an existing output", 0, 0 }, \
    { "dry-run", 0, PE_OPT_FLAG, &pe_common_opts.dry_run, 0, \
      "print the plan and exit", 0, 0 }
/* clang-format on */

/* Parses (environment first: PE_THREADS PE_DEVICE PE_MAX_RAM PE_PROGRESS), installs signal handlers
 * (no half-written output after Ctrl-C; SIGPIPE ends quietly), makes the pool. */
pe_strings pe_tool_start(const pe_command *cmd, int argc, char **argv);
pe_pool *pe_tool_pool(void);
pe_progress pe_tool_progress(void);
/* stderr, "pe-prune: ..."; notes are silent under -q, details shown under -v. */
void pe_tool_note(const char *fmt, ...) PE_PRINTF(1, 2);
void pe_tool_detail(const char *fmt, ...) PE_PRINTF(1, 2);
void pe_tool_warn(const char *fmt, ...) PE_PRINTF(1, 2);
/* "pe-prune: error: TEXT" and exit with the status' code. */
_Noreturn void pe_tool_fail(const pe_error *err);
_Noreturn void pe_tool_usage(const char *fmt, ...) PE_PRINTF(1, 2); /* exit 2 */
/* Flushes stdout, reports a write error as exit 5, releases what start made; returns the code. */
int pe_tool_finish(pe_status st);

/* Columns aligned by what they hold; cells are copied. Numbers right, words left; wide characters
 * count. */
typedef struct pe_table pe_table;
pe_table *pe_table_new(const char *const *heads, size_t ncols);
void pe_table_row(pe_table *t, const char *const *cells);
void pe_table_print(pe_table *t);                    /* stdout, frees t */
char *pe_human_bytes(char buf[16], uint64_t nbytes); /* "6.4 MB" */

#endif
