/* lib/model/quantconf.h - how a quantized checkpoint says its layers are executed:
 * compressed-tensors' quantization_config, or the same fields under pe_quantization.
 * Read next: lib/model/quantconf.c, docs/formats.md. */
#ifndef PE_MODEL_QUANTCONF_H
#define PE_MODEL_QUANTCONF_H

#include "lib/model/weights.h"
#include "lib/plan/linear.h"

typedef struct pe_quantconf {
    const json_t *config; /* NULL: nothing is quantized */
    bool own;             /* pe-quantize made the codes: absmax / 127, else absmax / 127.5 */
    bool int8_attention;  /* where query, key and value are int8 layers */
    const char *where;    /* config.json, for messages */
} pe_quantconf;

/* PE_E_UNSUPPORTED: another method or format than compressed-tensors int-quantized. */
pe_status pe_quantconf_open(pe_quantconf *out, const pe_ckpt *ckpt, const char *where,
                            pe_error *err);
/* For a module whose weight is I8. *int8 false: weight-only, executed as code * scale in f32.
 * The static scale and zero point are read from the checkpoint. */
pe_status pe_quantconf_for(bool *int8, pe_act_quant *aq, const pe_quantconf *qc,
                           const pe_module *mod, const pe_ckpt *ckpt, pe_error *err);

#endif
