#!/bin/bash
# tests/run.sh - runs test programs side by side, adds up their results, prints one line a suite.
# Read next: docs/adding.md, "A test". Called by `make check` and `./bootstrap test`.
#
# tests/run.sh [-j JOBS] [-t SECONDS] PROGRAM...
# PROGRAM is a cmocka program (build/MODE/tests/...), or a script that prints `ok NAME`,
# `not ok NAME` or `skip NAME: why`. One that crashes, prints nothing or runs past the limit
# counts as failed. Last line: "N passed, N failed, N skipped"; exit 0 when none failed.
set -u

jobs=$(nproc)
limit=${PE_TEST_SECONDS:-600}
while getopts j:t: option; do
    case $option in
    j) jobs=$OPTARG ;;
    t) limit=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

cd "$(dirname "$0")/.." || exit 2
BIN=${BIN:-$PWD/build/release/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/pe-check-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export BIN work limit
export CMOCKA_MESSAGE_OUTPUT=tap LC_ALL=C.UTF-8
export UBSAN_OPTIONS=print_stacktrace=1

# One program: its output to a log, "passed failed skipped name" to a result, skips and failures kept.
run_one() {
    local program=$1 name id log code passed failed skipped planned said
    name=${program#build/}
    name=${name/\/tests\///}
    name=${name#tests/}
    id=${name//\//-}
    log=$work/$id.log
    mkdir -p "$work/$id.tmp"
    # a tool that ends with an error leaves its memory to the system: only test programs look for leaks
    case $program in
    *.sh) export ASAN_OPTIONS=detect_leaks=0 ;;
    *) export ASAN_OPTIONS=detect_leaks=1 ;;
    esac
    TMP=$work/$id.tmp TMPDIR=$work/$id.tmp timeout -k 10 "$limit" "./$program" >"$log" 2>&1 </dev/null
    code=$?
    skipped=$(grep -cE '^(skip |(not )?ok [0-9]+ # SKIP)' "$log")
    passed=$(grep -E '^ok ' "$log" | grep -vc ' # SKIP')
    failed=$(grep -E '^not ok ' "$log" | grep -vc ' # SKIP')
    planned=$(awk -F '[.][.]' '/^1[.][.][0-9]+$/ { n += $2 } END { print n + 0 }' "$log")
    said=$((passed + failed + skipped))
    if [ "$said" -lt "$planned" ]; then failed=$((failed + planned - said)); fi
    if [ "$said" -eq 0 ] || { [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; }; then failed=$((failed + 1)); fi
    {
        printf '%-44s %5d passed' "$name" "$passed"
        [ "$failed" -eq 0 ] || printf ', %d FAILED' "$failed"
        [ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
        printf '\n'
        sed -nE 's/^skip /    skipped: /p; s/^(not )?ok [0-9]+ # SKIP /    skipped: /p' "$log" | sort | uniq
        if [ "$failed" -ne 0 ]; then
            if [ "$code" -eq 124 ] || [ "$code" -eq 137 ]; then echo "    stopped after $limit s"
            else echo "    exit code $code"; fi
            grep -E '^not ok |^# |Error|ERROR|error' "$log" | grep -v ' # SKIP' | head -40 | sed 's/^/    /'
            if [ "$(grep -E '^not ok ' "$log" | grep -vc ' # SKIP')" -lt "$failed" ]; then
                echo "    last lines:" # it ended before it could say why
                tail -15 "$log" | sed 's/^/    | /'
            fi
        fi
    } >"$work/$id.text"
    echo "$passed $failed $skipped" >"$work/$id.result"
    cat "$work/$id.text"
    rm -rf "$work/$id.tmp"
}
export -f run_one

start=$SECONDS
[ $# -eq 0 ] || printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" bash -c 'run_one "$1"' run
echo
cat "$work"/*.result 2>/dev/null | awk -v want=$# -v time=$((SECONDS - start)) '
    { passed += $1; failed += $2; skipped += $3; n++ }
    END {
        if (n < want || !want) failed += want ? want - n : 1
        printf "%d suites in %d s\n", n, time
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed ? 1 : 0
    }'
