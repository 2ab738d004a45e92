/* tools/common/help.c - --help with the examples first, --version with the CPU level.
 * Read next: tools/common/options.c. */
#include "tools/common/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/tool.h"

enum { HELP_COLUMN = 26, LINE = 96 };

/* Words of text from HELP_COLUMN on, wrapped. */
static void print_wrapped(const char *text, size_t column)
{
    for (;;) {
        size_t n = strlen(text), room = LINE - HELP_COLUMN;
        printf("%*s", column < HELP_COLUMN ? (int)(HELP_COLUMN - column) : 0, "");
        if (n <= room) {
            printf("%s\n", text);
            return;
        }
        size_t cut = room;
        while (cut > 0 && text[cut] != ' ') cut--;
        if (!cut) cut = n;
        printf("%.*s\n", (int)cut, text);
        text += cut;
        while (*text == ' ') text++;
        if (!*text) return;
        column = 0;
    }
}

static void print_option(const char *name, char letter, const char *arg, const char *help)
{
    char left[80];
    char dash[8] = "    ";
    if (letter) snprintf(dash, sizeof dash, "-%c, ", letter);
    int n = snprintf(left, sizeof left, "  %s--%s%s%s", dash, name, arg ? " " : "", arg ? arg : "");
    printf("%s", left);
    if (n + 2 > HELP_COLUMN) {
        printf("\n");
        n = 0;
    }
    print_wrapped(help, (size_t)n);
}

static void print_examples(const char *lines)
{
    for (const char *p = lines; *p;) {
        size_t n = strcspn(p, "\n");
        printf("  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

_Noreturn void pe_print_help(const pe_command *cmd)
{
    printf("%s - %s\n\n", cmd->name, cmd->summary);
    if (cmd->examples && *cmd->examples) {
        printf("Examples:\n");
        print_examples(cmd->examples);
        printf("\n");
    }
    printf("Usage: %s %s\n\nOptions:\n", cmd->name, cmd->usage);
    for (size_t i = 0; i < cmd->noptions; i++) {
        const pe_option *o = &cmd->options[i];
        print_option(o->name, o->letter, o->arg, o->help);
    }
    print_option("help", 'h', NULL, "this text");
    print_option("version", 0, NULL, "version and CPU level");
    exit(pe_tool_finish(PE_OK));
}

_Noreturn void pe_print_version(const pe_command *cmd)
{
    printf("%s %s (CPU level %s)\n", cmd->name, pe_version(), pe_cpu_level());
    exit(pe_tool_finish(PE_OK));
}
