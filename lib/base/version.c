/* lib/base/version.c - the version that the Makefile names.
 * Read next: lib/include/pe/base.h. */
#include <pe/base.h>

const char *pe_version(void)
{
    return PE_VERSION;
}
