/* lib/text/template.h - the post-processor: where special tokens stand around one text or two.
 * Read next: lib/text/truncate.h. */
#ifndef PE_TEXT_TEMPLATE_H
#define PE_TEXT_TEMPLATE_H

#include <pe/base.h>

enum { PE_TEMPLATE_MAX_ITEMS = 64 };

typedef struct pe_template_item {
    bool special;
    int32_t id; /* of a special token */
    int32_t type_id;
    uint8_t sequence; /* 0 first text, 1 second */
} pe_template_item;

/* Items in order; a special token of several ids is several items. */
typedef struct pe_template {
    pe_template_item item[PE_TEMPLATE_MAX_ITEMS];
    size_t nitems, nspecial;
} pe_template;

pe_status pe_template_add(pe_template *t, pe_template_item item, pe_error *err);

#endif
