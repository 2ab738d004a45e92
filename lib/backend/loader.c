/* lib/backend/loader.c - finds a device plugin beside the library or the tools, loads it once, and
 * checks that it speaks the same language. Never looked for in the working directory. Read next:
 * lib/backend/plugin.h. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/backend/plugin.h"
#include "lib/base/error.h"

typedef struct slot { /* one kind of plugin */
    const char *kind, *file;
    const pe_plugin *plugin;
    bool tried;
    pe_error why; /* of the one attempt */
} slot;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static slot slots[] = { { .kind = "cuda", .file = "libpe-cuda.so" },
                        { .kind = "emu", .file = "libpe-emu.so" } };
enum { NSLOTS = sizeof slots / sizeof *slots };

/* The folder of the file that holds this code: the tool, or libpe.so. */
static bool own_folder(char out[PATH_MAX])
{
    Dl_info info;
    char path[PATH_MAX];
    static const char here;
    if (!dladdr(&here, &info) || !info.dli_fname || !realpath(info.dli_fname, path)) {
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        if (n <= 0) return false;
        path[n] = 0;
    }
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = 0;
    memcpy(out, path, strlen(path) + 1);
    return true;
}

/* PE_PLUGIN_DIR (absolute) alone; without it, in order: pe/ beside libpe.so, ../lib/pe beside a
 * tool.
 */
static bool place(char out[PATH_MAX], int i, const char *file)
{
    char own[PATH_MAX];
    const char *dir = getenv("PE_PLUGIN_DIR");
    int n = -1;
    if (dir && dir[0] == '/') n = i ? -1 : snprintf(out, PATH_MAX, "%s/%s", dir, file);
    else if (own_folder(own))
        n = snprintf(out, PATH_MAX, i ? "%s/../lib/pe/%s" : "%s/pe/%s", own, file);
    return n > 0 && n < PATH_MAX;
}
enum { NPLACES = 2 };

static pe_status another_version(const char *what, pe_error *err)
{
    return pe_fail(err, PE_E_UNSUPPORTED,
                   "%s: made for another version of pe; install the plugin that belongs to %s",
                   what, pe_version());
}

static pe_status check_table(const pe_plugin *p, const char *path, pe_error *err)
{
    bool fits = p && p->struct_size >= sizeof *p && p->abi == PE_PLUGIN_ABI && p->pass &&
                p->pass->struct_size >= sizeof *p->pass;
    return fits ? PE_OK : another_version(path, err);
}

static pe_status load(slot *s, pe_error *err)
{
    char path[PATH_MAX], where[PATH_MAX] = "";
    void *handle = NULL;
    for (int i = 0; i < NPLACES && !handle; i++) {
        if (!place(path, i, s->file) || access(path, F_OK)) continue;
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle) return pe_fail(err, PE_E_UNSUPPORTED, "device %s: %s", s->kind, dlerror());
    }
    if (!handle) {
        if (!place(where, 1, s->file) && !place(where, 0, s->file))
            snprintf(where, sizeof where, "%s", s->file);
        return pe_fail(
            err, PE_E_UNSUPPORTED,
            "device %s: the plugin %s is not installed (looked for %.600s); %s, or leave "
            "--device out",
            s->kind, s->file, where,
            strcmp(s->kind, "emu") == 0 ? "make emu builds it" : "make CUDA=1 install adds it");
    }
    pe_plugin_entry_fn *entry;
    *(void **)&entry = dlsym(handle, PE_PLUGIN_ENTRY);
    if (!entry) return pe_fail(err, PE_E_UNSUPPORTED, "%s: not a plugin of pe", path);
    const pe_plugin *p = entry();
    pe_status st = check_table(p, path, err);
    if (!st) s->plugin = p;
    return st;
}

pe_status pe_plugin_load(const pe_plugin **out, const char *kind, pe_error *err)
{
    slot *s = NULL;
    for (size_t i = 0; i < NSLOTS; i++)
        if (strcmp(slots[i].kind, kind) == 0) s = &slots[i];
    if (!s)
        return pe_fail(err, PE_E_ARG, "device '%.40s': expected cpu, cuda, cuda:N, emu or auto",
                       kind);
    (void)pthread_mutex_lock(&lock);
    if (!s->tried) (void)load(s, &s->why);
    s->tried = true;
    (void)pthread_mutex_unlock(&lock);
    *out = s->plugin;
    return s->plugin ? PE_OK : pe_fail(err, s->why.status, "%s", s->why.text);
}

/* ---- backends -------------------------------------------------------------------------------- */

typedef struct opened { /* a backend of a plugin, for pe_plugin_of */
    const pe_backend *backend;
    const pe_plugin *plugin;
} opened;
static opened known[16];
static size_t nknown;

static void remember(const pe_backend *b, const pe_plugin *p)
{
    (void)pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < nknown && known[i].backend != b) i++;
    if (i == nknown && nknown < sizeof known / sizeof *known) known[nknown++] = (opened){ b, p };
    (void)pthread_mutex_unlock(&lock);
}

const pe_plugin *pe_plugin_of(const pe_backend *b)
{
    const pe_plugin *p = NULL;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < nknown; i++)
        if (known[i].backend == b) p = known[i].plugin;
    (void)pthread_mutex_unlock(&lock);
    return p;
}

/* File names are made of it: what is no letter or digit becomes '-'. */
void pe_backend_identity(pe_identity *out, const pe_backend *b)
{
    const pe_plugin *p = pe_plugin_of(b);
    pe_device_info info;
    const char *colon = strchr(b->name, ':');
    *out = (pe_identity){ 0 };
    snprintf(out->text, sizeof out->text, "%s", b->level ? b->level : b->name);
    if (!p || p->describe(&info, colon ? (int)strtol(colon + 1, NULL, 10) : 0, NULL)) return;
    snprintf(out->device, sizeof out->device, "%s", info.name);
    snprintf(out->driver, sizeof out->driver, "CUDA %d.%d%s%s", info.driver / 1000,
             info.driver % 1000 / 10, info.driver_name[0] ? ", " : "", info.driver_name);
    snprintf(out->text, sizeof out->text, "%s-%d-%s", info.name, info.driver, info.driver_name);
    for (char *at = out->text; *at; at++)
        if (!(*at >= 'a' && *at <= 'z') && !(*at >= 'A' && *at <= 'Z') &&
            !(*at >= '0' && *at <= '9'))
            *at = '-';
}

static pe_status open_device(const pe_backend **out, const char *kind, int index,
                             uint64_t max_nbytes, pe_error *err)
{
    const pe_plugin *p;
    char name[32];
    int n = 0;
    pe_status st = pe_plugin_load(&p, kind, err);
    if (!st) st = p->count(&n, err);
    if (!st && index >= n)
        st = pe_fail(err, PE_E_UNSUPPORTED, "device %s:%d: there %s %d; try %s:0", kind, index,
                     n == 1 ? "is" : "are", n, kind);
    snprintf(name, sizeof name, "%s:%d", kind, index);
    if (strcmp(kind, "emu") == 0 && index == 0) name[3] = 0;
    if (!st) st = p->open(out, name, index, max_nbytes, err);
    if (!st && ((*out)->struct_size < sizeof **out || (*out)->abi != PE_BACKEND_ABI))
        st = another_version(name, err);
    if (!st) remember(*out, p);
    return st;
}

pe_status pe_backend_get(const pe_backend **out, const char *device, uint64_t max_nbytes,
                         pe_error *err)
{
    pe_error why;
    if (!device || strcmp(device, "cpu") == 0) return pe_backend_cpu(out, err);
    if (strcmp(device, "auto") == 0)
        return open_device(out, "cuda", 0, max_nbytes, &why) ? pe_backend_cpu(out, err) : PE_OK;
    if (strncmp(device, "cuda:", 5) == 0)
        return open_device(out, "cuda", (int)strtol(device + 5, NULL, 10), max_nbytes, err);
    if (strncmp(device, "emu:", 4) == 0)
        return open_device(out, "emu", (int)strtol(device + 4, NULL, 10), max_nbytes, err);
    return open_device(out, device, 0, max_nbytes, err);
}
