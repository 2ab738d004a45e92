#!/bin/bash
# tests/cli/bench.sh - pe-bench: its rows and JSON, --baseline, --layers, --tune and what loading makes
# of the times. Read next: docs/pe-bench.md.
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

export XDG_CACHE_HOME="$TMP/cache"
model=recipes/sentiment/model
bench="$BIN/pe-bench"
fast=(--repeats 3 --warmup 1)

check rows code_of 0 "$bench" $model -b 1,3 -l 8,16 "${fast[@]}"
check rows-table test "$(grep -cE '^ +[13] +(8|16) ' "$TMP/out")" -eq 4
check json code_of 0 "$bench" $model -b 1 -l 8 "${fast[@]}" --json
check json-is-one-line test "$(wc -l <"$TMP/out")" -eq 1
for key in '"schema": "pe.bench/1"' '"rows"' '"median_ms"' '"min_ms"' '"p95_ms"' '"tokens_per_s"' '"peak_rss"' '"threads"' '"cpu"'; do
    check "json-has-$(echo "$key" | tr -dc 'a-z0-9_')" says <(sed 's/":/": /g; s/:  */: /g' "$TMP/out") "$key"
done
check layers code_of 0 "$bench" $model -b 2 -l 8 "${fast[@]}" --layers
check layers-ops test "$(grep -cE '^(embed|layernorm|linear|attention)' "$TMP/out")" -gt 20
check baseline code_of 0 "$bench" $model --baseline $model -b 1 -l 8 "${fast[@]}"
check baseline-speed-up grep -qE ' [0-9.]+x *$' "$TMP/out"

# tuned: every matrix has a form for each bucket, the times are found again, bits stay
check sparse code_of 0 "$BIN/pe-prune" $model -o "$TMP/sparse" --sparsity 0.9 --pattern 1x4
check quantized code_of 0 "$BIN/pe-quantize" "$TMP/sparse" -o "$TMP/int8"
echo "a fine film" | "$BIN/pe-run" "$TMP/int8" --json >"$TMP/before"
check tune code_of 0 "$bench" "$TMP/int8" --tune
check tune-rows grep -qE 'intermediate.dense +768 x 192 .*(dense|bitmask|block4)' "$TMP/out"
check tune-file test "$(find "$XDG_CACHE_HOME/pe/tune" -name '*.json' | wc -l)" -eq 1
check tuned-used code_of 0 "$bench" "$TMP/int8" -b 1 -l 8 "${fast[@]}" --json
check tuned-said says "$TMP/out" '"tuned"'
echo "a fine film" | "$BIN/pe-run" "$TMP/int8" --json >"$TMP/after"
check tuned-same-bits cmp -s "$TMP/before" "$TMP/after"
check tune-other-file code_of 0 "$bench" "$TMP/int8" --tune --tune-file "$TMP/my/times.json" --json
check tune-other-file-there test -s "$TMP/my/times.json"
check foreign-times code_of 3 "$bench" $model -b 1 -l 8 "${fast[@]}" --tune-file "$TMP/my/times.json"
check no-times code_of 4 "$bench" $model -b 1 -l 8 --tune-file "$TMP/none.json"
for f in "$XDG_CACHE_HOME"/pe/tune/*.json; do echo '{"schema": 1' >"$f"; done
check damaged-cache code_of 0 "$bench" "$TMP/int8" -b 1 -l 8 "${fast[@]}" --json
check damaged-cache-estimates says "$TMP/out" '"estimate"'

check too-long code_of 2 "$bench" $model -l 4096
check no-batch code_of 2 "$bench" $model -b 0
check missing code_of 4 "$bench" "$TMP/nothing"
exit $failed
