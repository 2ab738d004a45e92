/* lib/recipe/gitinfo.c - blob, commit and dirty state of a recipe, read by libgit2 and never
 * changed. Only the recipe and its inputs are compared, by their bytes: a status of the whole work
 * tree would depend on filters and indexes that libgit2 does not know. Read next:
 * docs/pe-recipe.md. */
#include <dirent.h>
#include <git2.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/recipe/recipe_impl.h"

#define LFS_HEAD "version https://git-lfs.github.com/spec/v1\n"

typedef struct repo {
    git_repository *git;
    git_commit *commit; /* NULL: no commit yet */
    git_tree *tree;
    char root[PATH_MAX]; /* real path, ends with a slash */
    json_t *changed;
} repo;

/* Path inside the work tree, NULL outside. */
static const char *inside(const repo *g, const char *path, char real[PATH_MAX])
{
    size_t n = strlen(g->root);

    if (!realpath(path, real) || strncmp(real, g->root, n) != 0) return NULL;
    return real + n;
}

/* A large file in git is a pointer that names the SHA-256 of the bytes. */
static bool same_as_pointer(const char *blob, size_t n, const char *path)
{
    char sha[PE_SHA256_TEXT], want[80];
    const char *oid = n < 1024 ? strstr(blob, "oid sha256:") : NULL;

    if (!oid || strncmp(blob, LFS_HEAD, strlen(LFS_HEAD)) != 0) return false;
    snprintf(want, sizeof want, "%.64s", oid + 11);
    return pe_sha256_file(sha, path, NULL) == PE_OK && strcmp(sha, want) == 0;
}

/* Does the commit hold these very bytes? Files that it does not hold at all do not count. */
static bool is_changed(const repo *g, const char *path, const char *name)
{
    git_tree_entry *e = NULL;
    git_blob *blob = NULL;
    git_oid id;
    bool changed;

    if (!g->tree || git_tree_entry_bypath(&e, g->tree, name) != 0) return false;
    changed = git_odb_hashfile(&id, path, GIT_OBJECT_BLOB) != 0 ||
              !git_oid_equal(&id, git_tree_entry_id(e));
    if (changed && git_blob_lookup(&blob, g->git, git_tree_entry_id(e)) == 0) {
        char text[1024];
        size_t n = (size_t)git_blob_rawsize(blob);
        if (n < sizeof text) {
            memcpy(text, git_blob_rawcontent(blob), n);
            text[n] = 0;
            if (same_as_pointer(text, n, path)) changed = false;
        }
        git_blob_free(blob);
    }
    git_tree_entry_free(e);
    return changed;
}

static void look_at_file(repo *g, const char *path)
{
    char real[PATH_MAX];
    const char *name = inside(g, path, real);

    if (name && is_changed(g, real, name)) json_array_append_new(g->changed, json_string(name));
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void look_at(repo *g, const char *path)
{
    struct dirent **list = NULL;
    struct stat s;
    int n;

    if (stat(path, &s) != 0) return;
    if (!S_ISDIR(s.st_mode)) {
        look_at_file(g, path);
        return;
    }
    n = scandir(path, &list, visible, alphasort);
    for (int i = 0; i < n; i++) {
        char full[PATH_MAX];
        if (snprintf(full, sizeof full, "%s/%s", path, list[i]->d_name) < (int)sizeof full &&
            stat(full, &s) == 0 && S_ISREG(s.st_mode))
            look_at_file(g, full);
        free(list[i]);
    }
    if (n >= 0) free(list);
}

/* Folder above `path` that has a .git; for the advice when libgit2 does not say which. */
static void find_root(char out[PATH_MAX], const char *path)
{
    char real[PATH_MAX], probe[PATH_MAX + 8];

    if (!realpath(path, real)) snprintf(real, sizeof real, "%s", path);
    snprintf(out, PATH_MAX, "%s", real);
    for (char *slash = real + strlen(real); slash && slash > real; slash = strrchr(real, '/')) {
        *slash = 0;
        snprintf(probe, sizeof probe, "%s/.git", real);
        if (access(probe, F_OK) != 0) continue;
        snprintf(out, PATH_MAX, "%s", real);
        return;
    }
}

/* libgit2 1.5 tells a foreign owner as -36, or as "not found" about safe.directory. */
static char *open_note(int code, const char *folder)
{
    const git_error *e = git_error_last();
    const char *text = e && e->message ? e->message : "no reason given";
    char root[PATH_MAX], *note = NULL;
    bool owner = code == GIT_EOWNER || strstr(text, "safe.directory");
    int n = 0;

    if (code == GIT_ENOTFOUND && !owner) return NULL; /* simply not in a repository */
    if (owner) {
        find_root(root, folder);
        n = asprintf(&note,
                     "git: the repository belongs to another user, so the recipe's commit is not "
                     "recorded; to trust it: git config --global --add safe.directory %s",
                     root);
    } else {
        n = asprintf(&note, "git: %s; the recipe's commit is not recorded", text);
    }
    return n < 0 ? NULL : note;
}

static void open_head(repo *g)
{
    git_reference *head = NULL;
    git_object *o = NULL;

    if (git_repository_head(&head, g->git) == 0 &&
        git_reference_peel(&o, head, GIT_OBJECT_COMMIT) == 0) {
        g->commit = (git_commit *)o;
        if (git_commit_tree(&g->tree, g->commit) != 0) g->tree = NULL;
    }
    git_reference_free(head);
}

static void describe(repo *g, json_t *out, const pe_recipe *r, const git_oid *blob,
                     const char *const *inputs, size_t ninputs)
{
    char real[PATH_MAX];
    const char *name = inside(g, r->path, real);
    git_tree_entry *e = NULL;
    bool dirty = true;

    g->changed = json_array();
    if (name) json_object_set_new(out, "path", json_string(name));
    if (g->commit)
        json_object_set_new(out, "commit", json_string(git_oid_tostr_s(git_commit_id(g->commit))));
    if (name && g->tree && git_tree_entry_bypath(&e, g->tree, name) == 0)
        dirty = !git_oid_equal(git_tree_entry_id(e), blob);
    git_tree_entry_free(e);
    if (dirty && name) json_array_append_new(g->changed, json_string(name));
    for (size_t i = 0; i < ninputs; i++) look_at(g, inputs[i]);
    json_object_set_new(out, "dirty", json_boolean(json_array_size(g->changed) > 0));
    if (json_array_size(g->changed)) json_object_set(out, "changed", g->changed);
    json_decref(g->changed);
}

static void allow_extensions(void)
{
    const char *extensions[] = { "worktreeconfig", "relativeworktrees", "preciousobjects" };

    git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, sizeof extensions / sizeof *extensions);
}

pe_status pe_git_describe(json_t **out, char **note, const pe_recipe *r, const char *const *inputs,
                          size_t ninputs, pe_error *err)
{
    repo g = { 0 };
    git_oid blob;
    int code;

    *note = NULL;
    *out = json_object();
    if (!*out) return pe_fail_nomem(err, "provenance", 256);
    if (git_libgit2_init() < 0) return pe_fail(err, PE_E_UNSUPPORTED, "libgit2: cannot start");
    allow_extensions();
    if (git_odb_hash(&blob, r->text, r->nbytes, GIT_OBJECT_BLOB) == 0)
        json_object_set_new(*out, "blob", json_string(git_oid_tostr_s(&blob)));
    code = git_repository_open_ext(&g.git, r->folder, 0, NULL);
    if (code != 0) {
        *note = open_note(code, r->folder);
    } else if (!git_repository_is_bare(g.git) && realpath(git_repository_workdir(g.git), g.root) &&
               strlen(g.root) + 2 < PATH_MAX) {
        if (g.root[strlen(g.root) - 1] != '/') strcat(g.root, "/");
        open_head(&g);
        describe(&g, *out, r, &blob, inputs, ninputs);
    }
    git_tree_free(g.tree);
    git_commit_free(g.commit);
    git_repository_free(g.git);
    git_libgit2_shutdown();
    return PE_OK;
}
