/* tools/pe-prune.c - `pe-prune MODEL -o OUT`: zero the least important weights of a checkpoint.
 * Read next: docs/pe-prune.md, lib/prune/prune.c. */
#include <pe/prune.h>

#include <string.h>

#include "tools/common/pass_report.h"

static pe_prune_params params;
static pe_picks picks;

static const pe_option options[] = {
    { "sparsity", 's', PE_OPT_NUMBER, &params.sparsity, "SHARE",
      "share of the weights to be zero, as 0.6", 0, 0 },
    { "pattern", 'p', PE_OPT_STRING, &params.pattern, "PATTERN",
      "2:4 keeps 2 of every 4 inputs; 1x4 zeroes whole blocks", 0, 0 },
    { "scope", 0, PE_OPT_STRING, &params.scope, "SCOPE",
      "layer (default): each matrix; global: all together; row: each output", 0, 0 },
    { "method", 0, PE_OPT_STRING, &params.method, "NAME", "magnitude (default)", 0, 0 },
    { "layout", 0, PE_OPT_STRING, &params.layout, "LAYOUT",
      "auto (default, fewest bytes), dense, bitmask, block4, 2of4, csr, bsr, blocked-ell", 0, 0 },
    { "only", 0, PE_OPT_ONLY, &picks, "GLOB", "prune only modules with such names; repeatable", 0,
      0 },
    { "skip", 0, PE_OPT_SKIP, &picks, "GLOB", "leave modules with such names alone; repeatable", 0,
      0 },
    { "sha256", 0, PE_OPT_FLAG, &params.sha256, 0, "SHA-256 of the weights file in the report, too",
      0, 0 },
    { "seed", 0, PE_OPT_INT, &pe_common_opts.seed, "N",
      "recorded; magnitude draws nothing at random", 0, 0 },
    PE_OUTPUT_OPTIONS,
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-prune",
    .usage = "MODEL -o OUT (--sparsity SHARE | --pattern N:M) [options]",
    .summary = "Zero the least important weights of a model and store the rest in fewer bytes.",
    .examples = "  pe-prune model -o out --sparsity 0.6 --scope global\n"
                "  pe-prune model -o out --pattern 2:4\n"
                "  pe-prune model -o out --sparsity 0.8 --pattern 1x4 --skip '*.query'\n"
                "  pe-prune model --sparsity 0.5 --dry-run\n",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .min_operands = 1,
    .max_operands = 1,
};

static const pe_cell cells[] = {
    { "name", "module", PE_CELL_TEXT },
    { "shape", "shape", PE_CELL_TEXT },
    { "layout", "layout", PE_CELL_TEXT },
    { "bytes_before", "before", PE_CELL_BYTES },
    { "bytes_after", "after", PE_CELL_BYTES },
    { "sparsity", "zero", PE_CELL_SHARE },
    { "block_sparsity", "zero blocks", PE_CELL_SHARE },
};

int main(int argc, char **argv)
{
    pe_strings operands;
    pe_error err = { 0 };
    char *report = NULL;

    params.sparsity = -1;
    operands = pe_tool_start(&command, argc, argv);
    if (params.sparsity == -1 && (params.pattern == NULL || strchr(params.pattern, ':') == NULL))
        pe_tool_usage(
            "how sparse? expected --sparsity 0.6, or a pattern that says it, as --pattern 2:4");
    if (params.sparsity == -1) params.sparsity = 0;
    if (pe_common_opts.output == NULL && !pe_common_opts.dry_run)
        pe_tool_usage("where to? expected -o OUT");
    params.picks = picks.v;
    params.npicks = picks.n;
    params.seed = (uint64_t)pe_common_opts.seed;
    params.replace = pe_common_opts.force;
    params.dry_run = pe_common_opts.dry_run;
    params.max_ram = pe_common_opts.max_ram;
    params.device = pe_common_opts.device;
    params.max_vram = pe_common_opts.max_vram;
    params.pool = pe_tool_pool();
    params.progress = pe_tool_progress();
    if (pe_prune_checkpoint(&report, operands.v[0], pe_common_opts.output, &params, &err))
        pe_tool_fail(&err);
    pe_show_report(report, cells, sizeof cells / sizeof *cells, pe_common_opts.output);
    return pe_tool_finish(PE_OK);
}
