/* lib/io/weight_reader.h - any range of any float tensor, whatever its layout, for passes that
 * work in chunks. Read next: lib/io/rewrite.h, which streams a whole checkpoint through a pass. */
#ifndef PE_IO_WEIGHT_READER_H
#define PE_IO_WEIGHT_READER_H

#include "lib/io/rewrite.h"

typedef struct pe_weights pe_weights;
/* c is borrowed. */
pe_status pe_weights_new(pe_weights **out, const pe_ckpt *c, pe_error *err);
void pe_weights_free(pe_weights *w);
/* F32, F16 or BF16: what passes compute with. */
bool pe_weights_dtype_ok(pe_dtype t);
/* `count` elements from flat index `begin`: in their own dtype to raw, widened to f32 (the same
 * memory as raw when the dtype is F32). Any thread. A stored sparse tensor is expanded once and
 * kept until another one is asked for. PE_E_INPUT names tensor and flat index of the first NaN
 * or Inf. */
pe_status pe_weights_read(pe_weights *w, void *raw, float *f32, const pe_array *a, uint64_t begin,
                          size_t count, pe_error *err);
/* PE_E_INPUT for a NaN or Inf among n elements of a float dtype; other dtypes have none. */
pe_status pe_weights_check(const void *raw, pe_dtype t, size_t n, const char *path,
                           const char *name, uint64_t begin, pe_error *err);

/* Makes *item copy the array as it is stored; float values are checked on the way. *ctx belongs to
 * the caller and lives as long as the item. */
typedef struct pe_weights_copy {
    const pe_ckpt *ckpt;
    const pe_array *array;
} pe_weights_copy;
void pe_weights_copy_item(pe_rewrite_item *item, pe_weights_copy *ctx, const pe_ckpt *c,
                          const pe_array *a);

#endif
