#!/bin/bash
# tests/emu/road.sh - the whole road on the emulated GPU: prune, calibrate, quantize, run and evaluate
# the shipped model with --device emu, beside the CPU. Masks, int8 weights and the hidden states of int8
# models are equal to the byte; where floats are added in cuBLASLt's order, answers and measured scales
# are within 1e-5.
# Read next: docs/gpu.md.
set -u
. tests/emu/checks.sh
gpu=${PE_TEST_DEVICE:-emu} # tests/gpu/run.sh: cuda
plugin_or_skip "the road on the emulated GPU" "$gpu"
model=recipes/sentiment/model
data=recipes/sentiment/data
export XDG_CACHE_HOME="$TMP/cache"
head -65 $data/sentiment-dev.tsv >"$TMP/rows.tsv" # a header and 64 rows
sed 1d "$TMP/rows.tsv" | cut -f2 >"$TMP/texts"
head -8 "$TMP/texts" >"$TMP/few"
head -2 "$TMP/texts" >"$TMP/two"

name_of() { [ "$1" = cpu ] && echo cpu || echo "$gpu"; }
both() { # name, tool, words: the checkpoints that both devices write are equal
    local name=$1 tool=$2 device
    shift 2
    for device in cpu gpu; do
        code_of 0 "$BIN/$tool" "$@" -q -o "$TMP/$device-$name" --device "$(name_of $device)" || return 1
    done
    diff -r "$TMP/cpu-$name" "$TMP/gpu-$name" >"$TMP/diff" || { echo "# $(head -5 "$TMP/diff")"; return 1; }
}
answers() { # model, texts, tolerance, words for the device...: equal or near answers
    local model=$1 texts=$2 most=$3
    shift 3
    code_of 0 "$BIN/pe-run" "$model" --json <"$texts" && mv "$TMP/out" "$TMP/cpu.json" || return 1
    code_of 0 "$BIN/pe-run" "$model" --json --device "$gpu" "$@" <"$texts" || return 1
    near "$TMP/cpu.json" "$TMP/out" "$most"
}
hidden() { # file of --dump: the bytes of all hidden states in it
    local data from to
    data=$((8 + $(od -An -tu8 -N8 "$1")))
    head -c "$data" "$1" | grep -aoE '\.hidden_[0-9]+":\{[^}]*\}' | sed 's/.*\[//; s/\].*//; s/,/ /' |
        while read -r from to; do
            tail -c +$((data + from + 1)) "$1" | head -c $((to - from))
        done
}
same_hidden() { # int8 model
    local device
    for device in cpu gpu; do
        code_of 0 "$BIN/pe-run" "$1" --json --device "$(name_of $device)" --dump "$TMP/$device-dump" <"$TMP/two" || return 1
        hidden "$TMP/$device-dump" >"$TMP/$device-hidden"
    done
    [ -s "$TMP/gpu-hidden" ] && cmp "$TMP/cpu-hidden" "$TMP/gpu-hidden"
}

# selection, patterns and layouts
check prune-layer both p50 pe-prune $model --sparsity 0.5
check prune-global both p30 pe-prune $model --sparsity 0.3 --scope global
check prune-2of4 both p24 pe-prune $model --pattern 2:4 --layout 2of4
check prune-csr both csr pe-prune $model --pattern 1:8 --layout csr
check prune-1x4 both p14 pe-prune $model --sparsity 0.8 --pattern 1x4
check prune-bsr both bsr pe-prune $model --sparsity 0.7 --pattern 16x16 --layout bsr
check prune-ell both ell pe-prune $model --sparsity 0.7 --pattern 16x16 --layout blocked-ell

# codes, scales and ranges
check quantize both q8 pe-quantize $model
check quantize-float-attention both f8 pe-quantize $model --attention float
check quantize-pruned both s8 pe-quantize "$TMP/cpu-p14"
check quantize-bitmask both m8 pe-quantize "$TMP/cpu-p50"
check quantize-w8a16 both w8 pe-quantize $model --scheme w8a16
for device in cpu gpu; do
    check calibrate-$device code_of 0 "$BIN/pe-quantize" $model -q -o "$TMP/$device-st" --activations static \
        --calib $data/sentiment-train.tsv.gz --calib-rows 16 --device "$(name_of $device)"
    awk -F '[:,]' '/"input_(scale|max|min|zero_point)"/ { got = got $2 } /"name"/ { if (got) print $2, got; got = "" }' \
        "$TMP/$device-st/pe-report.json" | sort >"$TMP/$device-ranges"
    grep -E '\.weight(_scale)?"' "$TMP/$device-st/pe-report.json" >"$TMP/$device-codes" # digests
done
check calibrated-codes cmp "$TMP/cpu-codes" "$TMP/gpu-codes"
check calibrated-ranges near "$TMP/cpu-ranges" "$TMP/gpu-ranges" 1e-5
check calibrated-all test "$(wc -l <"$TMP/gpu-ranges")" -eq 24

# answers
check run-f32 answers $model "$TMP/few" 1e-5
check run-int8 answers "$TMP/cpu-q8" "$TMP/texts" 1e-5
check run-float-attention answers "$TMP/cpu-f8" "$TMP/few" 1e-5
check run-static answers "$TMP/cpu-st" "$TMP/few" 1e-5
check run-w8a16 answers "$TMP/cpu-w8" "$TMP/few" 1e-5
check run-int8-blocks answers "$TMP/cpu-s8" "$TMP/few" 1e-5
check run-int8-bitmask answers "$TMP/cpu-m8" "$TMP/few" 1e-5
for int8 in q8 f8 st s8 m8; do
    check hidden-$int8 same_hidden "$TMP/cpu-$int8"
done
for layout in dense csr bsr blocked-ell; do
    check run-as-$layout answers "$TMP/cpu-bsr" "$TMP/few" 1e-5 --exec-layout $layout
done
check run-bf16 answers $model "$TMP/few" 2e-2 --precision bf16
check run-f16 answers $model "$TMP/few" 2e-3 --precision f16
check batch answers "$TMP/cpu-q8" "$TMP/few" 1e-5 --batch 3

# the gate decides the same
for device in cpu gpu; do
    check eval-$device code_of 0 "$BIN/pe-eval" "$TMP/cpu-q8" --data "$TMP/rows.tsv" --json --device "$(name_of $device)"
    grep -A 1 '"accuracy"' "$TMP/out" >"$TMP/$device-accuracy"
done
check eval-said test -s "$TMP/gpu-accuracy"
check eval-same cmp "$TMP/cpu-accuracy" "$TMP/gpu-accuracy"
exit $failed
