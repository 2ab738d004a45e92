/* tools/common/options.c - argv into the variables that a tool's option table points at.
 * Read next: tools/common/help.c for --help and --version, tools/common/suggest.c for "did you
 * mean". */
#include "tools/common/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/help.h"
#include "tools/common/suggest.h"
#include "tools/common/tool.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define LIVES_UNTIL_EXIT(p) __lsan_ignore_object(p)
#else
#define LIVES_UNTIL_EXIT(p) ((void)(p))
#endif

static void *grown(void *old, size_t nbytes)
{
    void *p = realloc(old, nbytes);
    if (!p) {
        pe_error err = { .status = PE_E_NOMEM, .text = "arguments: out of memory" };
        pe_tool_fail(&err);
    }
    LIVES_UNTIL_EXIT(p);
    return p;
}

static void push_string(pe_strings *list, const char *s)
{
    list->v = grown(list->v, (list->n + 1) * sizeof *list->v);
    list->v[list->n++] = s;
}

static void push_pick(pe_picks *list, const char *glob, bool skip)
{
    list->v = grown(list->v, (list->n + 1) * sizeof *list->v);
    list->v[list->n++] = (pe_pick){ .glob = glob, .skip = skip };
}

static void check_range(const pe_option *o, const char *text, double value)
{
    if (o->min == 0 && o->max == 0) return;
    if (!(value >= o->min && value <= o->max))
        pe_tool_usage("--%s: found %s, expected %.15g to %.15g", o->name, text, o->min, o->max);
}

static bool parse_int(int64_t *out, const char *text, char stop, const char **end)
{
    char *rest;
    errno = 0;
    long long v = strtoll(text, &rest, 10);
    if (errno || rest == text || (*rest && *rest != stop)) return false;
    *out = v;
    if (end) *end = rest;
    return true;
}

static void set_ints(const pe_option *o, const char *text)
{
    pe_ints *list = o->to;
    *list = (pe_ints){ 0 };
    for (const char *p = text;; p++) {
        int64_t v;
        if (!parse_int(&v, p, ',', &p) || v < 0 || v > UINT32_MAX)
            pe_tool_usage("--%s: found '%s', expected whole numbers as 1,8,32", o->name, text);
        check_range(o, text, (double)v);
        list->v = grown(list->v, (list->n + 1) * sizeof *list->v);
        list->v[list->n++] = (uint32_t)v;
        if (!*p) return;
    }
}

bool pe_parse_size(uint64_t *out, const char *text)
{
    static const char units[] = "KMGT";
    char *rest;
    double v = strtod(text, &rest);
    if (rest == text || !(v >= 0)) return false;
    const char *unit = *rest ? strchr(units, *rest == 'k' ? 'K' : *rest) : NULL;
    if (unit) {
        v = ldexp(v, 10 * (int)(unit - units + 1));
        rest++;
        if (*rest == 'i') rest++;
    }
    if (*rest == 'B') rest++;
    if (*rest || v > 0x1p62) return false;
    *out = (uint64_t)v;
    return true;
}

static void set_number(const pe_option *o, const char *text)
{
    char *rest;
    double v = strtod(text, &rest);
    if (rest == text || *rest || !isfinite(v))
        pe_tool_usage("--%s: found '%s', expected a number", o->name, text);
    check_range(o, text, v);
    *(double *)o->to = v;
}

static void set_value(const pe_option *o, const char *text)
{
    switch (o->kind) {
    case PE_OPT_FLAG: *(bool *)o->to = true; break;
    case PE_OPT_STRING: *(const char **)o->to = text; break;
    case PE_OPT_INT: {
        int64_t v;
        if (!parse_int(&v, text, '\0', NULL))
            pe_tool_usage("--%s: found '%s', expected a whole number", o->name, text);
        check_range(o, text, (double)v);
        *(int64_t *)o->to = v;
        break;
    }
    case PE_OPT_NUMBER: set_number(o, text); break;
    case PE_OPT_SIZE:
        if (!pe_parse_size(o->to, text))
            pe_tool_usage("--%s: found '%s', expected a size as 512M or 4G", o->name, text);
        check_range(o, text, (double)*(uint64_t *)o->to);
        break;
    case PE_OPT_INTS: set_ints(o, text); break;
    case PE_OPT_STRINGS: push_string(o->to, text); break;
    case PE_OPT_ONLY: push_pick(o->to, text, false); break;
    case PE_OPT_SKIP: push_pick(o->to, text, true); break;
    }
}

static const pe_option *find_long(const pe_command *cmd, const char *name, size_t length)
{
    for (size_t i = 0; i < cmd->noptions; i++)
        if (!strncmp(cmd->options[i].name, name, length) && !cmd->options[i].name[length])
            return &cmd->options[i];
    return NULL;
}

static _Noreturn void unknown_long(const pe_command *cmd, const char *name, size_t length)
{
    char wrong[64];
    snprintf(wrong, sizeof wrong, "%.*s", (int)(length < 60 ? length : 60), name);
    const char **words = grown(NULL, (cmd->noptions + 2) * sizeof *words);
    for (size_t i = 0; i < cmd->noptions; i++) words[i] = cmd->options[i].name;
    words[cmd->noptions] = "help";
    words[cmd->noptions + 1] = "version";
    const char *near = pe_suggest(wrong, words, cmd->noptions + 2);
    if (near) pe_tool_usage("unknown option --%s; did you mean --%s?", wrong, near);
    pe_tool_usage("unknown option --%s", wrong);
}

/* argv[i] is "--name" or "--name=value"; returns the index of the last argument used. */
static int take_long(const pe_command *cmd, int argc, char **argv, int i)
{
    const char *name = argv[i] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    if (!strcmp(name, "help")) pe_print_help(cmd);
    if (!strcmp(name, "version")) pe_print_version(cmd);
    const pe_option *o = find_long(cmd, name, length);
    if (!o) unknown_long(cmd, name, length);
    if (o->kind == PE_OPT_FLAG) {
        if (equals) pe_tool_usage("--%s takes no value", o->name);
        set_value(o, NULL);
        return i;
    }
    if (equals) {
        set_value(o, equals + 1);
        return i;
    }
    if (i + 1 >= argc || !strncmp(argv[i + 1], "--", 2))
        pe_tool_usage("--%s needs a value (%s)", o->name, o->arg);
    set_value(o, argv[i + 1]);
    return i + 1;
}

static const pe_option *find_letter(const pe_command *cmd, char letter)
{
    for (size_t i = 0; i < cmd->noptions; i++)
        if (cmd->options[i].letter == letter) return &cmd->options[i];
    return NULL;
}

/* argv[i] is "-q", "-qv", "-j4" or "-j". */
static int take_letters(const pe_command *cmd, int argc, char **argv, int i)
{
    for (const char *p = argv[i] + 1; *p; p++) {
        const pe_option *o = find_letter(cmd, *p);
        if (!o && *p == 'h') pe_print_help(cmd);
        if (!o) pe_tool_usage("unknown option -%c", *p >= 0x20 && *p < 0x7f ? *p : '?');
        if (o->kind == PE_OPT_FLAG) {
            set_value(o, NULL);
            continue;
        }
        if (p[1]) {
            set_value(o, p + 1);
            return i;
        }
        if (i + 1 >= argc) pe_tool_usage("-%c needs a value (%s)", *p, o->arg);
        set_value(o, argv[i + 1]);
        return i + 1;
    }
    return i;
}

pe_strings pe_parse_options(const pe_command *cmd, int argc, char **argv)
{
    pe_strings operands = { 0 };
    bool ended = false; /* by "--" */
    for (int i = 1; i < argc; i++) {
        if (ended || argv[i][0] != '-' || !argv[i][1]) push_string(&operands, argv[i]);
        else if (!strcmp(argv[i], "--")) ended = true;
        else if (argv[i][1] == '-') i = take_long(cmd, argc, argv, i);
        else i = take_letters(cmd, argc, argv, i);
    }
    if (operands.n < cmd->min_operands) pe_tool_usage("usage: %s %s", cmd->name, cmd->usage);
    if (operands.n > cmd->max_operands)
        pe_tool_usage("unexpected argument '%s'; usage: %s %s", operands.v[cmd->max_operands],
                      cmd->name, cmd->usage);
    return operands;
}
