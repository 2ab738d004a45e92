/* tools/common/help.h - what --help and --version print, from the option table.
 * Read next: tools/common/options.h. */
#ifndef PE_TOOLS_HELP_H
#define PE_TOOLS_HELP_H

#include "tools/common/options.h"

/* Both print to stdout and exit 0 (5 when stdout cannot be written). */
_Noreturn void pe_print_help(const pe_command *cmd);
_Noreturn void pe_print_version(const pe_command *cmd);

#endif
