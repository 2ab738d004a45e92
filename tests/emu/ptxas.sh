#!/bin/bash
# tests/emu/ptxas.sh - what nvcc made of the CUDA kernels for sm_80 and sm_90: nothing spills, registers
# stay under a ceiling, and the PTX has the matrix and vector instructions that the kernels count on.
# Read next: kernels/cuda/README.md; `make cuda-compiles` wrote build/cuda/**/*.ptxas.
set -u
. tests/emu/checks.sh
if ! command -v nvcc >/dev/null 2>&1; then
    echo "skip registers of CUDA kernels: nvcc not found; install the CUDA toolkit 13"
    exit 0
fi
ceiling() { # file -> most registers of a thread: 65536 / 168 = 3 blocks of 128 threads an SM
    case $1 in
    attention | attention_s8 | linear_w8 | linear_bitmask_f16 | norm) echo 168 ;;
    *) echo 128 ;;
    esac
}
no_spills() { # .ptxas file
    grep -q 'spill stores' "$1" && ! grep -E 'stack frame' "$1" | grep -v '0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads'
}
both_compiled() { grep -q "for 'sm_80'" "$1" && grep -q "for 'sm_90'" "$1"; }
under() { # .ptxas file, ceiling
    local most
    most=$(grep -o 'Used [0-9]* registers' "$1" | cut -d ' ' -f 2 | sort -n | tail -1)
    [ "${most:-999}" -le "$2" ] || { echo "# $most registers, at most $2"; return 1; }
}
for source in kernels/cuda/*.cu; do
    name=$(basename "$source" .cu)
    log=build/cuda/kernels/cuda/$name.ptxas
    check "$name-compiled" both_compiled "$log"
    check "$name-no-spills" no_spills "$log"
    check "$name-registers" under "$log" "$(ceiling "$name")"
done

has() { # source, instruction: in its PTX
    local ptx=$TMP/$1.ptx
    [ -e "$ptx" ] || nvcc -std=c++17 -O3 -fmad=false -I. -Ilib/include -arch=compute_90 -ptx "kernels/cuda/$1.cu" -o "$ptx" || return 1
    grep -qE "$2" "$ptx" || { echo "# no $2 in the PTX of $1.cu"; return 1; }
}
check int8-mma has linear_s8 'mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.s8\.s8\.s32'
check int8-cp-async has linear_s8 'cp\.async\.cg\.shared\.global'
check int8-ldmatrix has linear_s8 'ldmatrix\.sync\.aligned\.m8n8\.x4'
check attention-scores has attention_s8 'mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.s8\.s8\.s32'
check attention-values has attention_s8 'mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.u8\.s8\.s32'
check attention-ldmatrix has attention_s8 'ldmatrix\.sync\.aligned\.m8n8\.x4'
check few-dot has linear_s8_few 'dp4a\.s32\.s32|mma\.sync'
check bitmask-dot has linear_bitmask 'dp4a\.s32\.s32'
for name in linear_bitmask linear_bitmask_f16 attention; do
    check "$name-cp-async" has "$name" 'cp\.async\.cg\.shared\.global'
done
for name in attention_s8 linear_s8_few linear_w8 linear_bitmask_f16 quantize quantize_weights stats select; do
    check "$name-vector-loads" has "$name" 'ld\.global(\.[a-zA-Z0-9_:]+)*\.v4'
done
exit $failed
