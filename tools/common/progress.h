/* tools/common/progress.h - how far a long call is: a line on a terminal, or JSON lines for
 * programs.
 * Read next: tools/common/tool.h. */
#ifndef PE_TOOLS_PROGRESS_H
#define PE_TOOLS_PROGRESS_H

#include <pe/base.h>

typedef enum pe_progress_mode {
    PE_PROGRESS_NONE,
    PE_PROGRESS_LINE,
    PE_PROGRESS_JSON
} pe_progress_mode;
void pe_progress_set(pe_progress_mode mode);
pe_progress pe_progress_get(void);
void pe_progress_clear(void); /* wipes the line, so that a message starts at the left edge */

#endif
