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

# a batch that does not fit is halved until it does: more launches, the same answers
launches_of() { grep -oE '[0-9]+ launches' "$1" | awk '{ n += $1 } END { print n + 0 }'; }
with_memory() { # memory, least and most launches, in those of the batch in one go
    local n
    PE_EMU_STATS=1 code_of 0 timeout 300 "${run[@]}" --max-vram "$1" <"$TMP/long" || return 1
    cmp -s "$TMP/out" "$TMP/long-whole" || { echo "# another answer"; return 1; }
    n=$(launches_of "$TMP/err")
    [ "$n" -ge $(($2 * in_one)) ] && [ "$n" -le $(($3 * in_one)) ] || { echo "# $n launches, $in_one in one go"; return 1; }
}
for _ in 1 2 3 4 5 6 7 8; do tr '\n' ' ' <"$TMP/texts" | cut -c1-400 && echo; done | grep . >"$TMP/long"
PE_EMU_STATS=1 check long code_of 0 "${run[@]}" <"$TMP/long"
in_one=$(launches_of "$TMP/err")
mv "$TMP/out" "$TMP/long-whole"
check halved with_memory 20M 2 2
check halved-thrice with_memory 14M 8 8
check halved-releases with_memory 15000K 8 9 # the activations of the batch that did not fit are gone
twice=cudaMallocFromPoolAsync:3,cudaMallocFromPoolAsync:4 # once is met by giving back what is kept
PE_EMU_FAIL=$twice check halved-by-the-card with_memory 64M 2 3
PE_EMU_FAIL=${twice%,*} check not-halved-by-the-card with_memory 64M 1 1
check too-small code_of 6 "${run[@]}" --max-vram 2M
check too-small-says says "$TMP/err" "--max-vram"
check too-small-line one_line "$TMP/err"
# what is lent for a call counts, by pe's own measure and by the card's: with all that was used it runs,
# with a byte less it does not, and what the pool keeps is had back
bench=("$BIN/pe-bench" "$model" --device emu --batch 1 --length 16 --repeats 1 --warmup 1 --json)
within() { # limit, its bytes, precision
    local peak held
    PE_EMU_STATS=1 code_of 0 "${bench[@]}" --max-vram "$1" --precision "$3" || return 1
    peak=$(grep -oE '"peak_device":[0-9]+' "$TMP/out" | cut -d : -f 2)
    held=$(sed -n 's/^emu: at most \([0-9]*\) bytes.*/\1/p' "$TMP/err")
    [ "$peak" -gt $(($2 / 2)) ] && [ "$held" -ge "$peak" ] && [ "$held" -le "$2" ] || { echo "# $peak, $held bytes of $2"; return 1; }
    code_of 0 "${bench[@]}" --max-vram "$peak" --precision "$3" &&
        code_of 6 "${bench[@]}" --max-vram $((peak - 1)) --precision "$3" && says "$TMP/err" "workspace"
}
check within-f32 within 13M 13631488 f32
check within-bf16 within 9M 9437184 bf16
PE_EMU_MEM=10000K check pool-gives-back code_of 0 "${run[@]}" --precision bf16 --batch 1 <"$TMP/texts"
# a matrix is made and dropped for each piece of work: its memory is taken from the card once
PE_EMU_FAIL=cudaMalloc:3,cudaMalloc:4 check few-slabs code_of 0 "$BIN/pe-quantize" $model --device emu -q -o "$TMP/q8"
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
cudaMemPoolCreate cudaMemPoolSetAttribute cudaMallocFromPoolAsync cudaFreeAsync cudaMemcpyAsync cudaMemsetAsync cudaLaunchKernel cudaStreamSynchronize cudaEventCreateWithFlags cudaFuncSetAttribute
cublasLtCreate cublasLtMatmul cublasLtMatmulDescCreate cublasLtMatrixLayoutCreate cublasLtMatmulAlgoGetHeuristic"
for call in $calls; do
    for n in 1 6; do
        check refused-$call-$n refused $call $n
    done
done
PE_EMU_FAIL=cudaStreamSynchronize:2 check lost code_of 7 "${run[@]}"
check lost-says says "$TMP/err" "the GPU was lost"

# every single launch of some small models and passes: a status that nobody looks at would show here
every_launch() { # command...: it fails whichever launch fails, in one line, and leaves no "$TMP/pass"
    local n all
    PE_EMU_STATS=1 code_of 0 "$@" </dev/null || return 1
    all=$(launches_of "$TMP/err")
    [ "$all" -ge 2 ] || { echo "# $all launches"; return 1; }
    for ((n = 1; n <= all; n++)); do
        rm -rf "$TMP/pass"
        PE_EMU_FAIL=cudaLaunchKernel:$n code_of 7 "$@" </dev/null || { echo "# launch $n of $all"; return 1; }
        one_line "$TMP/err" && [ ! -s "$TMP/out" ] && [ ! -e "$TMP/pass" ] || { echo "# launch $n of $all"; return 1; }
    done
}
golden=tests/golden/data/models
printf '{"input_ids": [%s]}\n' 2,5,7,11,3 2,9,8,7,6,5,4,3,2,1,40,41,42,43,44,45,3 >"$TMP/ids"
check prune-f16 code_of 0 "$BIN/pe-prune" $golden/bert_f16 --sparsity 0.7 -q -o "$TMP/f16"
check quantize-int8 code_of 0 "$BIN/pe-quantize" $golden/bert_embed -q -o "$TMP/int8"
check quantize-w8a16 code_of 0 "$BIN/pe-quantize" $golden/bert_gamma --scheme w8a16 -q -o "$TMP/w8a16"
for name in f16 int8 w8a16; do
    check every-launch-$name every_launch "$BIN/pe-run" "$TMP/$name" --device emu --json --ids "$TMP/ids"
done
# int8 without cuBLASLt: the own kernel, which is said
many=("$BIN/pe-bench" "$TMP/int8" --device emu --batch 2 --length 20 --repeats 1 --warmup 1 --json)
check int8-by-cublas code_of 0 "$BIN/pe-run" "$TMP/int8" --device emu --json --ids "$TMP/ids"
mv "$TMP/out" "$TMP/by-cublas"
check int8-as-planned code_of 0 "${many[@]}"
check int8-no-note test "$(grep -c 'pe.s own kernel' "$TMP/out")" -eq 0
export PE_EMU_LT_INT8=off
check int8-by-own code_of 0 "$BIN/pe-run" "$TMP/int8" --device emu --json --ids "$TMP/ids"
check int8-same cmp "$TMP/by-cublas" "$TMP/out"
check int8-own-note code_of 0 "${many[@]}"
check int8-own-note-said says "$TMP/out" "pe's own kernel took them"
unset PE_EMU_LT_INT8
one=(--only '*.layer.0.output.dense' --device emu -q -o "$TMP/pass" -f)
check every-launch-prune every_launch "$BIN/pe-prune" $golden/bert_cls --sparsity 0.5 "${one[@]}"
check every-launch-blocks every_launch "$BIN/pe-prune" $golden/bert_cls --sparsity 0.5 --pattern 4x4 "${one[@]}"
check every-launch-quantize every_launch "$BIN/pe-quantize" $golden/bert_cls "${one[@]}"

# calls of cuSPARSE; one that says there is no memory may only lead to smaller batches
check prune-blocks code_of 0 "$BIN/pe-prune" $model --sparsity 0.9 --pattern 32x32 -q -o "$TMP/blocks"
for layout in csr bsr blocked-ell; do
    run=("$BIN/pe-run" "$TMP/blocks" -q --device emu --json --ids "$TMP/ids" --exec-layout "$layout")
    check whole-$layout code_of 0 "${run[@]}"
    cp "$TMP/out" "$TMP/whole"
    case $layout in csr) made=cusparseCreateCsr ;; bsr) made=cusparseCreateBsr ;; *) made=cusparseCreateBlockedEll ;; esac
    for call in $made cusparseCreate cusparseSetStream cusparseCreateDnMat cusparseSpMM_bufferSize cusparseSpMM; do
        check refused-$layout-$call refused $call 1
    done
done

# a second device: threads of the pool begin with the first, where its streams cannot be used
export PE_EMU_DEVICES=2
for device in cpu emu:1; do
    check prune-$device code_of 0 "$BIN/pe-prune" $golden/bert_cls --sparsity 0.5 --scope global --threads 3 --device $device -q \
        -o "$TMP/on-$device"
done
check prune-second-same diff -r "$TMP/on-cpu" "$TMP/on-emu:1"
check run-second code_of 0 "$BIN/pe-run" $golden/bert_cls --threads 3 --device emu:1 --json --ids "$TMP/ids"
check third-device code_of 7 "$BIN/pe-run" $golden/bert_cls --device emu:2 --json --ids "$TMP/ids"
unset PE_EMU_DEVICES

# devices that cannot be used
PE_EMU_DRIVER=old check old-driver code_of 7 "${run[@]}"
check old-driver-says says "$TMP/err" "driver"
for error in 222:driver 46:exclusively 802:fabricmanager 803:versions 804:LD_LIBRARY_PATH; do
    export PE_EMU_ERROR=${error%:*}
    PE_EMU_FAIL=cudaSetDevice:1 check unusable-$PE_EMU_ERROR code_of 7 "${run[@]}"
    check unusable-$PE_EMU_ERROR-says says "$TMP/err" "${error#*:}"
done
unset PE_EMU_ERROR
PE_EMU_FAIL=cudaSetDevice:1 check free-memory-by-nvml code_of 0 "$BIN/pe-inspect" --devices --json
check free-memory-known grep -qE '"free": ?[1-9]' "$TMP/out"
PE_EMU_CC=75 check old-card code_of 7 "${run[@]}"
check old-card-says says "$TMP/err" "compute capability 7.5"
PE_EMU_DEVICES=0 check no-card code_of 7 "${run[@]}"
check no-card-line one_line "$TMP/err"
PE_EMU_DEVICES=0 check no-card-listed code_of 0 "$BIN/pe-inspect" --devices
check no-card-why says "$TMP/out" "emu: not available"

# nothing is written when the device fails half-way
for call in cudaMalloc:1 cudaLaunchKernel:9 cudaMemcpyAsync:5; do
    code=7 twice=$call
    [ $call != cudaMalloc:1 ] || code=6 twice=cudaMalloc:1,cudaMalloc:2
    PE_EMU_FAIL=$twice check prune-fails-$call code_of $code "$BIN/pe-prune" $model -o "$TMP/out-$call" --sparsity 0.5 --device emu
    check prune-writes-nothing-$call test ! -e "$TMP/out-$call"
done
exit $failed
