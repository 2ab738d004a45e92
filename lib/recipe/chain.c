/* lib/recipe/chain.c - where the result of each step lies, found or made.
 * Read next: lib/recipe/run.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/recipe/run_impl.h"

pe_status pe_recipe_git(json_t **out, char **note, const pe_recipe *r, pe_error *err)
{
    const char **inputs = NULL;
    size_t n = 0;
    pe_status st = pe_recipe_inputs(&inputs, &n, r, err);

    if (!st) st = pe_git_describe(out, note, r, inputs, n, err);
    free(inputs);
    return st;
}

static pe_status temporary_folder(char **out, const char *beside, pe_error *err)
{
    const char *slash = strrchr(beside, '/');
    int n = slash ? (int)(slash - beside) + 1 : 0;

    if (asprintf(out, "%.*s.pe-steps-XXXXXX", n, beside) < 0) {
        *out = NULL;
        return pe_fail_nomem(err, "path", 64);
    }
    if (mkdtemp(*out)) return PE_OK;
    return pe_fail_errno(err, PE_E_WRITE, "%s: cannot be created", *out);
}

pe_status pe_chain_open(pe_chain *c, const pe_recipe *r, const json_t *git, const char *folder,
                        bool no_cache, const char *beside, pe_error *err)
{
    pe_status st;

    memset(c, 0, sizeof *c);
    c->r = r;
    for (size_t i = 0; i < r->nsteps; i++)
        if (r->steps[i].op != PE_STEP_EVAL) c->last = i;
    c->at = strdup(r->model);
    c->git = json_dumps(git, JSON_SORT_KEYS | JSON_COMPACT);
    if (!c->at || !c->git) return pe_fail_nomem(err, "path", strlen(r->model));
    if (no_cache) {
        st = temporary_folder(&c->folder, beside, err);
        c->temporary = st == PE_OK;
    } else {
        st = pe_cache_folder(&c->folder, folder, err);
    }
    if (!st) st = pe_tree_digest(c->digest, r->model, err);
    return st;
}

void pe_chain_close(pe_chain *c)
{
    if (c->temporary) pe_tree_remove(c->folder, NULL);
    free(c->folder);
    free(c->git);
    free(c->at);
    free(c->next);
    memset(c, 0, sizeof *c);
}

pe_status pe_chain_look(bool *cached, pe_chain *c, const pe_step *s, pe_error *err)
{
    const char *git = c->index == c->last ? c->git : NULL;
    char digest[33];
    pe_status st;

    *cached = false;
    if (s->op == PE_STEP_EVAL) return PE_OK;
    st = pe_step_key(c->key, c->r, s, c->digest, git, err);
    if (st) return st;
    free(c->next);
    if (asprintf(&c->next, "%s/%s/checkpoint", c->folder, c->key) < 0) {
        c->next = NULL;
        return pe_fail_nomem(err, "path", strlen(c->folder) + 64);
    }
    st = pe_cache_find(cached, digest, c->next, err);
    if (!st && *cached) memcpy(c->digest, digest, sizeof digest);
    return st;
}

pe_status pe_chain_make(char **report, pe_chain *c, const pe_step *s, pe_pool *pool,
                        pe_progress progress, pe_error *err)
{
    const char *git = c->index == c->last ? c->git : NULL;
    char *folder = strndup(c->next, strlen(c->next) - strlen("/checkpoint"));
    pe_status st = folder ? pe_make_dirs(folder, err) : pe_fail_nomem(err, "path", 64);

    free(folder);
    if (!st) st = pe_step_run(report, c->r, s, c->at, c->next, git, pool, progress, err);
    return st ? st : pe_cache_keep(c->digest, c->next, err);
}

void pe_chain_advance(pe_chain *c, const pe_step *s, bool known)
{
    c->index++;
    if (s->op == PE_STEP_EVAL) return;
    if (!known) c->digest[0] = 0;
    free(c->at);
    c->at = c->next;
    c->next = NULL;
}
