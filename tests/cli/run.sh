#!/bin/bash
# tests/cli/run.sh - pe-run: labels, pairs, ids, tokens, masked words, embeddings, the same bits at
# every CPU level, exit codes. Read next: docs/pe-run.md, tests/golden/test_run_dump.c.
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

model=recipes/sentiment/model
models=tests/golden/data/models
run="$BIN/pe-run"

check text code_of 0 "$run" $model "A gripping movie, played with performances that are all understated and touching." bad
check text-first grep -qP '^positive\t0\.97\d\d\tA gripping' "$TMP/out"
check text-second grep -qP '^negative\t0\.97\d\d\tbad$' "$TMP/out"
check json code_of 0 "$run" $model --json bad
check json-fields grep -qE '^\{"label":"negative","score":0\.97[0-9]+,"logits":\[1\.66[0-9]+,-1\.94[0-9]+\]\}$' "$TMP/out"

# lines of stdin: order kept whatever their lengths, windows and batches
for i in $(seq 1 2500); do echo "number $i $(printf 'good %.0s' $(seq 1 $((i % 23))))"; done >"$TMP/lines"
"$run" $model -j2 <"$TMP/lines" >"$TMP/many" 2>"$TMP/err"
check stdin-order cmp -s <(cut -f3 "$TMP/many") "$TMP/lines"
"$run" $model --json -b 1 -j1 <"$TMP/lines" >"$TMP/one"
"$run" $model --json -b 64 -j3 <"$TMP/lines" >"$TMP/other"
check batch-and-threads-same-bits cmp -s "$TMP/one" "$TMP/other"
printf 'no newline at the end' | "$run" $model >"$TMP/out"
check last-line-without-newline says "$TMP/out" "no newline at the end"
check empty-line test "$(printf '\n\n' | "$run" $model | wc -l)" -eq 2
check empty-input test -z "$("$run" $model </dev/null)"
printf 'a\r\n' | "$run" $model --tokenize --json >"$TMP/out"
check crlf says "$TMP/out" '"offsets":[[0,0],[0,1],[0,0]]'
check closed-pipe test "$("$run" $model <"$TMP/lines" | head -1 | wc -l)" -eq 1

# too long: cut, counted and said
printf 'word %.0s' $(seq 1 300) >"$TMP/long"
"$run" $model <"$TMP/long" >"$TMP/out" 2>"$TMP/err"
check truncation-said says "$TMP/err" "1 of 1 rows were too long"
check truncation-asked code_of 0 "$run" $model --max-length 4 "one two three four five"
check truncation-counts says "$TMP/err" "cut off at 4 a row"

# pairs
e2e=tests/golden/data/e2e/bert_classify
printf 'a wonderful film\tindeed\n' | "$run" $e2e --pairs --tokenize --json >"$TMP/out"
check pairs grep -q '"tokens":\["\[CLS\]".*"\[SEP\]".*"\[SEP\]"\]' "$TMP/out"
printf 'no tab\n' >"$TMP/notab"
"$run" $e2e --pairs <"$TMP/notab" >"$TMP/out" 2>"$TMP/err"
check pairs-without-tab test $? -eq 3
check pairs-names-line says "$TMP/err" "stdin:1"

# tokens there and back
check tokenize code_of 0 "$run" $model --tokenize "Café society"
check tokenize-shows says "$TMP/out" "[CLS]"
check tokenize-json code_of 0 "$run" $model --tokenize --json "bad film"
check tokenize-ids grep -qE '^\{"ids":\[2,522,[0-9,]+3\],"offsets":\[\[0,0\],\[0,3\],.*\[0,0\]\],"tokens":\["\[CLS\]","bad",' "$TMP/out"
check decode code_of 0 "$run" $model --decode "2 522 3"
check decode-text test "$(cat "$TMP/out")" = bad
check decode-json code_of 0 "$run" $model --decode "[2, 522, 3]"
check decode-json-text test "$(cat "$TMP/out")" = bad
check decode-bad code_of 3 "$run" $model --decode "2 x 3"

# ids in place of text; padding on the right changes nothing
echo '{"input_ids": [2, 522, 3]}' >"$TMP/ids"
echo '{"input_ids": [2, 522, 3, 0, 0, 0], "attention_mask": [1, 1, 1, 0, 0, 0]}' >"$TMP/padded"
"$run" $model --ids "$TMP/ids" --json >"$TMP/a"
"$run" $model --ids - --json <"$TMP/padded" >"$TMP/b"
"$run" $model --json bad >"$TMP/c"
check ids-right-padding cmp -s "$TMP/a" "$TMP/b"
check ids-same-as-text cmp -s "$TMP/a" "$TMP/c"
bad_ids() { # name, line, words
    printf '%s\n' "$2" >"$TMP/bad"
    check "$1" code_of 3 "$run" $model --ids "$TMP/bad"
    check "$1-said" says "$TMP/err" "$3"
    check "$1-one-line" one_line
}
bad_ids ids-out-of-range '{"input_ids": [2, 7000]}' "7000"
bad_ids ids-negative '{"input_ids": [-1]}' "bad:1"
bad_ids ids-lengths '{"input_ids": [2, 3], "attention_mask": [1]}' "attention_mask"
bad_ids ids-all-masked '{"input_ids": [2], "attention_mask": [0]}' "every token is masked"
bad_ids ids-unknown-key '{"input_ids": [2], "labels": [0]}' "labels"
bad_ids ids-type '{"input_ids": [2], "token_type_ids": [2]}' 'found 2, the model has 0 to 1'
bad_ids ids-no-json 'hello' "input_ids"
bad_ids ids-empty '{"input_ids": []}' "input_ids"
check ids-and-text code_of 2 "$run" $model --ids "$TMP/ids" text

# heads without a tokenizer, by ids
echo '{"input_ids": [2, 7, 9, 3]}' >"$TMP/ids"
check tags code_of 0 "$run" $models/bert_tok --ids "$TMP/ids" --json
check tags-fields grep -qE '^\{"tokens":\[\{"label":"LABEL_[0-4]","score":' "$TMP/out"
check embedding code_of 0 "$run" $models/bert_embed --ids "$TMP/ids" --json
check embedding-width test "$(tr , '\n' <"$TMP/out" | wc -l)" -eq 36
check masked-lm code_of 0 "$run" $models/bert_mlm --ids "$TMP/ids" --json
check regression-needs-nothing code_of 0 "$run" $models/roberta_cls --ids "$TMP/ids"
check bare-encoder code_of 2 "$run" "$models/bert_embed/../bert_mlm/../albert_cls/../bert_embed" --pool max --ids "$TMP/ids"

# the same bits at every level and in every form; int8 attention is another model than float attention
head -60 "$TMP/lines" >"$TMP/some"
"$BIN/pe-prune" $model -o "$TMP/sparse" --sparsity 0.7 --pattern 1x4 >/dev/null 2>&1
for kind in float int8 mixed; do
    m=$model
    case $kind in
    int8) m=$TMP/int8; check quantize code_of 0 "$BIN/pe-quantize" "$TMP/sparse" -o $m ;;
    mixed) m=$TMP/mixed; check quantize-mixed code_of 0 "$BIN/pe-quantize" "$TMP/sparse" -o $m --attention float ;;
    esac
    "$run" $m --json -j1 <"$TMP/some" >"$TMP/want"
    cp "$TMP/want" "$TMP/want-$kind"
    check $kind-answers test "$(wc -l <"$TMP/want")" -eq 60
    for level in ref avx2 avxvnni avx512 vnni vbmi2 amx; do
        PE_CPU=$level "$run" $m --json -j2 <"$TMP/some" >"$TMP/got"
        check $kind-level-$level cmp -s "$TMP/got" "$TMP/want"
    done
    for form in dense csr bitmask block4; do
        "$run" $m --json --exec-layout $form <"$TMP/some" >"$TMP/got"
        check $kind-executed-as-$form cmp -s "$TMP/got" "$TMP/want"
    done
    "$run" $m --json -b 7 -j3 <"$TMP/some" >"$TMP/got"
    check $kind-batch-and-threads cmp -s "$TMP/got" "$TMP/want"
done
check attention-shows sh -c "! cmp -s '$TMP/want-int8' '$TMP/want-mixed'"
(cd / && LC_ALL=tr_TR.UTF-8 TZ=Asia/Tokyo "$run" "$OLDPWD/$model" --json <"$TMP/some" >"$TMP/got")
"$run" $model --json <"$TMP/some" >"$TMP/want"
check elsewhere-same-bits cmp -s "$TMP/got" "$TMP/want"

# mistakes
check unknown-level-version code_of 0 env PE_CPU=sse9 "$run" --version
PE_CPU=sse9 "$run" $model bad >"$TMP/out" 2>"$TMP/err"
check unknown-level-refused test $? -eq 2
check family code_of 7 "$run" $models/albert_cls --ids "$TMP/ids"
check family-named says "$TMP/err" "albert"
check family-one-line one_line
check missing code_of 4 "$run" "$TMP/nothing" text
check layout code_of 2 "$run" $model --exec-layout ellpack text
check option code_of 2 "$run" $model --ojson
check option-close says "$TMP/err" "--json"
check dump-nowhere code_of 4 "$run" $model --dump "$TMP/no/such/folder/x" text
exit $failed
