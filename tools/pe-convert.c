/* tools/pe-convert.c - `pe-convert MODEL -o OUT`: the same weights in another layout or type.
 * Read next: docs/pe-convert.md, lib/convert/convert.c. */
#include <pe/convert.h>

#include "tools/common/pass_report.h"

static pe_convert_params params;
static pe_picks picks;
static int64_t block;

static const pe_option options[] = {
    { "layout", 0, PE_OPT_STRING, &params.layout, "LAYOUT",
      "auto (fewest bytes), dense, bitmask, block4, 2of4, csr, bsr, blocked-ell", 0, 0 },
    { "dtype", 0, PE_OPT_STRING, &params.dtype, "TYPE", "f32, bf16 or f16; int8 becomes floats", 0,
      0 },
    { "block", 0, PE_OPT_INT, &block, "N", "edge of bsr and blocked-ell blocks (default 16)", 1,
      1024 },
    { "only", 0, PE_OPT_ONLY, &picks, "GLOB", "convert only modules with such names; repeatable", 0,
      0 },
    { "skip", 0, PE_OPT_SKIP, &picks, "GLOB", "leave modules with such names alone; repeatable", 0,
      0 },
    { "sha256", 0, PE_OPT_FLAG, &params.sha256, 0, "SHA-256 of the weights file in the report, too",
      0, 0 },
    PE_OUTPUT_OPTIONS,
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-convert",
    .usage = "MODEL -o OUT [--layout LAYOUT] [--dtype TYPE] [options]",
    .summary = "Store a model in another layout or number type; layouts lose nothing, both ways.",
    .examples = "  pe-convert pruned -o small --layout auto\n"
                "  pe-convert small -o dense --layout dense\n"
                "  pe-convert int8 -o float --dtype f32\n"
                "  pe-convert model -o half --dtype bf16 --skip '*embeddings*'\n"
                "  pe-convert shards -o one\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 1,
    .max_operands = 1,
};

static const pe_cell cells[] = {
    { "name", "module", PE_CELL_TEXT },          { "shape", "shape", PE_CELL_TEXT },
    { "dtype_before", "was", PE_CELL_TEXT },     { "dtype", "is", PE_CELL_TEXT },
    { "layout_before", "was", PE_CELL_TEXT },    { "layout", "layout", PE_CELL_TEXT },
    { "bytes_before", "before", PE_CELL_BYTES }, { "bytes_after", "after", PE_CELL_BYTES },
};

int main(int argc, char **argv)
{
    pe_strings operands = pe_tool_start(&command, argc, argv);
    pe_error err = { 0 };
    char *report = NULL;

    if (!pe_common_opts.output && !pe_common_opts.dry_run)
        pe_tool_usage("where to? expected -o OUT");
    params.block = (uint32_t)block;
    params.picks = picks.v;
    params.npicks = picks.n;
    params.replace = pe_common_opts.force;
    params.dry_run = pe_common_opts.dry_run;
    params.pool = pe_tool_pool();
    params.progress = pe_tool_progress();
    if (pe_convert_checkpoint(&report, operands.v[0], pe_common_opts.output, &params, &err))
        pe_tool_fail(&err);
    pe_show_report(report, cells, sizeof cells / sizeof *cells, pe_common_opts.output);
    return pe_tool_finish(PE_OK);
}
