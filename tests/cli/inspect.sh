#!/bin/bash
# tests/cli/inspect.sh - pe-inspect: what it shows, what --verify finds, exit codes.
# Read next: docs/pe-inspect.md.
set -u
failed=0
check() { # name, condition...
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
        failed=1
    fi
}
code_of() { # expected code, command...
    local want=$1
    shift
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
    local code=$?
    [ "$code" -eq "$want" ] || { echo "# $*: exit $code, expected $want: $(cat "$TMP/err")"; return 1; }
}
says() { grep -qF -- "$2" "$1" || { echo "# expected '$2', found: $(cat "$1")"; return 1; }; }
one_line() { [ "$(wc -l <"$TMP/err")" -eq 1 ] || { echo "# not one line: $(cat "$TMP/err")"; return 1; }; }
# Byte $2 of file $1, counted from its end, becomes different.
damage() {
    local size at byte
    size=$(stat -c %s "$1")
    at=$((size - $2))
    byte=$(od -An -tu1 -j "$at" -N 1 "$1")
    printf "\\$(printf '%03o' $(((byte + 64) % 256)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

model=recipes/sentiment/model
check shows code_of 0 "$BIN/pe-inspect" $model
check shows-family says "$TMP/out" "family bert, BertForSequenceClassification"
check shows-parameters says "$TMP/out" "3186242 parameters in 73 tensors"
check shows-module grep -qE '^bert.encoder.layer.3.output.dense +linear +192 x 768 +BF16 +dense' "$TMP/out"
check tensors code_of 0 "$BIN/pe-inspect" $model --tensors
check tensors-shows-bias grep -qE '^classifier.bias +2 ' "$TMP/out"
check json code_of 0 "$BIN/pe-inspect" $model --json
check json-schema says "$TMP/out" '"schema": "pe.inspect/1"'
check json-parameters says "$TMP/out" '"parameters": 3186242'
check verify code_of 0 "$BIN/pe-inspect" $model --verify
check verify-model grep -q '^pass  model' "$TMP/out"
check float-has-no-attention bash -c "! grep -q '\"attention\"' '$TMP/out'"
"$BIN/pe-quantize" $model -o "$TMP/int8" -q
check attention code_of 0 "$BIN/pe-inspect" "$TMP/int8" --json
check attention-int8 grep -qE '^  "attention": "int8"' "$TMP/out"
check quiet code_of 0 "$BIN/pe-inspect" $model -q
check quiet-is-silent test ! -s "$TMP/out"
check devices code_of 0 "$BIN/pe-inspect" --devices
check devices-cpu grep -q '^cpu: level ' "$TMP/out"
mkdir "$TMP/no-plugins"
PE_PLUGIN_DIR=$TMP/no-plugins check devices-bare code_of 0 "$BIN/pe-inspect" --devices
check devices-no-gpu says "$TMP/out" "the plugin libpe-cuda.so is not installed"
check devices-json code_of 0 "$BIN/pe-inspect" --devices --json
check usage-nothing code_of 2 "$BIN/pe-inspect"
check usage-both code_of 2 "$BIN/pe-inspect" $model --devices
check missing code_of 4 "$BIN/pe-inspect" "$TMP/nothing"
check missing-one-line one_line
check single-file code_of 0 "$BIN/pe-inspect" tests/golden/data/formats/safetensors/names.safetensors --tensors
check shards code_of 0 "$BIN/pe-inspect" tests/golden/data/models/bert_mlm --verify

# a checkpoint that pe wrote, and the same with one byte changed
check made code_of 0 "$BIN/pe-convert" $model -o "$TMP/made" --layout bitmask --only '*layer.0.output.dense'
check made-verifies code_of 0 "$BIN/pe-inspect" "$TMP/made" --verify
check made-digests grep -q '^pass  digests' "$TMP/out"
check made-history code_of 0 "$BIN/pe-inspect" "$TMP/made"
check made-history-step says "$TMP/out" 'step 1: pe-convert'
cp -r "$TMP/made" "$TMP/changed"
damage "$TMP/changed/model.pe.safetensors" 100000
check changed code_of 1 "$BIN/pe-inspect" "$TMP/changed" --verify
check changed-names-tensor says "$TMP/err" "the bytes have changed"
check changed-one-line one_line
check changed-all-in-json code_of 1 "$BIN/pe-inspect" "$TMP/changed" --verify --json
check changed-json says "$TMP/out" '"verdict": "fail"'
rm "$TMP/changed/pe-report.json"
check changed-without-report code_of 1 "$BIN/pe-inspect" "$TMP/changed" --verify
check changed-without-report-says says "$TMP/err" "provenance says"

# not a number, cut short, another shape than config.json says
cp -r $model "$TMP/nan" && damage_at() { printf '\xc0\x7f' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
damage_at "$TMP/nan/model.safetensors" $(($(stat -c %s "$TMP/nan/model.safetensors") - 2))
check nan code_of 1 "$BIN/pe-inspect" "$TMP/nan" --verify
check nan-says grep -qiE "NaN or inf" "$TMP/err"
cp -r $model "$TMP/cut" && truncate -s -1 "$TMP/cut/model.safetensors"
check cut code_of 3 "$BIN/pe-inspect" "$TMP/cut" --verify
check cut-says says "$TMP/err" "cut short"
check cut-one-line one_line
cp -r $model "$TMP/shape" && sed -i 's/"hidden_size": 192/"hidden_size": 96/' "$TMP/shape/config.json"
check shape code_of 1 "$BIN/pe-inspect" "$TMP/shape" --verify
check family code_of 0 "$BIN/pe-inspect" tests/golden/data/models/albert_cls --verify
check family-skipped grep -q '^skip  model' "$TMP/out"
exit $failed
