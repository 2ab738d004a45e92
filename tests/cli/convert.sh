#!/bin/bash
# tests/cli/convert.sh - pe-convert: layouts there and back, types, same bytes from any run, refusals.
# Read next: docs/pe-convert.md.
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
# The digest of every tensor's bytes, by name.
digests() { "$BIN/pe-inspect" "$1" --tensors --json | grep -E '"(name|xxh3_128)"'; }
same_tensors() { # of the dense checkpoints $1 and $2
    digests "$1" >"$TMP/a" && digests "$2" >"$TMP/b" && cmp "$TMP/a" "$TMP/b"
}
absent() { [ ! -e "$1" ]; }

model=recipes/sentiment/model
pruned=$TMP/pruned
check prune code_of 0 "$BIN/pe-prune" $model -o "$pruned" --pattern 2:4 --layout dense
for layout in auto bitmask block4 2of4 csr bsr blocked-ell; do
    check "to-$layout" code_of 0 "$BIN/pe-convert" "$pruned" -o "$TMP/$layout" --layout $layout
    check "verify-$layout" code_of 0 "$BIN/pe-inspect" "$TMP/$layout" --verify
    check "no-weights-for-others-$layout" absent "$TMP/$layout/model.safetensors"
    check "no-quantization-config-$layout" sh -c "! grep -q quantization_config '$TMP/$layout/config.json'"
    check "from-$layout" code_of 0 "$BIN/pe-convert" "$TMP/$layout" -o "$TMP/back-$layout" --layout dense
    check "lossless-$layout" same_tensors "$pruned" "$TMP/back-$layout"
    check "no-layouts-left-$layout" sh -c "! grep -q pe_layouts '$TMP/back-$layout/config.json'"
done
check auto-prefers-first-of-equals grep -q '"bitmask"' "$TMP/auto/config.json"
check between-layouts code_of 0 "$BIN/pe-convert" "$TMP/csr" -o "$TMP/csr-2of4" --layout 2of4
check between-layouts-same cmp "$TMP/csr-2of4/tokenizer.json" $model/tokenizer.json
check block code_of 0 "$BIN/pe-convert" "$pruned" -o "$TMP/bsr5" --layout bsr --block 5
check block-recorded says "$TMP/bsr5/config.json" '"block": 5'
check block-back code_of 0 "$BIN/pe-convert" "$TMP/bsr5" -o "$TMP/bsr5-back" --layout dense
check block-lossless same_tensors "$pruned" "$TMP/bsr5-back"

# a layout that is larger than dense is written, with both numbers
check warning code_of 0 "$BIN/pe-convert" $model -o "$TMP/warned" --layout csr
check warning-numbers grep -qE 'warning: layout csr takes [0-9]+ bytes .* dense takes [0-9]+' "$TMP/err"
check no-fit code_of 7 "$BIN/pe-convert" $model -o "$TMP/no-fit" --layout 2of4
check no-fit-names-tensor says "$TMP/err" 'non-zeros in columns'
check no-fit-nothing-written absent "$TMP/no-fit"

# types
check f32 code_of 0 "$BIN/pe-convert" $model -o "$TMP/f32" --dtype f32
check f32-config says "$TMP/f32/config.json" '"dtype": "float32"'
check f32-back code_of 0 "$BIN/pe-convert" "$TMP/f32" -o "$TMP/bf16" --dtype bf16
check f32-lossless same_tensors $model "$TMP/bf16"
check f16 code_of 0 "$BIN/pe-convert" $model -o "$TMP/f16" --dtype f16 --only 'bert.encoder*'
check f16-part says "$TMP/f16/config.json" '"dtype": "bfloat16"'
check int8 code_of 0 "$BIN/pe-convert" tests/golden/data/prune_quant/ct_w8a8 -o "$TMP/int8" --dtype f32
check int8-config sh -c "! grep -q quantization '$TMP/int8/config.json'"

# files that go with the model, also in folders; none from outside of it
check side-files code_of 0 "$BIN/pe-convert" tests/golden/data/models/bert_embed -o "$TMP/embed"
check side-files-folder cmp tests/golden/data/models/bert_embed/1_Pooling/config.json "$TMP/embed/1_Pooling/config.json"
check side-files-modules cmp tests/golden/data/models/bert_embed/modules.json "$TMP/embed/modules.json"
cp -r tests/golden/data/models/bert_embed "$TMP/outside"
sed -i 's|"1_Pooling"|"../pruned"|' "$TMP/outside/modules.json"
check outside code_of 3 "$BIN/pe-convert" "$TMP/outside" -o "$TMP/x"
check outside-says says "$TMP/err" "expected a folder in the model directory"
check other-types code_of 0 "$BIN/pe-convert" tests/golden/data/formats/safetensors/dtypes.safetensors -o "$TMP/types" --layout auto
check other-types-same same_tensors tests/golden/data/formats/safetensors/dtypes.safetensors "$TMP/types"
check onto-itself cp -r "$TMP/f32" "$TMP/self"
check onto-itself-runs code_of 0 "$BIN/pe-convert" "$TMP/self" -o "$TMP/self" -f --dtype bf16 --sha256
check onto-itself-verifies code_of 0 "$BIN/pe-inspect" "$TMP/self" --verify
check sha256 grep -qF "$(sha256sum "$TMP/self/model.safetensors" | cut -d' ' -f1)" "$TMP/self/pe-report.json"

# one file from shards, the same bytes from any number of threads, place and locale
check shards code_of 0 "$BIN/pe-convert" tests/golden/data/models/bert_mlm -o "$TMP/one"
check shards-one-file test -f "$TMP/one/model.safetensors"
for n in 1 2 3 5; do
    check "threads-$n" code_of 0 "$BIN/pe-convert" "$pruned" -o "$TMP/j$n" --layout auto -j $n
    check "same-bytes-$n" diff -r "$TMP/j1" "$TMP/j$n"
done
root=$PWD
check elsewhere sh -c "cd '$TMP' && TZ=Asia/Tokyo LC_ALL=de_DE.UTF-8 '$BIN/pe-convert' pruned -o there --layout auto -q"
check elsewhere-same diff -r "$TMP/j1" "$TMP/there"
cd "$root" || exit 1

# address space: three times the largest tensor (2.7 MB), four times the header, 64 MiB and 64 more
limit=$((2 * 65536 + 3 * 2700 + 4 * 64))
if (ulimit -v $limit && "$BIN/pe" --version) >"$TMP/out" 2>&1; then
    limited() { (ulimit -v $limit && "$@" >"$TMP/out" 2>"$TMP/err") || { cat "$TMP/err"; return 1; }; }
    check memory-sparse limited "$BIN/pe-convert" $model -o "$TMP/limited" --layout csr -j 4
    check memory-dense limited "$BIN/pe-convert" "$TMP/limited" -o "$TMP/limited" -f --layout dense -j 4
    check memory-inspect limited "$BIN/pe-inspect" "$TMP/limited" --verify -j 4
    check memory-same same_tensors $model "$TMP/limited"
else
    echo "skip memory: this build needs more address space (sanitizers)"
fi

# what is refused, and that nothing is left behind
check existing code_of 2 "$BIN/pe-convert" $model -o "$TMP/one"
check existing-replaced code_of 0 "$BIN/pe-convert" $model -o "$TMP/one" -f
check replaced-verifies code_of 0 "$BIN/pe-inspect" "$TMP/one" --verify
check dry-run code_of 0 "$BIN/pe-convert" $model --layout csr --dry-run
check dry-run-says says "$TMP/out" "nothing written"
check no-output code_of 2 "$BIN/pe-convert" $model
check layout-name code_of 2 "$BIN/pe-convert" $model -o "$TMP/x" --layout coo
check dtype-name code_of 2 "$BIN/pe-convert" $model -o "$TMP/x" --dtype int8
check block-alone code_of 2 "$BIN/pe-convert" $model -o "$TMP/x" --layout csr --block 4
check pattern code_of 2 "$BIN/pe-convert" $model -o "$TMP/x" --layout csr --only 'nothing*'
check missing code_of 4 "$BIN/pe-convert" "$TMP/nothing" -o "$TMP/x"
cp -r "$TMP/bitmask" "$TMP/bad" && sed -i 's/"layout": "2of4"/"layout": "block4"/; s/"layout": "bitmask"/"layout": "csr"/' "$TMP/bad/config.json"
check bad-layouts code_of 3 "$BIN/pe-convert" "$TMP/bad" -o "$TMP/x" --layout dense
check nothing-left absent "$TMP/x"
check no-temporaries sh -c "! ls -A '$TMP' | grep -q '^\\.'"
exit $failed
