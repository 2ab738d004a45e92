#!/bin/bash
# tests/emu/limits.sh - a device that has too little memory, is lost, refuses a call, is too old or is
# not there: one clear line, exit code 6 or 7, nothing written. Read next: docs/gpu.md.
set -u
. tests/emu/checks.sh
plugin_or_skip "limits of the emulated GPU"
model=recipes/sentiment/model
export XDG_CACHE_HOME="$TMP/cache"
sed -n 2,9p recipes/sentiment/data/sentiment-dev.tsv | cut -f2 >"$TMP/texts"
run=("$BIN/pe-run" "$model" --device emu --json)
"${run[@]}" <"$TMP/texts" >"$TMP/whole"
check whole test "$(wc -l <"$TMP/whole")" -eq 8

# a batch that does not fit is halved until it does; the answers are the same
with_memory() { code_of 0 "${run[@]}" --max-vram "$1" <"$TMP/texts" && cmp -s "$TMP/out" "$TMP/whole"; }
check halved with_memory 16M
check too-small code_of 6 "${run[@]}" --max-vram 2M
check too-small-says says "$TMP/err" "--max-vram"
check too-small-line one_line "$TMP/err"
PE_EMU_MEM=3000000 check card-too-small code_of 6 "${run[@]}"
check card-too-small-says says "$TMP/err" "do not fit"

# every call of the runtime that can fail, failing once: an error of one line, or the right answer
# where the tool can go on without it
refused() { # call, its number
    local code
    PE_EMU_FAIL="$1:$2" "${run[@]}" <"$TMP/texts" >"$TMP/out" 2>"$TMP/err"
    code=$?
    case $code in
    0) cmp -s "$TMP/out" "$TMP/whole" || { echo "# $1:$2: another answer"; return 1; } ;;
    6 | 7) [ ! -s "$TMP/out" ] && one_line "$TMP/err" ;;
    *) echo "# $1:$2: exit $code: $(head -c 300 "$TMP/err")"; return 1 ;;
    esac
}
calls="cudaGetDeviceCount cudaGetDeviceProperties cudaSetDevice cudaStreamCreateWithFlags cudaMemGetInfo cudaMalloc
cudaMemcpyAsync cudaMemsetAsync cudaLaunchKernel cudaStreamSynchronize cudaEventCreateWithFlags cudaFuncSetAttribute
cublasLtCreate cublasLtMatmul cublasLtMatmulDescCreate cublasLtMatrixLayoutCreate cublasLtMatmulAlgoGetHeuristic"
for call in $calls; do
    for n in 1 6; do
        check refused-$call-$n refused $call $n
    done
done
PE_EMU_FAIL=cudaStreamSynchronize:2 check lost code_of 7 "${run[@]}"
check lost-says says "$TMP/err" "the GPU was lost"

# devices that cannot be used
PE_EMU_DRIVER=old check old-driver code_of 7 "${run[@]}"
check old-driver-says says "$TMP/err" "driver"
PE_EMU_CC=75 check old-card code_of 7 "${run[@]}"
check old-card-says says "$TMP/err" "compute capability 7.5"
PE_EMU_DEVICES=0 check no-card code_of 7 "${run[@]}"
check no-card-line one_line "$TMP/err"
PE_EMU_DEVICES=0 check no-card-listed code_of 0 "$BIN/pe-inspect" --devices
check no-card-why says "$TMP/out" "emu: not available"

# nothing is written when the device fails half-way
for call in cudaMalloc:1 cudaLaunchKernel:9 cudaMemcpyAsync:5; do
    code=7
    [ $call != cudaMalloc:1 ] || code=6
    PE_EMU_FAIL=$call check prune-fails-$call code_of $code "$BIN/pe-prune" $model -o "$TMP/out-$call" --sparsity 0.5 --device emu
    check prune-writes-nothing-$call test ! -e "$TMP/out-$call"
done
exit $failed
