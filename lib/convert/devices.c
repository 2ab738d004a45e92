/* lib/convert/devices.c - pe_list_devices: what can execute models on this machine.
 * Read next: kernels/cpu.h. */
#include <pe/convert.h>

#include <stdio.h>
#include <string.h>

#include "kernels/cpu.h"
#include "lib/backend/plugin.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/ncores.h"

static json_t *levels_json(unsigned features)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pe_cpu_nlevels; i++)
        if ((pe_cpu_levels[i].features & ~features) == 0)
            json_array_append_new(list, json_string(pe_cpu_levels[i].name));
    return list;
}

static json_t *features_json(unsigned features)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {
        { PE_CPU_AVX2, "avx2+fma+f16c" },      { PE_CPU_AVXVNNI, "avx-vnni" },
        { PE_CPU_AVX512, "avx512f+bw+vl+dq" }, { PE_CPU_VNNI, "avx512-vnni" },
        { PE_CPU_VBMI2, "avx512-vbmi2" },      { PE_CPU_AMX, "amx-int8" },
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (features & names[i].bit) json_array_append_new(list, json_string(names[i].name));
    return list;
}

static json_t *cpu_json(unsigned features)
{
    return json_pack("{ss sb ss so so si}", "device", "cpu", "available", 1, "level",
                     pe_cpu_level(), "levels", levels_json(features), "features",
                     features_json(pe_cpu_detect()), "cores", pe_ncores());
}

static json_t *missing_json(const char *kind, const char *why)
{
    return json_pack("{ss sb ss}", "device", kind, "available", 0, "why", why);
}

/* CUDA writes 13000 for 13.0. */
static void version_text(char out[16], int version)
{
    snprintf(out, 16, "%d.%d", version / 1000, version % 1000 / 10);
}

/* Parameters of a model whose weights take all of that memory, as they are executed. */
static json_t *fits_json(uint64_t nbytes)
{
    json_int_t n = (json_int_t)nbytes;
    return json_pack("{sI sI sI sI}", "f32", n / 4, "bf16", n / 2, "f16", n / 2, "int8", n);
}

static json_t *device_json(const char *kind, int i, const pe_device_info *d)
{
    char name[32], driver[16], runtime[16];
    snprintf(name, sizeof name, "%s:%d", kind, i);
    version_text(driver, d->driver);
    version_text(runtime, d->runtime);
    json_t *o = json_pack("{ss sb ss ss sI sI si ss ss ss}", "device",
                          strcmp(kind, "emu") == 0 ? kind : name, "available", !d->advice[0],
                          "name", d->name, "level", d->arch, "memory", (json_int_t)d->total_nbytes,
                          "free", (json_int_t)d->free_nbytes, "multiprocessors", d->multiprocessors,
                          "driver_cuda", driver, "runtime_cuda", runtime, "driver", d->driver_name);
    if (d->free_nbytes) json_object_set_new(o, "fits", fits_json(d->free_nbytes));
    if (d->busy_percent >= 0) json_object_set_new(o, "busy_percent", json_integer(d->busy_percent));
    if (d->advice[0]) json_object_set_new(o, "why", json_string(d->advice));
    return o;
}

/* The devices of a plugin, or why there are none. */
static void add_plugin(json_t *list, const char *kind)
{
    const pe_plugin *p = NULL;
    pe_device_info info;
    pe_error why = { 0 };
    int n = 0;
    if (pe_plugin_load(&p, kind, &why) || p->count(&n, &why)) {
        json_array_append_new(list, missing_json(kind, why.text));
        return;
    }
    for (int i = 0; i < n; i++) {
        if (p->describe(&info, i, &why)) json_array_append_new(list, missing_json(kind, why.text));
        else json_array_append_new(list, device_json(kind, i, &info));
    }
}

pe_status pe_list_devices(char **json, pe_error *err)
{
    unsigned features = 0;
    *json = NULL;
    pe_status st = pe_cpu_features(&features, err);
    if (st) return st;
    json_t *list = json_array();
    json_array_append_new(list, cpu_json(features));
    add_plugin(list, "cuda");
    add_plugin(list, "emu");
    json_t *o = json_pack("{ss so}", "schema", "pe.devices/1", "devices", list);
    if (o) *json = pe_json_text(o, 2);
    json_decref(o);
    return *json ? PE_OK : pe_fail_nomem(err, "device list", 0);
}
