#!/bin/bash
# tests/emu/ptx/run.sh - all tests of the stand-in CUDA runtime; `make emu emu-tests` has built them.
# Prints `ok NAME`, `not ok NAME` with what was found, or `skip emu: why`. BUILD: where they lie.
# Read next: tests/emu/README.md.
set -u
cd "$(dirname "$0")/../../.." || exit 2
BUILD=${BUILD:-build/emu}
if ! command -v nvcc >/dev/null 2>&1; then
    echo "skip emu: nvcc not found; install the CUDA toolkit 13"
    exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/pe-emu-XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH="$BUILD${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
unset PE_EMU_CC PE_EMU_MEM PE_EMU_DEVICES PE_EMU_DRIVER PE_EMU_FAIL PE_EMU_RACE PE_EMU_INIT \
    PE_EMU_SCHED PE_EMU_SEED PE_EMU_STEPS PE_EMU_STATS PE_EMU_CPU
failed=0

result() { # name, 0 or 1, file with what was said
    if [ "$2" = 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        head -20 "$3" | sed 's/^/# /'
        failed=1
    fi
}

# Programs print lines of their own; their names get the prefix.
cases() { # prefix, command...
    local prefix=$1 code
    shift
    timeout 300 "$@" >"$work/out" 2>&1
    code=$?
    sed -E "s/^(not )?ok /&$prefix-/" "$work/out"
    if [ $code -ne 0 ]; then
        failed=1
        grep -q '^not ok ' "$work/out" || echo "not ok $prefix: exit code $code"
    fi
}

# A mistake has to be named, on stderr or by the program.
planted() { # mistake, text to find, settings...
    local name=$1 text=$2
    shift 2
    env "$@" timeout 60 "$BUILD/ptx/programs/planted" "$name" >"$work/out" 2>&1
    grep -qE "$text" "$work/out"
    result "planted-$name${1:+-$1}" $? "$work/out"
}

says() { # name, text to find, settings and command...
    local name=$1 text=$2
    shift 2
    env "$@" >"$work/out" 2>&1
    grep -qE "$text" "$work/out"
    result "$name" $? "$work/out"
}

cases ptx "$BUILD/ptx/check" --list "$work"
cases ptx-base env PE_EMU_CPU=base "$BUILD/ptx/check"
if command -v ptxas >/dev/null 2>&1; then
    # what the tests feed to the interpreter is PTX for the real assembler too
    for text in "$work"/*.ptx; do
        ptxas -arch=sm_90 -O0 "$text" -o "$work/cubin" 2>&1 | grep -E 'error|fatal'
    done >"$work/out"
    [ ! -s "$work/out" ]
    result ptxas-accepts-the-texts $? "$work/out"
fi

for schedule in forward reverse random; do
    for program in vecadd rowquant gemm collect maths api memory plugin; do
        cases "$program-$schedule" env PE_EMU_SCHED=$schedule PE_EMU_MEM=64M "$BUILD/ptx/programs/$program"
    done
done
for form in lz4 plain; do
    cases "vecadd-$form" "$BUILD/ptx/programs/vecadd_$form"
done
for seed in 2 3; do
    cases "gemm-seed-$seed" env PE_EMU_SCHED=random PE_EMU_SEED=$seed "$BUILD/ptx/programs/gemm"
done

cat >"$work/expected" <<'TEXT'
before
-7|   42|42   |00042|+42|ff|FF|10|4000000000
-5000000000|18000000000000000000|7|9|-3
1.500000|2.35|1.235e+04|1e-07|0x1p+0
ok|text|    device|%|0x1234
no arguments
1 2
printed 2
architecture 900
TEXT
"$BUILD/ptx/programs/printing" >"$work/out" 2>&1
cmp -s "$work/out" "$work/expected"
result printf $? "$work/out"
says older-ptx-for-an-older-device 'architecture 800' PE_EMU_CC=86 "$BUILD/ptx/programs/printing"
says no-ptx-for-the-device 'no PTX for compute capability 7.5 .found: PTX 80, PTX 90' PE_EMU_CC=75 \
    "$BUILD/ptx/programs/printing"
says refused-setting 'expected forward, reverse or random' PE_EMU_SCHED=sideways "$BUILD/ptx/programs/printing"

for schedule in forward reverse random; do
    planted missing_syncthreads 'race on shared memory: .*missing_syncthreads' PE_EMU_SCHED=$schedule
    planted missing_syncwarp 'race on shared memory' PE_EMU_SCHED=$schedule
    planted missing_second_syncthreads 'race on shared memory' PE_EMU_SCHED=$schedule
    planted missing_copy_wait 'shared memory that this block never wrote' PE_EMU_SCHED=$schedule
    planted missing_fence 'race between blocks' PE_EMU_SCHED=$schedule
    planted block_race 'race between blocks: .*in the same launch' PE_EMU_SCHED=$schedule
    planted divergent_barrier 'barrier in divergent code' PE_EMU_SCHED=$schedule
    planted lost_lanes 'lanes ffff0000 that exited' PE_EMU_SCHED=$schedule
done
planted wrong_fragment 'caught: a wrong product'
planted global_out_of_bounds 'store of 4 bytes outside every allocation, at .*: 0 bytes past the end of allocation 2'
planted shared_out_of_bounds 'outside every shared variable'
planted uninitialized 'device memory that was never written'
planted misaligned 'misaligned store of 8 bytes'
planted misaligned 'error: cudaErrorMisalignedAddress'
planted assert 'planted.cu:[0-9]+: .*asserts.*: assertion .in.threadIdx.x. < 100. failed; kernel .* thread .100,0,0.'
planted assert 'error: cudaErrorAssert'
planted loops_for_ever 'did not end within 20000 warp instructions' PE_EMU_STEPS=20000
planted missing_stream_wait 'caught: the host reads an old buffer'
planted missing_event_wait 'caught: one stream overtakes the other'
planted host_touches_device_memory 'host code touched device memory 0x2[0-9a-f]*: byte 12 of allocation 1'
planted destroyed_stream 'work that nothing waited for was destroyed; the first is .*slow_fill'
planted out_of_memory 'caught: cudaErrorMemoryAllocation'
planted nth_call_fails 'caught: the planned calls' PE_EMU_FAIL=cudaMalloc:4,cudaStreamCreate:1
planted use_after_free 'byte 0 of freed allocation 1'
planted copy_after_free 'freed allocation 1'
planted no_device 'caught: cudaErrorNoDevice' PE_EMU_DEVICES=0
planted no_device 'caught: cudaErrorInsufficientDriver' PE_EMU_DRIVER=old
# what is switched off is not looked for
PE_EMU_RACE=0 "$BUILD/ptx/programs/planted" block_race >"$work/out" 2>&1
[ ! -s "$work/out" ]
result races-can-be-ignored $? "$work/out"
PE_EMU_INIT=0 "$BUILD/ptx/programs/planted" uninitialized >"$work/out" 2>&1
[ ! -s "$work/out" ]
result unwritten-memory-can-be-ignored $? "$work/out"
exit $failed
