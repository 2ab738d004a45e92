#!/bin/bash
# tests/cli/hostile.sh - damaged and lying checkpoints, rows and recipes through every tool: the exit code
# of docs/cli.md, one line that names the file, nothing written. Read next: formats/st_read.c.
set -u
failed=0
seed=$PWD/tests/golden/data/e2e/bert_classify
good=$TMP/good
rows=$TMP/rows.tsv
export XDG_CACHE_HOME=$TMP/cache HOME=$TMP
cp -r "$seed" "$good"
printf 'label\ttext\nPOSITIVE\ta wonderful little film\nNEGATIVE\tdull\n' >"$rows"

report() { # name, complaint
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        printf '%s\n' "$2" | head -8 | sed 's/^/# /'
        failed=1
    fi
}
# The command of a tool on the model $2; rows from $rows.
start() {
    local out=$TMP/made
    case $1 in
    inspect) set -- "$BIN/pe-inspect" "$2" --verify ;;
    prune) set -- "$BIN/pe-prune" "$2" -o "$out" --sparsity 0.5 ;;
    quantize) set -- "$BIN/pe-quantize" "$2" -o "$out" ;;
    calibrate) set -- "$BIN/pe-quantize" "$2" -o "$out" --activations static --calib "$rows" ;;
    convert) set -- "$BIN/pe-convert" "$2" -o "$out" --dtype bf16 ;;
    eval) set -- "$BIN/pe-eval" "$2" --data "$rows" ;;
    run) set -- "$BIN/pe-run" "$2" "a fine film" ;;
    bench) set -- "$BIN/pe-bench" "$2" --batch 1 --length 4 --repeats 1 --tune-file "" ;;
    recipe) set -- "$BIN/pe-recipe" run "$2" -o "$out" --no-timing --no-cache ;;
    esac
    timeout 60 "$@" >"$TMP/stdout" 2>"$TMP/stderr" </dev/null
}
# try TOOL FILE CODES PATTERN: what is wrong with how the tool took it, nothing when all is well
try() {
    local tool=$1 code
    start "$tool" "$2"
    code=$?
    [[ " $3 " == *" $code "* ]] || echo "$tool: exit $code, expected $3: $(head -c 300 "$TMP/stderr")"
    [ "$(wc -l <"$TMP/stderr")" -eq 1 ] || echo "$tool: not one line: $(head -c 400 "$TMP/stderr")"
    grep -qE "^pe-[a-z]+: (error|fail): .*($4)" "$TMP/stderr" ||
        echo "$tool: expected '$4' in: $(head -c 400 "$TMP/stderr")"
    [ -z "$(find "$TMP" -maxdepth 1 -name '*made*')" ] || echo "$tool: something was written"
    rm -rf "$TMP/made"
}

# ---- checkpoints: a copy of the good one, one file of it changed ----
m=$TMP/m
weights=$m/model.safetensors
config=$m/config.json
fresh() { rm -rf "$m" && cp -r "$good" "$m" && chmod -R u+w "$m"; }
le64() { # a number as 8 bytes, little end first
    local n=$1 i
    for i in 0 1 2 3 4 5 6 7; do printf "\\x$(printf '%02x' $((n >> (8 * i) & 255)))"; done
}
nheader=$(od -An -tu8 -N8 "$good/model.safetensors" | tr -d ' ')
header() { tail -c +9 "$good/model.safetensors" | head -c "$nheader"; }
data() { tail -c +$((9 + nheader)) "$good/model.safetensors"; }
with_header() { # the weights with another header, from stdin
    local text
    text=$(cat)
    { le64 ${#text}; printf '%s' "$text"; data; } >"$weights"
}
edit() { header | sed "$1" | with_header; } # a sed expression on the header
set_config() { sed -i "s/\"$1\": [^,]*/\"$1\": $2/" "$config"; }

bytes="inspect prune quantize calibrate convert eval run bench" # who reads weights at all
engine="calibrate eval run bench"                               # who executes it
# case NAME TOOLS CODES PATTERN: after the damage is done
case_of() {
    local tool complaints=''
    for tool in $2; do complaints+=$(try "$tool" "$m" "$3" "$4")$'\n'; done
    [ -n "${complaints//$'\n'/}" ] || complaints=
    report "$1" "$complaints"
}

fresh; : >"$weights"
case_of weights-empty "$bytes" 3 model.safetensors
fresh; printf 'abcdefg' >"$weights"
case_of weights-7-bytes "$bytes" 3 model.safetensors
fresh; { le64 9223372036854775807; header; data; } >"$weights"
case_of header-length-huge "$bytes" 3 model.safetensors
fresh; { printf '\xff\xff\xff\xff\xff\xff\xff\xff'; header; data; } >"$weights"
case_of header-length-all-ones "$bytes" 3 model.safetensors
fresh; { le64 99000000; header; data; } >"$weights"
case_of header-beyond-the-file "$bytes" 3 model.safetensors
fresh; { le64 $((nheader - 1)); header; data; } >"$weights"
case_of header-one-byte-short "$bytes" 3 model.safetensors
fresh; printf 'this is no JSON' | with_header
case_of header-not-json "$bytes" 3 model.safetensors
fresh; printf '%065d' 0 | tr 0 '[' | with_header
case_of header-nested "$bytes" 3 model.safetensors
fresh; edit 's/}}$/}/'
case_of header-unclosed "$bytes" 3 model.safetensors
fresh; truncate -s -1 "$weights"
case_of data-cut-short "$bytes" 3 model.safetensors
fresh; printf x >>"$weights"
case_of data-too-long "$bytes" 3 model.safetensors
fresh; edit 's/"bert.embeddings.LayerNorm.weight"/"bert.embeddings.LayerNorm.bias"/'
case_of tensor-twice "$bytes" 3 model.safetensors
fresh; edit 's/"dtype":"F32"/"dtype":"F33"/'
case_of dtype-unknown "$bytes" 3 'model.safetensors: tensor .*dtype'
fresh; edit 's/"dtype":"F32"/"dtype":"F64"/'
case_of dtype-too-wide "$bytes" 3 model.safetensors
fresh; edit 's/"shape":\[30\]/"shape":[31]/'
case_of shape-too-large "$bytes" 3 model.safetensors
fresh; edit 's/"shape":\[30\]/"shape":[1099511627776,1099511627776]/'
case_of shape-overflows "$bytes" 3 model.safetensors
fresh; edit 's/"shape":\[30\]/"shape":[-30]/'
case_of shape-negative "$bytes" 3 model.safetensors
fresh; edit 's/"shape":\[30\]/"shape":[30.0]/'
case_of shape-not-whole "$bytes" 3 model.safetensors
fresh; edit 's/"data_offsets":\[120,240\]/"data_offsets":[0,120]/'
case_of tensors-overlap "$bytes" 3 model.safetensors
fresh; edit 's/"data_offsets":\[120,240\]/"data_offsets":[240,120]/'
case_of offsets-backwards "$bytes" 3 model.safetensors
fresh; edit 's/"data_offsets":\[120,240\]/"data_offsets":[-120,240]/'
case_of offset-negative "$bytes" 3 model.safetensors
fresh; edit 's/"data_offsets":\[120,240\]/"data_offsets":[120]/'
case_of offset-missing "$bytes" 3 model.safetensors
fresh; edit 's/"bert.embeddings.LayerNorm.weight"/"bert.\xffmbeddings"/'
case_of name-not-utf8 "$bytes" 3 model.safetensors
fresh; rm "$weights"; mkdir "$weights"
case_of weights-a-directory "$bytes" '3 4' "$m"
fresh; rm "$weights"; mkfifo "$weights"
case_of weights-a-fifo "$bytes" '3 4' "$m"
fresh; rm "$weights"
case_of weights-missing "$bytes" 4 "$m"
fresh; rm "$config"
case_of config-missing "$engine" '3 4' "$m"
fresh; printf '{"model_type": ' >"$config"
case_of config-cut-short "$bytes" 3 config.json:1
fresh; { printf '%0200000d' 0 | tr 0 '['; } >"$config"
case_of config-nested "$bytes" 3 config.json:1
fresh; sed -i 's/"model_type"/"hidden_size": 30, "model_type"/' "$config"
case_of config-key-twice "$bytes" 3 config.json:
fresh; printf '[]' >"$config"
case_of config-not-an-object "$engine" 3 config.json
rm -rf "$m"
case_of no-such-model "$bytes" 4 "$m"

fresh; rm "$weights"
printf '{"weight_map": {"a": "../good/model.safetensors"}}' >"$weights.index.json"
case_of shard-outside "$bytes" 3 index.json
printf '{"weight_map": {"a": "model-1.safetensors"}}' >"$weights.index.json"
case_of shard-missing "$bytes" '3 4' model-1.safetensors
printf '{"weight_map": {"a": 1}}' >"$weights.index.json"
case_of shard-not-a-name "$bytes" 3 index.json
printf '{"weight_map": {"a": "model-1.safetensors"}}' >"$weights.index.json"
cp "$good/model.safetensors" "$m/model-1.safetensors"
case_of shard-lies "$bytes" 3 "$m"

# ---- models that config.json and the weights do not agree on ----
fresh; set_config model_type '"mystery"'
case_of family-unknown "$engine" 7 mystery
fresh; set_config model_type '"albert"'
case_of family-albert "$engine" 7 albert
fresh; set_config model_type 7
case_of family-not-a-string "$engine" 3 model_type
for value in 0 -1 4294967296 99999999999999999999 '"30"' 1.5; do
    fresh; set_config hidden_size "$value"
    case_of "hidden-size-$value" "$engine" 3 'hidden_size|shape'
done
fresh; set_config num_attention_heads 7
case_of heads-do-not-divide "$engine" 3 'config.json: .*heads'
fresh; set_config num_hidden_layers 3
case_of layer-missing "$engine" 3 'layer.2'
fresh; set_config num_hidden_layers 1000000000
case_of layers-absurd "$engine" 3 'num_hidden_layers|layer.2'
fresh; set_config vocab_size 5000
case_of vocabulary-size "$engine" 3 'word_embeddings|vocab_size'
fresh; set_config hidden_act '"mystery"'
case_of activation-unknown "$engine" 7 mystery
fresh; edit 's/bert.encoder.layer.1.output.dense.bias/bert.encoder.layer.1.output.dense.bios/'
case_of tensor-missing "$engine" 3 'layer.1.output.dense.bias'
fresh; edit 's/"shape":\[30,50\]/"shape":[50,30]/'
case_of shape-turned "$engine" 3 'output.dense.weight'
fresh; printf '\x00\x00\xc0\x7f' | dd of="$weights" bs=1 seek=$(($(stat -c %s "$weights") - 4)) conv=notrunc status=none
case_of not-a-number "calibrate eval run" 3 'NaN|finite'

# ---- tokenizer files ----
fresh; printf '{"version": "1.0", "model": {"type": "BPE", "vocab": {}}}' >"$m/tokenizer.json"
case_of tokenizer-unsupported "calibrate eval run" 7 'tokenizer.json: model: found type "BPE"'
fresh; truncate -s 20000 "$m/tokenizer.json"
case_of tokenizer-cut-short "calibrate eval run" 3 tokenizer.json
fresh; sed -i 's/"\[UNK\]": 1,/"[UNK]": 2,/; s/"\[UNK\]":1,/"[UNK]":2,/' "$m/tokenizer.json"
case_of tokenizer-id-twice "calibrate eval run" 3 'tokenizer.json: .*same id'
fresh; rm "$m"/tokenizer.json "$m"/vocab.txt
case_of tokenizer-missing "calibrate eval run" 4 'tokenizer.json'

# ---- rows ----
m=$good
row_case() { # name, pattern; the rows are in $rows
    case_of "rows-$1" "calibrate eval" "${3:-3}" "$2"
}
rows=$TMP/bad.tsv
: >"$rows"
row_case empty 'bad.tsv: empty'
printf 'label\ttext\n' >"$rows"
row_case none 'bad.tsv: no rows'
printf 'label\ttext\nPOSITIVE\ta\tb\n' >"$rows"
row_case columns 'bad.tsv:2: found 3 columns'
printf 'label\tsentence\nPOSITIVE\ta\n' >"$rows"
row_case no-text 'bad.tsv:1: no column "text"'
printf 'label\ttext\nPOSITIVE\tfine\nPOSITIVE\t\xc3\x28\n' >"$rows"
row_case not-utf8 'bad.tsv:3: byte 0xc3'
printf 'label\ttext\nPOSITIVE\ta\0b\n' >"$rows"
row_case nul 'bad.tsv:2: a NUL byte'
rows=$TMP/bad.csv
printf 'label,text\nPOSITIVE,"never closed\n' >"$rows"
row_case quote 'bad.csv:2: the quote'
rows=$TMP/bad.jsonl
printf '{"text": "a", "label": "POSITIVE"}\n{"text": "b"\n' >"$rows"
row_case json 'bad.jsonl:2: not valid JSON'
rows=$TMP/bad.tsv.gz
gzip -c "$TMP/rows.tsv" | head -c 40 >"$rows"
row_case gzip-cut 'bad.tsv.gz: gzip data is cut short'
printf 'plain' >"$rows"
row_case not-gzip 'bad.tsv.gz: not gzip data'
rows=$TMP/none.tsv
row_case missing 'none.tsv' 4
rows=$TMP/rows.xls
cp "$TMP/rows.tsv" "$rows"
row_case kind 'rows.xls.*expected tsv' 2
rows=$TMP/rows.tsv

# ---- token ids ----
ids_case() { # name, line, pattern
    printf '{"input_ids": [2, 5, 3]}\n%s\n' "$2" >"$TMP/ids.jsonl"
    timeout 60 "$BIN/pe-run" "$good" --ids "$TMP/ids.jsonl" >"$TMP/stdout" 2>"$TMP/stderr"
    local code=$?
    report "ids-$1" "$(
        [ $code -eq 3 ] || echo "exit $code: $(head -c 300 "$TMP/stderr")"
        grep -qE "ids.jsonl:2: .*($3)" "$TMP/stderr" || echo "expected '$3': $(cat "$TMP/stderr")"
        [ "$(wc -l <"$TMP/stderr")" -eq 1 ] || echo "not one line"
    )"
}
ids_case too-large '{"input_ids": [2, 999999, 3]}' 999999
ids_case negative '{"input_ids": [2, -1, 3]}' input_ids
ids_case not-numbers '{"input_ids": ["a"]}' input_ids
ids_case empty '{"input_ids": []}' input_ids
ids_case other-length '{"input_ids": [2, 3], "attention_mask": [1]}' attention_mask
ids_case type-too-large '{"input_ids": [2, 3], "token_type_ids": [0, 9]}' token_type_ids
ids_case too-long "{\"input_ids\": [$(seq -s , 2 36)]}" '35 tokens'
ids_case all-masked '{"input_ids": [2, 3], "attention_mask": [0, 0]}' masked
ids_case not-json '{"input_ids": ' 'expected {'

# ---- recipes ----
recipe_case() { # name, codes, pattern; the recipe on stdin
    cat >"$TMP/r.yaml"
    report "recipe-$1" "$(try recipe "$TMP/r.yaml" "$2" "r.yaml$3")"
}
head="version: 1
model: good
data: {dev: rows.tsv}"
printf '' | recipe_case empty 3 ''
printf '\xff\xfe\x00' | recipe_case binary 3 ''
printf '%s\nsteps: [{prune: {sparsity: 2}}]\n' "$head" | recipe_case value 3 ':4:.*sparsity'
printf '%s\nsteps: [{squeeze: {}}]\n' "$head" | recipe_case step 3 ':4:.*squeeze'
printf '%s\nsteps: [{prune: {sparsty: 0.5}}]\n' "$head" | recipe_case key 3 ':4:.*sparsty'
printf '%s\nsteps: [{prune: {sparsity: 0.5, sparsity: 0.6}}]\n' "$head" | recipe_case twice 3 ':4:.*sparsity'
printf '%s\nsteps: &a [*a]\n' "$head" | recipe_case anchor 3 ':4:'
printf '%s\nsteps: !!python/object x\n' "$head" | recipe_case tag 3 ':4:'
printf '%s\nsteps: %s\n' "$head" "$(printf '%05000d' 0 | tr 0 '[')" | recipe_case nested 3 ':4:'
printf 'version: 9\nmodel: good\nsteps: []\n' | recipe_case version '3 7' ':1:.*version'
exit $failed
