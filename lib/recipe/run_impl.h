/* lib/recipe/run_impl.h - the chain of checkpoints that a run makes or finds in the cache.
 * Read next: lib/recipe/run.c. */
#ifndef PE_RECIPE_RUN_IMPL_H
#define PE_RECIPE_RUN_IMPL_H

#include "lib/recipe/recipe_impl.h"

/* From the dense model, step by step. Results of steps lie in FOLDER/KEY/checkpoint; only the last
 * step's provenance names the recipe, so that the others can be shared between recipes. */
typedef struct pe_chain {
    const pe_recipe *r;
    char *folder; /* cache, or a temporary one */
    bool temporary;
    char *git;       /* JSON text of the last step's provenance */
    size_t last;     /* index of the step that writes the final checkpoint */
    size_t index;    /* of the next step */
    char *at;        /* current checkpoint */
    char digest[33]; /* its digest; "" when not known */
    char key[33];    /* of the step looked at last */
    char *next;      /* where its result lies or will lie */
} pe_chain;

/* folder NULL: the cache's place. no_cache: a temporary folder next to `beside`, removed after. */
pe_status pe_chain_open(pe_chain *c, const pe_recipe *r, const json_t *git, const char *folder,
                        bool no_cache, const char *beside, pe_error *err);
void pe_chain_close(pe_chain *c);
/* Key and place of a step's result, and whether it is there, whole. */
pe_status pe_chain_look(bool *cached, pe_chain *c, const pe_step *s, pe_error *err);
/* Makes what pe_chain_look did not find. *report: JSON of the pass, from malloc. */
pe_status pe_chain_make(char **report, pe_chain *c, const pe_step *s, pe_pool *pool,
                        pe_progress progress, pe_error *err);
/* On to the next step; known: its input is what was looked at or made. */
void pe_chain_advance(pe_chain *c, const pe_step *s, bool known);

/* pe_git_describe with the recipe's own inputs. */
pe_status pe_recipe_git(json_t **out, char **note, const pe_recipe *r, pe_error *err);

#endif
