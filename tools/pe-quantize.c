/* tools/pe-quantize.c - `pe-quantize MODEL -o OUT`: weights, and activations, to int8.
 * Read next: docs/pe-quantize.md, lib/quant/quant.c. */
#include <pe/quant.h>

#include <stdlib.h>

#include "tools/common/pass_report.h"

static pe_quant_params params;
static pe_picks picks;
static pe_strings keep_float;
static int64_t calib_rows;

static const pe_option options[] = {
    { "scheme", 0, PE_OPT_STRING, &params.scheme, "NAME",
      "w8a8 (default): weights and activations; w8a16: weights only", 0, 0 },
    { "activations", 0, PE_OPT_STRING, &params.activations, "HOW",
      "dynamic (default): a scale for every token; static: one, from --calib", 0, 0 },
    { "attention", 0, PE_OPT_STRING, &params.attention, "HOW",
      "int8 (default with w8a8) or float: scores and weighted sums of attention", 0, 0 },
    { "calib", 0, PE_OPT_STRING, &params.calib, "FILE",
      "data for static ranges and the error report (.tsv .csv .jsonl .txt, .gz)", 0, 0 },
    { "calib-rows", 0, PE_OPT_INT, &calib_rows, "N", "rows to use, evenly spread (default 512)", 1,
      1e9 },
    { "text", 0, PE_OPT_STRING, &params.calib_data.text, "COLUMN",
      "text column of the data (default text)", 0, 0 },
    { "text2", 0, PE_OPT_STRING, &params.calib_data.text2, "COLUMN", "second text, for pairs", 0,
      0 },
    { "range", 0, PE_OPT_STRING, &params.range, "RULE",
      "static range: absmax (default), percentile:99.99, mse", 0, 0 },
    { "symmetric", 0, PE_OPT_FLAG, &params.symmetric, 0,
      "static without the zero points that one-sided inputs get, as after GELU", 0, 0 },
    { "embeddings", 0, PE_OPT_FLAG, &params.embeddings, 0,
      "the word table, too, a scale for every row", 0, 0 },
    { "keep-float", 0, PE_OPT_STRINGS, &keep_float, "GLOB", "modules that stay float; repeatable",
      0, 0 },
    { "max-error", 0, PE_OPT_NUMBER, &params.max_error, "E",
      "modules with a larger relative output error on --calib stay float", 0, 0 },
    { "layout", 0, PE_OPT_STRING, &params.layout, "LAYOUT",
      "auto (default for pruned models), dense, bitmask, block4, 2of4, csr, bsr, blocked-ell", 0,
      0 },
    { "only", 0, PE_OPT_ONLY, &picks, "GLOB", "quantize only modules with such names; repeatable",
      0, 0 },
    { "skip", 0, PE_OPT_SKIP, &picks, "GLOB", "leave modules with such names float; repeatable", 0,
      0 },
    { "sha256", 0, PE_OPT_FLAG, &params.sha256, 0, "SHA-256 of the weights file in the report, too",
      0, 0 },
    { "seed", 0, PE_OPT_INT, &pe_common_opts.seed, "N", "recorded; nothing is drawn at random", 0,
      0 },
    PE_OUTPUT_OPTIONS,
    PE_COMMON_OPTIONS,
};

static const pe_command command = {
    .name = "pe-quantize",
    .usage = "MODEL -o OUT [options]",
    .summary = "Store the weights of a model as int8, and let its activations be int8.",
    .examples = "  pe-quantize model -o out\n"
                "  pe-quantize model -o out --activations static --calib calib.tsv --range "
                "percentile:99.99\n"
                "  pe-quantize model -o out --calib calib.tsv --max-error 0.05\n"
                "  pe-quantize pruned -o out --skip '*.layer.0.*'\n",
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
    { "scale_min", "scale from", PE_CELL_NUMBER },
    { "scale_max", "to", PE_CELL_NUMBER },
    { "input_scale", "input scale", PE_CELL_NUMBER },
    { "input_zero_point", "zero", PE_CELL_NUMBER },
    { "saturated", "saturated", PE_CELL_SHARE },
    { "error", "error", PE_CELL_SHARE },
};

/* Globs of --keep-float as picks. */
static void set_keep_float(void)
{
    pe_pick *list = calloc(keep_float.n + 1, sizeof *list);
    pe_error err = { .status = PE_E_NOMEM, .text = "arguments: out of memory" };

    if (list == NULL) pe_tool_fail(&err);
    for (size_t i = 0; i < keep_float.n; i++) list[i].glob = keep_float.v[i];
    params.keep_float = list;
    params.nkeep_float = keep_float.n;
}

int main(int argc, char **argv)
{
    pe_strings operands = pe_tool_start(&command, argc, argv);
    pe_error err = { 0 };
    char *report = NULL;

    if (pe_common_opts.output == NULL && !pe_common_opts.dry_run)
        pe_tool_usage("where to? expected -o OUT");
    set_keep_float();
    params.picks = picks.v;
    params.npicks = picks.n;
    params.calib_rows = (size_t)calib_rows;
    params.seed = (uint64_t)pe_common_opts.seed;
    params.replace = pe_common_opts.force;
    params.dry_run = pe_common_opts.dry_run;
    params.max_ram = pe_common_opts.max_ram;
    params.device = pe_common_opts.device;
    params.max_vram = pe_common_opts.max_vram;
    params.pool = pe_tool_pool();
    params.progress = pe_tool_progress();
    if (pe_quantize_checkpoint(&report, operands.v[0], pe_common_opts.output, &params, &err))
        pe_tool_fail(&err);
    pe_show_report(report, cells, sizeof cells / sizeof *cells, pe_common_opts.output);
    return pe_tool_finish(PE_OK);
}
