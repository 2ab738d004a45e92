#!/bin/bash
# tests/cli/quantize.sh - pe-quantize on the shipped model: schemes, calibration, sparse layouts, equal
# bytes, refusals, hostile input. Read next: docs/pe-quantize.md, lib/quant/quant.c.
set -u
failed=0
model=$PWD/recipes/sentiment/model
data=$PWD/recipes/sentiment/data/sentiment-dev.tsv
quantize=$BIN/pe-quantize
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
says() { grep -qF -- "$2" "$1" || { echo "# expected '$2', found: $(head -c 600 "$1")"; return 1; }; }
absent() { [ ! -e "$1" ] && ! ls -d "$1"* "$(dirname "$1")"/.*"$(basename "$1")"* >/dev/null 2>&1; }
# Values of a key of the modules in a report (six spaces deep), one a line.
values() { sed -n "s/^      \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$1/pe-report.json"; }
all_are() { # report, key, value
    [ "$(values "$1" "$2" | sort -u)" = "$3" ] || { echo "# $2: $(values "$1" "$2" | sort | uniq -c)"; return 1; }
}
count_is() { # report, key, how many modules have it
    [ "$(values "$1" "$2" | wc -l)" -eq "$3" ] || { echo "# $2: $(values "$1" "$2" | wc -l), not $3"; return 1; }
}
below() { # report, key, limit: every value is above 0 and below it
    values "$1" "$2" | awk -v limit="$3" '!($1 > 0 && $1 < limit) { bad = 1; print "# " $1 } END { exit bad || !NR }'
}
ranked() { # report: errors descend
    values "$1" error | awk 'NR > 1 && $1 + 0 > last + 0 { bad = 1 } { last = $1 } END { exit bad || !NR }'
}
damaged() { # folder, command...
    local to=$1
    shift
    mkdir -p "$to" && cp "$model"/*.json "$model"/vocab.txt "$model/model.safetensors" "$to/" &&
        chmod u+w "$to"/* && "$@" "$to/model.safetensors"
}
cut_short() { truncate -s -5 "$1"; }
nan_at_end() { printf '\300\177' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 2)) conv=notrunc 2>/dev/null; }

# ---- dynamic ----
check dynamic code_of 0 "$quantize" "$model" -o "$TMP/dynamic"
check dynamic-left-alone says "$TMP/out" "classifier (head)"
check dynamic-modules count_is "$TMP/dynamic" scale_max 24
check dynamic-format grep -q '"format": "int-quantized"' "$TMP/dynamic/config.json"
check dynamic-token grep -q '"strategy": "token"' "$TMP/dynamic/config.json"
check dynamic-ignores-head grep -q '"classifier"' "$TMP/dynamic/config.json"
check dynamic-dense all_are "$TMP/dynamic" layout dense
check dynamic-no-error count_is "$TMP/dynamic" error 0
check weight-only code_of 0 "$quantize" "$model" -o "$TMP/w8a16" --scheme w8a16
check weight-only-config grep -q '"input_activations": null' "$TMP/w8a16/config.json"
check embeddings code_of 0 "$quantize" "$model" -o "$TMP/embeddings" --embeddings
check embeddings-modules count_is "$TMP/embeddings" scale_max 25
check embeddings-group grep -q 'bert.embeddings.word_embeddings' "$TMP/embeddings/config.json"

# ---- calibrated ----
check calibrated code_of 0 "$quantize" "$model" -o "$TMP/calibrated" --calib "$data" --calib-rows 100
check calibrated-errors count_is "$TMP/calibrated" error 24
check calibrated-errors-small below "$TMP/calibrated" error 0.1
check calibrated-ranked ranked "$TMP/calibrated"
check calibrated-rows grep -q '"rows": 100' "$TMP/calibrated/pe-report.json"
check calibrated-same-weights [ "$(grep '"content"' "$TMP/calibrated/pe-report.json")" = "$(grep '"content"' "$TMP/dynamic/pe-report.json")" ]
check symmetric code_of 0 "$quantize" "$model" -o "$TMP/symmetric" --calib "$data" --activations static --symmetric
check symmetric-scales count_is "$TMP/symmetric" input_scale 24
check symmetric-zeros all_are "$TMP/symmetric" input_zero_point 0
check symmetric-config grep -q '"strategy": "tensor"' "$TMP/symmetric/config.json"
check static code_of 0 "$quantize" "$model" -o "$TMP/static" --calib "$data" --activations static
check static-zeros-after-gelu [ "$(values "$TMP/static" input_zero_point | grep -vc '^0$')" -eq 4 ]
check static-scales count_is "$TMP/static" input_scale 24
check static-group grep -q '"group_1"' "$TMP/static/config.json"
for range in percentile:99.9 mse absmax; do
    check "range-$range" code_of 0 "$quantize" "$model" -o "$TMP/r-$range" --calib "$data" --activations static --range $range
done
check range-absmax-is-default [ "$(grep '"content"' "$TMP/r-absmax/pe-report.json")" = "$(grep '"content"' "$TMP/static/pe-report.json")" ]
check range-percentile-saturates [ "$(values "$TMP/r-percentile:99.9" saturated | grep -vc '^0.0$')" -gt 10 ]
check budget code_of 0 "$quantize" "$model" -o "$TMP/budget" --calib "$data" --max-error 0.01
check budget-keeps says "$TMP/budget/pe-report.json" "over the error budget"
check budget-holds below "$TMP/budget" scale_max 1
check keep-float code_of 0 "$quantize" "$model" -o "$TMP/keep" --keep-float '*.query'
check keep-float-modules count_is "$TMP/keep" scale_max 20
check keep-float-ignored grep -q '"bert.encoder.layer.3.attention.self.query"' "$TMP/keep/config.json"

# ---- attention: a key beside quantization_config says that it is int8 ----
key='^  "pe_attention": "int8"'
without() { grep -q quantization_config "$1/config.json" && ! grep -q pe_attention "$1/config.json"; }
check attention-default grep -q "$key" "$TMP/dynamic/config.json"
check attention-static grep -q "$key" "$TMP/static/config.json"
check attention-int8 code_of 0 "$quantize" "$model" -o "$TMP/a-int8" --attention int8
check attention-int8-is-default cmp -s "$TMP/a-int8/config.json" "$TMP/dynamic/config.json"
check attention-float code_of 0 "$quantize" "$model" -o "$TMP/a-float" --attention float --json
check attention-float-says says "$TMP/out" '"attention": "float"'
check attention-float-key without "$TMP/a-float"
check attention-weight-only-key without "$TMP/w8a16"
check attention-weight-only-float code_of 0 "$quantize" "$model" -o "$TMP/a-w8a16" --scheme w8a16 --attention float
check attention-dequantized code_of 0 "$BIN/pe-convert" "$TMP/dynamic" -o "$TMP/a-f32" --dtype f32
check attention-dequantized-key sh -c "! grep -q -e pe_attention -e quantization_config '$TMP/a-f32/config.json'"
check attention-converted code_of 0 "$BIN/pe-convert" "$TMP/dynamic" -o "$TMP/a-csr" --layout csr
check attention-converted-key grep -q "$key" "$TMP/a-csr/config.json"
cp -r "$model" "$TMP/a-old" && chmod -R u+w "$TMP/a-old" && sed -i '1s/{/{\n  "pe_attention": "int8",/' "$TMP/a-old/config.json"
check attention-old-key grep -q "$key" "$TMP/a-old/config.json"
check attention-again code_of 0 "$quantize" "$TMP/a-old" -o "$TMP/a-again" --attention float
check attention-again-key without "$TMP/a-again"
sed -i 's/"pe_attention": "int8"/"pe_attention": "int4"/' "$TMP/a-int8/config.json"
check attention-unknown code_of 7 "$BIN/pe-run" "$TMP/a-int8" "a fine film"
check attention-unknown-says says "$TMP/err" "a-int8/config.json: pe_attention 'int4'"

# ---- on pruned models ----
check pruned code_of 0 "$BIN/pe-prune" "$model" -o "$TMP/pruned" --sparsity 0.7
check sparse code_of 0 "$quantize" "$TMP/pruned" -o "$TMP/sparse" --calib "$data"
check sparse-layout all_are "$TMP/sparse" layout bitmask
check sparse-config grep -q '"pe_quantization"' "$TMP/sparse/config.json"
check sparse-bytes [ "$(values "$TMP/sparse" bytes_after | awk '{ n += $1 } END { print n < 0.47 * 1769472 }')" -eq 1 ]
check sparse-dense code_of 0 "$quantize" "$TMP/pruned" -o "$TMP/sparse-dense" --layout dense
check sparse-dense-name test -f "$TMP/sparse-dense/model.safetensors"

# ---- equal bytes ----
for n in 1 2 3 5; do
    check "threads-$n" code_of 0 "$quantize" "$model" -o "$TMP/t$n" --calib "$data" --activations static \
        --range percentile:99.99 --calib-rows 64 -j$n
    check "threads-$n-equal" diff -r "$TMP/t1" "$TMP/t$n"
done
check elsewhere code_of 0 env -C "$TMP" LC_ALL=de_DE.UTF-8 LANG=tr_TR.UTF-8 TZ=Asia/Tokyo "$quantize" "$model" \
    -o elsewhere --calib "$data" --activations static --range percentile:99.99 --calib-rows 64
check elsewhere-equal diff -r "$TMP/t1" "$TMP/elsewhere"
check level-ref code_of 0 env PE_CPU=ref "$quantize" "$model" -o "$TMP/tref" --calib "$data" --activations static \
    --range percentile:99.99 --calib-rows 64
check level-ref-equal diff -r "$TMP/t1" "$TMP/tref"

# ---- plan ----
check dry-run code_of 0 "$quantize" "$model" --dry-run --json
check dry-run-peak grep -q '"peak_bytes": [0-9]' "$TMP/out"
check json code_of 0 "$quantize" "$model" -o "$TMP/json" --json
check json-schema says "$TMP/out" '"schema": "pe.quantize/1"'
# Three times the largest tensor (2.7 MB), 64 MiB, and 64 MiB for the program itself.
within_limit() { (ulimit -v $(((3 * 2688000 + (128 << 20)) / 1024)) && code_of 0 "$@"); }
if grep -q __asan_init "$BIN/pe-quantize"; then
    echo "skip max-ram: AddressSanitizer itself needs more memory"
else
    check address-space within_limit "$quantize" "$model" -o "$TMP/limited"  -j5
    check max-ram code_of 6 "$quantize" "$model" -o "$TMP/no" --max-ram 1M
fi

# ---- refusals ----
check existing code_of 2 "$quantize" "$model" -o "$TMP/dynamic"
check existing-force code_of 0 "$quantize" "$model" -o "$TMP/dynamic" --scheme w8a16 -f
check no-output code_of 2 "$quantize" "$model"
check twice code_of 3 "$quantize" "$TMP/static" -o "$TMP/no"
check twice-says says "$TMP/err" "quantized already"
check scheme code_of 2 "$quantize" "$model" -o "$TMP/no" --scheme w4a4
check static-without-data code_of 2 "$quantize" "$model" -o "$TMP/no" --activations static
check range-without-static code_of 2 "$quantize" "$model" -o "$TMP/no" --range mse
check attention-nonsense code_of 2 "$quantize" "$model" -o "$TMP/no" --attention nonsense
check attention-nonsense-says says "$TMP/err" "expected int8 or float"
check attention-of-floats code_of 2 "$quantize" "$model" -o "$TMP/no" --scheme w8a16 --attention int8
check attention-of-floats-says says "$TMP/err" "use w8a8"
check budget-without-data code_of 2 "$quantize" "$model" -o "$TMP/no" --max-error 0.1
check static-weight-only code_of 2 "$quantize" "$model" -o "$TMP/no" --scheme w8a16 --activations static --calib "$data"
for bad in percentile:0 percentile: percentile:101 percentile:99x nosuch; do
    check "range-$bad" code_of 2 "$quantize" "$model" -o "$TMP/no" --calib "$data" --activations static --range $bad
done
check glob-without-match code_of 2 "$quantize" "$model" -o "$TMP/no" --keep-float '*.nosuch'
check position-table code_of 7 "$quantize" "$model" -o "$TMP/no" --only '*position_embeddings'
check no-model code_of 4 "$quantize" "$TMP/nosuch" -o "$TMP/no"
check no-data code_of 4 "$quantize" "$model" -o "$TMP/no" --calib "$TMP/nosuch.tsv"
check no-column code_of 3 "$quantize" "$model" -o "$TMP/no" --calib "$data" --text nosuch

# ---- hostile input ----
check short-made damaged "$TMP/short" cut_short
check short code_of 3 "$quantize" "$TMP/short" -o "$TMP/no"
check nan-made damaged "$TMP/nan" nan_at_end
check nan code_of 3 "$quantize" "$TMP/nan" -o "$TMP/no"
check nan-named grep -qE 'tensor [a-z.A-Z0-9_]+, element [0-9]+: NaN' "$TMP/err"
printf 'text\tlabel\n' >"$TMP/empty.tsv"
check empty-data code_of 3 "$quantize" "$model" -o "$TMP/no" --calib "$TMP/empty.tsv"
check nothing-written absent "$TMP/no"
exit $failed
