/* lib/model/family.h - families as data: what config.json says, and which modules a checkpoint
 * holds.
 * Read next: lib/model/families.def, modules.def, keys.def; lib/model/config.c reads them. */
#ifndef PE_MODEL_FAMILY_H
#define PE_MODEL_FAMILY_H

#include <jansson.h>
#include <pe/model.h>

#include "kernels/kernels.h"

enum { PE_FAM_TYPES = 1, PE_FAM_TASKS = 2 };
typedef enum pe_name_set {
    PE_NAMES_BERT,
    PE_NAMES_DISTIL,
    PE_NAMES_BERT_HEAD,
    PE_NAMES_ROBERTA_HEAD,
    PE_NAMES_DISTIL_HEAD
} pe_name_set;
typedef enum pe_positions { PE_POSITIONS_INDEX, PE_POSITIONS_PADDED } pe_positions;

typedef struct pe_family {
    const char *type, *prefix;
    pe_name_set names, head;
    double eps;
    pe_positions positions;
    unsigned flags;
} pe_family;

/* config.json and the sentence-transformers files beside it, checked and normalized. */
typedef struct pe_config {
    const pe_family *family;
    uint32_t hidden, layers, heads, ffn, vocab, npositions, ntypes, ntasks, nlabels, pad_id;
    float eps;
    pe_act act;
    bool tied, has_tasks;
    pe_head head;
    pe_pooling pooling;
    bool normalize;
    uint32_t max_length; /* tokens a row may have */
    char **labels;       /* [nlabels], NUL-terminated, owned */
} pe_config;

/* `where` names config.json in messages. PE_E_UNSUPPORTED names family, head, activation or key. */
pe_status pe_config_read(pe_config *out, const json_t *config, const char *where, pe_error *err);
void pe_config_release(pe_config *c);
/* head and labels; part of pe_config_read (head.c). */
pe_status pe_config_read_head(pe_config *c, const json_t *config, const char *where, pe_error *err);
/* modules.json and 1_Pooling/config.json of the model's directory, when they are there. */
pe_status pe_config_read_pooling(pe_config *c, const char *dir, pe_error *err);

/* ---- modules --------------------------------------------------------------------------------- */

enum {
    PE_NEED_ALL = 1,
    PE_NEED_TYPES = 2,
    PE_NEED_TASKS = 4,
    PE_NEED_CLASSIFY = 8,
    PE_NEED_TOKENS = 16,
    PE_NEED_MLM = 32,
    PE_NEED_UNTIED = 64,
    PE_NEED_MAYBE = 128
};
typedef enum pe_part_kind {
    PE_KIND_TABLE,
    PE_KIND_NORM,
    PE_KIND_LINEAR,
    PE_KIND_VECTOR
} pe_part_kind;
typedef enum pe_module_id {
    PE_MOD_WORD,
    PE_MOD_POSITION,
    PE_MOD_TYPE,
    PE_MOD_TASK,
    PE_MOD_EMBED_NORM,
    PE_MOD_QUERY,
    PE_MOD_KEY,
    PE_MOD_VALUE,
    PE_MOD_ATTN_OUT,
    PE_MOD_ATTN_NORM,
    PE_MOD_FFN_IN,
    PE_MOD_FFN_OUT,
    PE_MOD_FFN_NORM,
    PE_MOD_POOLER,
    PE_MOD_HEAD_IN,
    PE_MOD_CLASSIFIER,
    PE_MOD_MLM_DENSE,
    PE_MOD_MLM_NORM,
    PE_MOD_MLM_BIAS,
    PE_MOD_MLM_DECODER
} pe_module_id;

#endif
