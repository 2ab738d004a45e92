#!/bin/bash
# tests/gpu/run.sh - everything that only a GPU can show, in one command: every kernel's test on the
# device, every form of layers through the plugin, the whole road beside the CPU, times of the shipped
# model, and the sweep that says where sparse products pass dense ones. `ok` and `not ok` lines go to
# stderr, one JSON object of times to stdout. Needs a driver, cuBLASLt and cuSPARSE of the toolkit's major
# version (no nvcc), and what `make CUDA=1 gpu-tests all` built. Read next: docs/gpu.md.
#
# tests/gpu/run.sh [DEVICE] [N K]     default cuda; N K: one shape in the sweep
set -u
cd "$(dirname "$0")/../.." || exit 2
device=${1:-cuda}
[ $# -eq 0 ] || shift
export BIN=${BIN:-$PWD/build/release/bin} PE_TEST_DEVICE=$device
work=$(mktemp -d "${TMPDIR:-/tmp}/pe-gpu-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
failed=0

if [ "${device%%:*}" != emu ]; then
    missing=$(ldd "$(dirname "$BIN")/lib/pe/libpe-cuda.so" 2>/dev/null | awk '/not found/ { printf "%s ", $1 }')
    if [ -n "$missing" ]; then
        echo "tests/gpu/run.sh: not found: ${missing% }; install cuBLAS and cuSPARSE of the CUDA toolkit that built" \
            "the plugin (where they are in no folder that the loader knows, set LD_LIBRARY_PATH)" >&2
        exit 7
    fi
fi
if ! "$BIN/pe-run" recipes/sentiment/model --device "$device" "a fine film" >"$work/out" 2>"$work/why"; then
    cat "$work/why" >&2
    "$BIN/pe-inspect" --devices >&2
    exit 7
fi
"$BIN/pe-inspect" --devices >&2

kernels=build/cuda/tests
[ "${device%%:*}" != emu ] || kernels=build/emu/kernels
for test in tests/emu/kernels/test_*.c; do
    "$kernels/$(basename "$test" .c)" >&2 || failed=1
done
"$(dirname "$BIN")/gpu/forms" "$device" >&2 || failed=1
mkdir "$work/road"
TMP=$work/road tests/emu/road.sh >&2 || failed=1

# Times: the shipped model, dense and int8, then the sweep.
mkdir "$work/cache"
export XDG_CACHE_HOME=$work/cache
"$BIN/pe-quantize" recipes/sentiment/model -q -o "$work/int8" >&2 || failed=1
rows=(--batch "1,32" --length "16,128")
[ $# -eq 0 ] || rows=(--batch 1 --length 8 --repeats 2 --warmup 1) # a trial of the script itself
for model in recipes/sentiment/model "$work/int8"; do
    "$BIN/pe-bench" "$model" --device "$device" "${rows[@]}" --json >"$work/$(basename "$model").json" || failed=1
done
"$(dirname "$BIN")/gpu/sweep" "$device" "$@" >"$work/sweep.json" || failed=1
printf '{"schema": "pe.gpu/1", "float": %s, "int8": %s, "sweep": %s}\n' \
    "$(cat "$work/model.json")" "$(cat "$work/int8.json")" "$(cat "$work/sweep.json")"
exit $failed
