/* lib/recipe/recipe_impl.h - a recipe in memory: what schema.c fills and plan.c and run.c read.
 * Read next: lib/recipe/schema.c. */
#ifndef PE_RECIPE_IMPL_H
#define PE_RECIPE_IMPL_H

#include <jansson.h>
#include <pe/convert.h>
#include <pe/data.h>
#include <pe/eval.h>
#include <pe/prune.h>
#include <pe/quant.h>
#include <pe/recipe.h>

#include "lib/base/arena.h"
#include "lib/recipe/yamltree.h"

typedef enum pe_step_op {
    PE_STEP_PRUNE,
    PE_STEP_QUANTIZE,
    PE_STEP_CONVERT,
    PE_STEP_EVAL,
    PE_NSTEPOPS
} pe_step_op;
const char *pe_step_name(pe_step_op op);
/* Grows when the same parameters begin to give other bytes: old cache entries are then passed over.
 */
#define PE_STEP_VERSION 1

/* Names of data files, or paths, as written; resolved against the recipe's folder. */
typedef struct pe_data_ref {
    const char *name, *path;
    const pe_yaml *at;
} pe_data_ref;
typedef struct pe_data_list {
    pe_data_ref *v;
    size_t n;
} pe_data_list;

/* gate: and eval: - on what a checkpoint is judged. */
typedef struct pe_judge {
    const pe_yaml *at; /* NULL: not given */
    const char *task, *metric;
    pe_data_list data;
    double max_drop, confidence; /* max_drop < 0: shown, not judged */
    int64_t limit, batch, max_length;
} pe_judge;

typedef struct pe_pick_list {
    pe_pick *v;
    const pe_yaml **at;
    size_t n;
} pe_pick_list;

typedef struct pe_step {
    pe_step_op op;
    const pe_yaml *at;
    pe_prune_params prune;
    pe_quant_params quant;
    pe_convert_params convert;
    int64_t calib_rows, block;
    pe_data_ref calib;
    pe_pick_list picks, keep_float;
    pe_judge eval; /* of an eval step */
    pe_judge gate;
    json_t *params; /* as given, for the plan and the cache key */
} pe_step;

struct pe_recipe {
    pe_arena *arena;
    const char *path, *folder; /* folder ends without a slash; "." for none */
    const char *model;         /* resolved */
    const pe_yaml *model_at;
    const char *text; /* of the whole file */
    size_t nbytes;
    pe_data_list data; /* the data: map */
    const char *text_column, *text2_column, *label_column, *format;
    int64_t seed;
    pe_step *steps;
    size_t nsteps;
    pe_judge gate;
};

/* ---- schema.c: the YAML tree to a recipe; every mistake has its place ---- */
pe_status pe_recipe_read(pe_recipe *r, const pe_yaml *root, pe_error *err);
/* A recipe from memory; path: what messages call it and what its paths are relative to. */
pe_status pe_recipe_parse(pe_recipe **out, const char *text, size_t nbytes, const char *path,
                          pe_error *err);
/* "file:line:column: message" of a place in the recipe. */
pe_status pe_recipe_fail(pe_error *err, pe_status st, const pe_recipe *r, const pe_yaml *at,
                         const char *fmt, ...) PE_PRINTF(5, 6);
/* Puts the place in front of a callee's message. */
pe_status pe_recipe_prefix(pe_error *err, pe_status st, const pe_recipe *r, const pe_yaml *at);

/* ---- fields.c: one table a map says which keys there are and where they go ---- */
typedef enum pe_field_kind {
    PE_FIELD_TEXT,    /* const char ** */
    PE_FIELD_CHOICE,  /* const char **, one of the words in `choices` */
    PE_FIELD_LAYOUT,  /* const char **, a layout name or auto */
    PE_FIELD_PATTERN, /* const char **, "N:M" or "RxC" */
    PE_FIELD_RANGE,   /* const char **, absmax, mse or percentile:P */
    PE_FIELD_NUMBER,  /* double *, min <= x <= max */
    PE_FIELD_SHARE,   /* double *, min <= x < max */
    PE_FIELD_INT,     /* int64_t * */
    PE_FIELD_BOOL,    /* bool * */
    PE_FIELD_ONLY,    /* pe_pick_list *, a glob or a list of them */
    PE_FIELD_SKIP,
    PE_FIELD_DATA,      /* pe_data_ref * */
    PE_FIELD_DATA_LIST, /* pe_data_list *, one or a list */
    PE_FIELD_LATER      /* known, and not there yet: `choices` says what it needs */
} pe_field_kind;

typedef struct pe_field {
    const char *name; /* with underscores; the tools' dashes are taken too */
    pe_field_kind kind;
    size_t offset; /* in the struct that is filled */
    double min, max;
    const char *choices; /* "layer global" */
} pe_field;

/* Fills `to` from a map. `given` (may be NULL) gets the values as JSON. */
pe_status pe_fields_read(void *to, json_t *given, const pe_recipe *r, const pe_yaml *map,
                         const pe_field *fields, size_t nfields, const char *what, pe_error *err);
pe_status pe_field_int(int64_t *out, const pe_recipe *r, const pe_yaml *at, int64_t min,
                       int64_t max, const char *what, pe_error *err);
pe_status pe_field_text(const char **out, const pe_recipe *r, const pe_yaml *at, const char *what,
                        pe_error *err);
/* A path relative to the recipe's folder. */
const char *pe_recipe_resolve(const pe_recipe *r, const char *path);

/* ---- gitinfo.c ---- */
/* Where the recipe comes from: {"blob", and in a repository "path", "commit", "dirty", "changed"}.
 * inputs: files that count for dirty. *note (from malloc, NULL = none): what could not be known. */
pe_status pe_git_describe(json_t **out, char **note, const pe_recipe *r, const char *const *inputs,
                          size_t ninputs, pe_error *err);

/* ---- treecopy.c, stepcache.c ---- */
/* Digest of every file of a directory (names and bytes), or of one file, in hex. */
pe_status pe_tree_digest(char text[33], const char *path, pe_error *err);
/* Copies a directory to `out`, which appears whole or not at all; its digest must be `digest`. */
pe_status pe_tree_publish(const char *from, const char *out, const char *digest, bool replace,
                          pe_error *err);
pe_status pe_tree_remove(const char *path, pe_error *err);
pe_status pe_make_dirs(const char *path, pe_error *err);
/* $XDG_CACHE_HOME/pe/steps or ~/.cache/pe/steps, or a given folder; from malloc. */
pe_status pe_cache_folder(char **out, const char *given, pe_error *err);
/* The entry of a key: whole and as it was written, or *hit is false. checkpoint: its path. */
pe_status pe_cache_find(bool *hit, char digest[33], const char *checkpoint, pe_error *err);
pe_status pe_cache_keep(char digest[33], const char *checkpoint, pe_error *err);

/* ---- stepparams.c: what a step hands to its pass ---- */
/* Runs the step from one checkpoint to another; out NULL: dry run. git: JSON text or NULL. */
pe_status pe_step_run(char **report, const pe_recipe *r, const pe_step *s, const char *in,
                      const char *out, const char *git, pe_pool *pool, pe_progress progress,
                      pe_error *err);
/* Every glob must match a module of the checkpoint. */
pe_status pe_step_check_picks(const pe_recipe *r, const pe_step *s, const char *model,
                              pe_error *err);
/* Key of the step's result: op, version, parameters, digests of input and data, seed, git. */
pe_status pe_step_key(char key[33], const pe_recipe *r, const pe_step *s, const char *input_digest,
                      const char *git, pe_error *err);
void pe_judge_params(pe_eval_params *out, const pe_recipe *r, const pe_judge *j);

/* ---- git inputs and notes shared by plan and run ---- */
/* Model, data and calibration paths of the recipe, each once; from malloc, *n of them. */
pe_status pe_recipe_inputs(const char ***out, size_t *n, const pe_recipe *r, pe_error *err);

#endif
