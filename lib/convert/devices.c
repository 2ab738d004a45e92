/* lib/convert/devices.c - pe_list_devices: what can execute models on this machine.
 * Read next: kernels/cpu.h. */
#include <pe/convert.h>

#include "kernels/cpu.h"
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

pe_status pe_list_devices(char **json, pe_error *err)
{
    unsigned features = 0;
    *json = NULL;
    pe_status st = pe_cpu_features(&features, err);
    if (st) return st;
    json_t *o =
        json_pack("{ss s[{ss sb ss so so si} {ss sb ss}]}", "schema", "pe.devices/1", "devices",
                  "device", "cpu", "available", 1, "level", pe_cpu_level(), "levels",
                  levels_json(features), "features", features_json(pe_cpu_detect()), "cores",
                  pe_ncores(), "device", "cuda", "available", 0, "why",
                  "no GPU plugin is present: this version of pe executes on the CPU");
    if (o) *json = pe_json_text(o, 2);
    json_decref(o);
    return *json ? PE_OK : pe_fail_nomem(err, "device list", 0);
}
