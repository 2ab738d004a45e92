#!/bin/bash
# tests/faults/run.sh - plants faults in a copy of the code, one at a time, and counts how many the tests catch.
# Read next: tests/faults/faults.txt (the faults). Called by `make faults`.
#
# tests/faults/run.sh [FAULT...]   (numbers, ranges as 10-20, or words of the file or description)
# A fault counts as caught when a test fails or a build refuses it. A fault whose edit changes
# nothing is stale and fails the run. Exit 0 when at least nine in ten are caught.
set -u

cd "$(dirname "$0")/../.." || exit 2
list=$PWD/tests/faults/faults.txt
work=$(mktemp -d "${TMPDIR:-/tmp}/pe-faults-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

mkdir "$work/tree"
git ls-files -z | xargs -0 cp --parents -t "$work/tree" || exit 2
cd "$work/tree" || exit 2
make -j"$(nproc)" all units >"$work/build.log" 2>&1 || { tail "$work/build.log"; exit 2; }

# Programs whose path matches the extended regular expression; all of them for an empty one.
suites() { find build/release/tests tests/cli -type f \( -name 'test_*' ! -name '*.*' -o -name '*.sh' \) | sort | grep -E "$1"; }

# True when a test fails.
caught() {
    # shellcheck disable=SC2046
    PE_TEST_SECONDS=300 tests/run.sh $(suites "$1") >"$work/test.log" 2>&1 && return 1
    grep -m 1 -E 'FAILED' "$work/test.log" | awk '{ print "    by " $1 }'
}

# wanted NUMBER "FILE WHAT" FAULT...: is it one of those asked for?
wanted() {
    local number=$1 text=$2 fault
    shift 2
    [ $# -gt 0 ] || return 0
    for fault; do
        if [[ $fault =~ ^([0-9]+)(-([0-9]+))?$ ]]; then
            [ "$number" -lt "${BASH_REMATCH[1]}" ] || [ "$number" -gt "${BASH_REMATCH[3]:-${BASH_REMATCH[1]}}" ] || return 0
        elif [[ $text == *"$fault"* ]]; then return 0
        fi
    done
    return 1
}

total=0 found=0 stale=0
while IFS=$'\t' read -r file edit hint what; do
    case $file in '' | '#'*) continue ;; esac
    total=$((total + 1))
    wanted $total "$file $what" "$@" || continue
    cp -p "$file" "$work/original" || { stale=$((stale + 1)); continue; }
    sed -E -i "$edit" "$file"
    if cmp -s "$file" "$work/original"; then
        echo "$total STALE  $file: $what"
        stale=$((stale + 1))
        continue
    fi
    if ! make -j"$(nproc)" all units >"$work/build.log" 2>&1; then
        verdict="caught"; by="    by the compiler"
    elif by=$(caught "$hint") || by=$(caught .); then
        verdict="caught"
    else
        verdict="MISSED"; by=
    fi
    [ "$verdict" = caught ] && found=$((found + 1))
    echo "$total $verdict  $file: $what$by"
    cp "$work/original" "$file"
done <"$list"

[ $# -gt 0 ] && exit 0
echo "$found of $total faults caught, $stale stale"
[ "$stale" -eq 0 ] && [ $((found * 10)) -ge $((total * 9)) ]
