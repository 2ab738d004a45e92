#!/bin/bash
# tests/cli/eval.sh - pe-eval on the shipped model: numbers, baselines, verdicts, records, bad input.
# Read next: docs/pe-eval.md, tests/golden/test_stats.c.
set -u
failed=0
model=recipes/sentiment/model
dev=recipes/sentiment/data/sentiment-dev.tsv
test=recipes/sentiment/data/sentiment-test.tsv
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
says() { grep -qE -- "$2" "$1" || { echo "# expected '$2', found: $(head -c 2000 "$1")"; return 1; }; }
eval_() { "$BIN/pe-eval" "$@"; }

# the accuracies that transformers gives on all rows (recipes/sentiment/model/README.md)
check runs code_of 0 eval_ $model --data $dev --data $test --json
cp "$TMP/out" "$TMP/all.json"
check accuracy-of-both says "$TMP/all.json" '"value": 0\.790220049'
check accuracy-of-dev says "$TMP/all.json" '"value": 0\.784822286'
check accuracy-of-test says "$TMP/all.json" '"value": 0\.795816733'
check schema says "$TMP/all.json" '"schema": "pe.eval/1"'
check rows says "$TMP/all.json" '"n": 2045'
check interval says "$TMP/all.json" '0\.772037605'
check labels-by-id says "$TMP/all.json" '"labels_matched_by": "ids"'
check table code_of 0 eval_ $model --data $dev --limit 50
check table-says says "$TMP/out" '^accuracy +0\.[0-9]{4} +0\.[0-9]{4} \.\. 0\.[0-9]{4}'

# results depend on nothing but model and rows
check records code_of 0 eval_ $model --data $dev --limit 60 --records "$TMP/r1" --json
mv "$TMP/out" "$TMP/j1"
for way in "--batch 1 -j 1" "--batch 3 -j 2" "--batch 16 -j 3"; do
    # shellcheck disable=SC2086
    check "same-$(echo "$way" | tr -d ' -')" code_of 0 eval_ $model --data $dev --limit 60 --records "$TMP/r2" --json $way
    check "same-records-$(echo "$way" | tr -d ' -')" cmp "$TMP/r1" "$TMP/r2"
    check "same-report-$(echo "$way" | tr -d ' -')" cmp "$TMP/j1" "$TMP/out"
done
check records-lines [ "$(wc -l <"$TMP/r1")" -eq 60 ]
check records-fields says "$TMP/r1" '^\{"file": ?"[^"]*dev.tsv", ?"label": ?"negative", ?"line": ?2, ?"logits": ?\[[-0-9., e]*\], ?"nll": ?[0-9.e-]*, ?"pred": ?"(negative|positive)"\}'

# a baseline: itself (pass), something broken (fail), too few rows (inconclusive)
check pass code_of 0 eval_ $model --data $dev --limit 200 --baseline $model --max-drop 0.05
check pass-says says "$TMP/out" 'PASS'
check pass-agrees says "$TMP/out" '100\.00 %'
check prune-half code_of 0 "$BIN/pe-prune" $model -o "$TMP/broken" --sparsity 0.97 --only '*'
check fail code_of 1 eval_ "$TMP/broken" --data $dev --limit 300 --baseline $model --max-drop 0.01 --json
check fail-says says "$TMP/out" '"verdict": "FAIL"'
check fail-flips says "$TMP/out" '"right_to_wrong": [1-9]'
check fail-on-f1 code_of 1 eval_ "$TMP/broken" --data $dev --limit 300 --baseline $model --max-drop 0.01 --metric macro_f1 --json
check f1-by-resampling says "$TMP/out" '"method": "bootstrap"'
check inconclusive code_of 8 eval_ $model --data $dev --limit 40 --baseline $model --max-drop 0.01
check inconclusive-rows says "$TMP/out" 'about [0-9]+ rows would decide'
rows=$(sed -nE 's/^about ([0-9]+) rows would decide.*/\1/p' "$TMP/out")
check that-many-decide code_of 0 eval_ $model --data $dev --limit "${rows:-1}" --baseline $model --max-drop 0.01
check one-fewer-does-not code_of 8 eval_ $model --data $dev --limit $((${rows:-2} - 1)) --baseline $model --max-drop 0.01
check nll-gate code_of 0 eval_ $model --data $dev --limit 100 --baseline $model --max-drop 0 --metric nll

# labels: names, another case, names that the model does not have
printf 'label\ttext\nnegative\ta dull film\npositive\ta fine film\n' >"$TMP/names.tsv"
check names code_of 0 eval_ $model --data "$TMP/names.tsv" --json
check names-matched says "$TMP/out" '"labels_matched_by": "names"'
printf 'label\ttext\nNEGATIVE\ta dull film\nPositive\ta fine film\n' >"$TMP/case.tsv"
check case code_of 0 eval_ $model --data "$TMP/case.tsv" --json
check case-matched says "$TMP/out" 'case ignored'
printf 'label\ttext\n0\ta dull film\n2\ta fine film\n' >"$TMP/bad.tsv"
check unknown-label code_of 3 eval_ $model --data "$TMP/bad.tsv"
check unknown-label-place says "$TMP/err" "bad.tsv:3: found label '2', expected one of the model's 'negative', 'positive'"
printf 'mark\ttext\n0\ta dull film\n' >"$TMP/none.tsv"
check no-label code_of 3 eval_ $model --data "$TMP/none.tsv"
check no-label-says says "$TMP/err" '--label'
check other-column code_of 0 eval_ $model --data "$TMP/none.tsv" --label mark
printf 'label\ttext\n' >"$TMP/empty.tsv"
check no-rows code_of 3 eval_ $model --data "$TMP/empty.tsv"
printf '{"text": "a fine film", "label": "positive"}\n{"text": "a dull film", "label": 0}\n' >"$TMP/mixed.jsonl"
check mixed-labels code_of 3 eval_ $model --data "$TMP/mixed.jsonl"
gzip -c $dev >"$TMP/dev.tsv.gz"
check gzip code_of 0 eval_ $model --data "$TMP/dev.tsv.gz" --limit 20
awk 'BEGIN { print "label\ttext"; printf "1\t"; for (i = 0; i < 400; i++) printf "good "; print "" }' >"$TMP/long.tsv"
check truncated code_of 0 eval_ $model --data "$TMP/long.tsv"
check truncated-said says "$TMP/out" '1 rows? (was|were) longer'

# usage and missing things
check no-data code_of 2 eval_ $model
check gate-without-baseline code_of 2 eval_ $model --data $dev --max-drop 0.1
check no-such-metric code_of 2 eval_ $model --data $dev --limit 5 --metric bleu
check no-such-metric-says says "$TMP/err" 'accuracy, macro_f1'
check no-such-task code_of 2 eval_ $model --data $dev --limit 5 --task guess
check wrong-task code_of 2 eval_ $model --data $dev --limit 5 --task regress
check no-pooling code_of 7 eval_ $model --data $dev --limit 5 --task embed
check no-device code_of 7 eval_ $model --data $dev --limit 5 --device cuda:99
check no-model code_of 4 eval_ "$TMP/nothing" --data $dev
check no-file code_of 4 eval_ $model --data "$TMP/nothing.tsv"
check records-unwritable code_of 4 eval_ $model --data $dev --limit 5 --records "$TMP/no/folder"
exit $failed
