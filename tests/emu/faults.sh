#!/bin/bash
# tests/emu/faults.sh - plants faults of the CUDA plugin and its kernels in a copy of the code, one at a
# time, builds what they touch and runs the nearest suite: all must be caught.
# Read next: tests/emu/faults.txt (the faults). Called by `make emu-faults`.
#
# tests/emu/faults.sh [FAULT...]   (numbers, or words of the line); PE_FAULT_JOBS: for make
# Caught: a suite fails, or a build refuses it. An edit that changes nothing is stale and fails the run.
set -u

cd "$(dirname "$0")/../.." || exit 2
if ! command -v nvcc >/dev/null 2>&1; then
    echo "skip faults of the CUDA plugin: nvcc not found; install the CUDA toolkit 13"
    exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/pe-faults-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# What is built already need not be built again: both are copied with their times.
mkdir "$work/tree"
git ls-files -z | xargs -0 cp -p --parents -t "$work/tree" || exit 2
for built in build/release build/emu build/cuda; do
    [ ! -d $built ] || tar -c --exclude='build/*/tests' --exclude='build/*/isa' $built | tar -x -C "$work/tree"
done
cd "$work/tree" || exit 2
list=tests/emu/faults.txt
export BIN=$PWD/build/release/bin TMP=$work/tmp PE_TEST_STOP=1

programs() { # suites -> their programs
    local suite
    for suite; do case $suite in test_*) echo "build/emu/kernels/$suite" ;; esac done
}
build() { # suites
    # shellcheck disable=SC2046
    make -j"${PE_FAULT_JOBS:-$(nproc)}" tools emu build/release/gpu/forms $(programs "$@") >"$work/build.log" 2>&1
}
run() { # suite: its lines to $work/test.log
    rm -rf "$TMP" && mkdir "$TMP"
    case $1 in
    test_*) for schedule in forward reverse random; do
        PE_EMU_SCHED=$schedule timeout 600 "build/emu/kernels/$1" || return 1
    done ;;
    *) timeout 900 "tests/emu/$1.sh" ;;
    esac >"$work/test.log" 2>&1
}
passes() { # suites: true when none fails; else the one that did
    local suite
    for suite; do
        run "$suite" && continue
        echo "    by $suite: $(grep -m 1 -E '^not ok' "$work/test.log" || tail -1 "$work/test.log" | head -c 100)"
        return 1
    done
}
wanted() { # what its line says, words: one of them is in it, or there are none
    local line=$1 word
    shift
    [ $# -gt 0 ] || return 0
    for word; do
        case $word in
        *[!0-9]*) case $line in *"$word"*) return 0 ;; esac ;;
        *) [ "${line%% *}" != "$word" ] || return 0 ;;
        esac
    done
    return 1
}
known='' # suites that pass as things are: what fails anyway proves nothing
sound() { # suites
    local suite
    for suite; do
        case $known in *" $suite "*) continue ;; esac
        build "$suite" || { tail "$work/build.log"; exit 2; }
        passes "$suite" || { echo "$suite fails without a fault"; exit 2; }
        known="$known $suite "
    done
}

number=0 total=0 found=0 stale=0
while IFS=$'\t' read -r file edit suites what; do
    case $file in '' | '#'*) continue ;; esac
    number=$((number + 1))
    wanted "$number $file $what" "$@" || continue
    total=$((total + 1))
    # shellcheck disable=SC2086
    sound $suites
    cp -p "$file" "$work/original" || exit 2
    sed -E -i "$edit" "$file"
    if cmp -s "$file" "$work/original"; then
        echo "$number STALE  $file: $what"
        stale=$((stale + 1))
        continue
    fi
    verdict=caught
    # shellcheck disable=SC2086
    if ! build $suites; then by="    by the compiler"
    elif by=$(passes $suites); then verdict=MISSED
    fi
    [ $verdict = MISSED ] || found=$((found + 1))
    echo "$number $verdict  $file: $what$by"
    cp "$work/original" "$file" # newer than what was built of the fault
done <"$list"

echo "$found of $total faults caught, $stale stale"
[ "$stale" -eq 0 ] && [ "$found" -eq "$total" ]
