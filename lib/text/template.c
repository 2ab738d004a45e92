/* lib/text/template.c - building a template item by item.
 * Read next: lib/text/load_json.c for what fills it, lib/text/encode.c for what walks it. */
#include "lib/text/template.h"

#include "lib/base/error.h"

pe_status pe_template_add(pe_template *t, pe_template_item item, pe_error *err)
{
    if (t->nitems == PE_TEMPLATE_MAX_ITEMS)
        return pe_fail(err, PE_E_UNSUPPORTED, "post_processor: a template of more than %d items",
                       (int)PE_TEMPLATE_MAX_ITEMS);
    t->item[t->nitems++] = item;
    t->nspecial += item.special;
    return PE_OK;
}
