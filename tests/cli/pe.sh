#!/bin/bash
# tests/cli/pe.sh - the front end and what every tool has in common: help, version, exit codes, stdout.
# Read next: tools/pe.c, tools/common/tool.c.
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

tools=$(cd "$BIN" && for t in pe-*; do [ -x "$t" ] && [ "$t" != "pe-*" ] && echo "$t"; done)
check help code_of 0 "$BIN/pe" help
for t in $tools; do
    check "help-lists-$t" grep -qE "^  ${t#pe-} +[a-zA-Z]" "$TMP/out"
done
check no-arguments code_of 0 "$BIN/pe"
check version code_of 0 "$BIN/pe" --version
check version-says-level says "$TMP/out" "CPU level "
check unknown-verb code_of 2 "$BIN/pe" frobnicate
check help-of-unknown-verb code_of 2 "$BIN/pe" help frobnicate
for t in $tools; do
    check "$t-help" code_of 0 "$BIN/$t" --help
    check "$t-help-summary" grep -qE "^$t - " "$TMP/out"
    check "$t-help-examples-first" awk '/^Examples:/ { e = NR } /^Usage:/ { u = NR } END { exit !(e && u && e < u) }' "$TMP/out"
    check "$t-by-verb" code_of 0 "$BIN/pe" "${t#pe-}" --version
    check "$t-version" says "$TMP/out" "$t "
    check "$t-unknown-option" code_of 2 "$BIN/$t" --no-such-option-at-all
    check "$t-one-line" [ "$(wc -l <"$TMP/err")" -eq 1 ]
    check "$t-did-you-mean" code_of 2 "$BIN/$t" --verion
    check "$t-means-version" says "$TMP/err" "did you mean --version?"
    check "$t-threads-checked" code_of 2 env PE_THREADS=many "$BIN/$t" x
    check "$t-full-stdout" code_of 5 sh -c "\"$BIN/$t\" --help >/dev/full"
    check "$t-no-color" [ "$(NO_COLOR=1 "$BIN/$t" --bad 2>&1 | grep -c "$(printf '\033')")" -eq 0 ]
done
verb=$(echo "$tools" | head -1)
if [ -n "$verb" ]; then
    check misspelt-verb code_of 2 "$BIN/pe" "$(echo "${verb#pe-}" | cut -c1-4)"
    check misspelt-verb-hint says "$TMP/err" "did you mean '${verb#pe-}'"
fi
exit $failed
