/* lib/model/model_impl.h - what a loaded model is made of, for the files of this folder.
 * Read next: lib/model/load.c (fills it), lib/model/encoder.c (builds its plans). */
#ifndef PE_MODEL_MODEL_IMPL_H
#define PE_MODEL_MODEL_IMPL_H

#include "lib/model/quantconf.h"
#include "lib/model/tunefile.h"
#include "lib/plan/plan.h"

typedef struct pe_norm {
    float *gamma, *beta;
} pe_norm;

/* Where a projection lies: columns of the output of attn[at]. */
typedef struct pe_proj {
    int at;
    uint32_t col;
} pe_proj;

typedef struct pe_block {
    pe_linear *attn[PE_LINEAR_PARTS]; /* one layer for q, k, v where they agree, up to three */
    int nattn;
    pe_proj q, k, v;
    pe_linear *out, *ffn_in, *ffn_out;
    pe_norm attn_norm, ffn_norm;
} pe_block;

typedef struct pe_head_weights {
    pe_linear *pooler, *in, *classifier, *mlm_dense, *mlm_decoder; /* NULL: not in this model */
    pe_norm mlm_norm;
} pe_head_weights;

typedef struct pe_linear_job pe_linear_job;

struct pe_model {
    pe_model_info info;
    pe_config cfg;
    char *path, *config_path;
    const pe_backend *backend;
    pe_ckpt *ckpt; /* open for --tune and for names; payload is not kept */
    pe_modules modules;
    pe_quantconf quant;
    pe_tables tables;
    bool word_mapped; /* the word table lies in the file, not in the backend's memory */
    pe_norm embed_norm;
    pe_block *blocks; /* [cfg.layers] */
    pe_head_weights head;
    pe_linear *linears; /* all of them, [nlinears] */
    size_t nlinears;
    pe_linear_job *jobs;          /* [nlinears] where each comes from */
    struct pe_layer_info *layers; /* [nlinears] */
    char **layer_names;           /* [nlinears] */
    pe_plan lean, full;           /* what the answer needs; everything, every hidden state kept */
    const char *why;              /* how forms were chosen */
    char note[PE_TUNE_NOTE];      /* "" or what is to know about that */
};

/* One linear layer to load: the modules it joins, or the tied word table. */
struct pe_linear_job {
    pe_linear *linear;
    const pe_module *mod[PE_LINEAR_PARTS];
    const pe_module *bias; /* of a decoder whose bias is a tensor of its own */
    int nmods;
};

/* How forms are chosen while loading. */
typedef struct pe_form_choice {
    const char *force;     /* exec_layout or NULL */
    const pe_tunes *tunes; /* NULL: none for this model and machine */
} pe_form_choice;

/* Host memory that grows and is used again; release with free(p). */
typedef struct pe_room {
    void *p;
    size_t nbytes;
} pe_room;

/* Host copy of a layer's weights in `room`, as pe_linear_pack wants it. */
pe_status pe_linear_source_read(pe_linear_source *out, pe_room *room, const pe_linear_job *job,
                                const pe_model *m, pe_error *err);
/* Blocks, head, and their jobs by the modules of m; nothing is read. */
pe_status pe_model_lay_out(pe_model *m, pe_error *err);
/* Reads and packs everything on the pool. */
pe_status pe_model_load(pe_model *m, const pe_form_choice *choice, pe_pool *pool, pe_error *err);
/* Builds lean and full. */
pe_status pe_encoder_build(pe_model *m, pe_error *err);

#endif
