/* tools/common/options.h - one table drives parsing, --help, and later man pages and completions.
 * Read next: tools/common/tool.h. */
#ifndef PE_TOOLS_OPTIONS_H
#define PE_TOOLS_OPTIONS_H

#include <pe/base.h>

typedef enum pe_opt_kind {
    PE_OPT_FLAG,    /* bool *          */
    PE_OPT_STRING,  /* const char **   */
    PE_OPT_INT,     /* int64_t *       */
    PE_OPT_NUMBER,  /* double *        */
    PE_OPT_SIZE,    /* uint64_t *, "4G" */
    PE_OPT_INTS,    /* pe_ints *, "1,8,32" */
    PE_OPT_STRINGS, /* pe_strings *, repeatable */
    PE_OPT_ONLY,    /* pe_picks *, --only GLOB, repeatable, order kept */
    PE_OPT_SKIP     /* pe_picks *, same list */
} pe_opt_kind;

typedef struct pe_ints {
    uint32_t *v;
    size_t n;
} pe_ints;
typedef struct pe_strings {
    const char **v;
    size_t n;
} pe_strings;
typedef struct pe_picks {
    pe_pick *v;
    size_t n;
} pe_picks;

typedef struct pe_option {
    const char *name; /* without the dashes */
    char letter;      /* 0 = none */
    pe_opt_kind kind;
    void *to;
    const char *arg;  /* placeholder in --help, NULL for flags */
    const char *help; /* one line */
    double min, max;  /* numbers; both 0 = any */
} pe_option;

/* Parses argv; operands are left in *operands. On a mistake prints one line with "did you mean" and
 * exits 2. --help and --version print and exit 0. Everything allocated lives until exit. */
typedef struct pe_command {
    const char *name;     /* "pe-prune" */
    const char *usage;    /* "MODEL -o OUT [options]" */
    const char *summary;  /* one line */
    const char *examples; /* lines, shown first */
    const pe_option *options;
    size_t noptions;
    size_t min_operands, max_operands;
} pe_command;
/* "512M", "4G", "1.5GiB", "1000"; factors of 1024. False when it is no size. */
bool pe_parse_size(uint64_t *out, const char *text);
pe_strings pe_parse_options(const pe_command *cmd, int argc, char **argv);

#endif
