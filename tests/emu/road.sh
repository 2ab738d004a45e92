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
head -3 "$TMP/texts" >"$TMP/three"

name_of() { [ "$1" = cpu ] && echo cpu || echo "$gpu"; }
both() { # name, tool, words: the checkpoints that both devices write are equal
    local name=$1 tool=$2 device
    shift 2
    for device in cpu gpu; do
        code_of 0 "$BIN/$tool" "$@" -q -o "$TMP/$device-$name" --device "$(name_of $device)" || return 1
    done
    diff -r "$TMP/cpu-$name" "$TMP/gpu-$name" >"$TMP/diff" || { echo "# $(head -5 "$TMP/diff")"; return 1; }
}
source=() # words that say where the texts come from, if not from stdin
answers() { # model, texts, tolerance, words for the device...: equal or near answers
    local model=$1 texts=$2 most=$3
    shift 3
    code_of 0 "$BIN/pe-run" "$model" --json "${source[@]}" <"$texts" && mv "$TMP/out" "$TMP/cpu.json" || return 1
    code_of 0 "$BIN/pe-run" "$model" --json "${source[@]}" --device "$gpu" "$@" <"$texts" || return 1
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
calibrate() { # name, rows, how ranges are found: ranges and codes of both devices
    local device
    for device in cpu gpu; do
        code_of 0 "$BIN/pe-quantize" $model -q -o "$TMP/$device-$1" --activations static --range "$3" \
            --calib $data/sentiment-train.tsv.gz --calib-rows "$2" --device "$(name_of $device)" || return 1
        awk -F '[:,]' '/"input_(scale|max|min|zero_point)"/ { got = got $2 } /"name"/ { if (got) print $2, got; got = "" }' \
            "$TMP/$device-$1/pe-report.json" | sort >"$TMP/$device-ranges"
        grep -E '\.weight(_scale)?"' "$TMP/$device-$1/pe-report.json" >"$TMP/$device-codes" # digests
    done
}
for how in st:16:absmax pc:4:percentile:99.9 ms:4:mse; do
    rows=${how#*:} name=${how%%:*}
    check calibrate-$name calibrate $name "${rows%%:*}" "${how#*:*:}"
    check calibrated-$name-codes cmp "$TMP/cpu-codes" "$TMP/gpu-codes"
    check calibrated-$name-ranges near "$TMP/cpu-ranges" "$TMP/gpu-ranges" 1e-5
    check calibrated-$name-all test "$(wc -l <"$TMP/gpu-ranges")" -eq 24
done

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
for layout in dense csr bsr; do
    check run-as-$layout answers "$TMP/cpu-bsr" "$TMP/few" 1e-5 --exec-layout $layout
done
check run-as-blocked-ell answers "$TMP/cpu-bsr" "$TMP/few" 5e-3 --exec-layout blocked-ell # TF32
check run-as-blocked-ell-says says "$TMP/err" "TF32"
check run-bf16 answers $model "$TMP/few" 2e-2 --precision bf16
check run-f16 answers $model "$TMP/few" 2e-3 --precision f16
check batch answers "$TMP/cpu-q8" "$TMP/few" 1e-5 --batch 3

# Few tokens: weights as they are stored, 16-bit floats as bitmasks and int8 codes. That their kernels
# ran is counted by the emulator; a GPU says only which forms were chosen.
golden=tests/golden/data/models
once=(--repeats 1 --warmup 1 --batch 1 --length 8 --json --device "$gpu")
chosen() { # model, its form for 1-4, 5-48 and more tokens
    code_of 0 "$BIN/pe-bench" "$1" "${once[@]}" && says "$TMP/out" "\"bert.encoder.layer.0.intermediate.dense\":$2"
}
ran() { # kernel, least launches, model, texts, words...
    local kernel=$1 least=$2 model=$3 texts=$4 n
    shift 4
    [ "$gpu" = emu ] || return 0
    PE_EMU_STATS=1 code_of 0 "$BIN/pe-run" "$model" "${source[@]}" --device emu "$@" <"$texts" || return 1
    n=$(grep "$kernel" "$TMP/err" | grep -oE '[0-9]+ launches' | awk '{ n += $1 } END { print n + 0 }')
    [ "$n" -ge "$least" ] || { echo "# $kernel: $n launches, expected $least"; return 1; }
}
peak() { # form: most bytes of the device with every matrix of the w8a16 model so
    code_of 0 "$BIN/pe-bench" "$TMP/cpu-w8" "${once[@]}" --max-vram 32M --exec-layout "$1" || return 1
    grep -oE '"peak_device":[0-9]+' "$TMP/out" | cut -d : -f 2
}
less() { [ "$1" -gt 0 ] && [ "$1" -lt "$2" ] || { echo "# $1 is not less than $2"; return 1; }; }
check prune-bf16 code_of 0 "$BIN/pe-prune" $model --sparsity 0.7 --layout bitmask -q -o "$TMP/bf16"
check store-f16 code_of 0 "$BIN/pe-convert" "$TMP/bf16" --dtype f16 -q -o "$TMP/f16"
for type in bf16 f16; do
    bf16=0
    [ $type = f16 ] || bf16=1
    check chosen-$type-bitmask chosen "$TMP/$type" '["bitmask","bitmask","dense"]'
    check run-$type-bitmask answers "$TMP/$type" "$TMP/three" 1e-5 --batch 1
    check run-$type-bitmask-many answers "$TMP/$type" "$TMP/three" 1e-5 --exec-layout bitmask
    check run-$type-bitmask-ran ran "linear_bitmask_f16ILi8ELb$bf16" 16 "$TMP/$type" "$TMP/three" --batch 1
done
check stored-f32 code_of 0 "$BIN/pe-convert" "$TMP/bf16" --dtype f32 -q -o "$TMP/f32"
check stored-f32-dense chosen "$TMP/f32" '["dense","dense","dense"]'
check rounded-dense code_of 0 "$BIN/pe-bench" "$TMP/bf16" "${once[@]}" --precision bf16 --exec-layout bitmask
check rounded-dense-said says "$TMP/out" '"bert.encoder.layer.0.intermediate.dense":["dense","dense","dense"]'
check chosen-w8a16 chosen "$TMP/cpu-w8" '["int8-weights","int8-weights","dense"]'
check run-w8a16-few answers "$TMP/cpu-w8" "$TMP/three" 1e-5 --batch 1
check run-w8a16-many answers "$TMP/cpu-w8" "$TMP/three" 1e-5 --exec-layout int8-weights
check run-w8a16-ran ran linear_w8ILi8E 16 "$TMP/cpu-w8" "$TMP/three" --batch 1
check run-w8a16-memory less "$(peak int8-weights)" "$(peak dense)"
# widths that no vector divides
printf '{"input_ids": [%s]}\n' 2,5,7,11,3 2,3 2,9,8,7,6,5,4,3,2,1,40,41,42,43,44,45,3 >"$TMP/ids"
source=(--ids "$TMP/ids")
check prune-odd code_of 0 "$BIN/pe-prune" $golden/bert_f16 --sparsity 0.7 --layout bitmask -q -o "$TMP/odd16"
check quantize-odd-w8 code_of 0 "$BIN/pe-quantize" $golden/bert_gamma --scheme w8a16 -q -o "$TMP/odd8"
for name in odd16 odd8; do
    check run-$name answers "$TMP/$name" /dev/null 1e-5
    check run-$name-one answers "$TMP/$name" /dev/null 1e-5 --batch 1
done
check run-odd16-ran ran linear_bitmask_f16 1 "$TMP/odd16" /dev/null --batch 1
check run-odd8-ran ran linear_w8 1 "$TMP/odd8" /dev/null --batch 1
source=()

# the gate decides the same
for device in cpu gpu; do
    check eval-$device code_of 0 "$BIN/pe-eval" "$TMP/cpu-q8" --data "$TMP/rows.tsv" --json --device "$(name_of $device)"
    grep -A 1 '"accuracy"' "$TMP/out" >"$TMP/$device-accuracy"
done
check eval-said test -s "$TMP/gpu-accuracy"
check eval-same cmp "$TMP/cpu-accuracy" "$TMP/gpu-accuracy"
exit $failed
