#!/bin/bash
# tests/emu/kernels/run.sh - every kernel test under three schedules of blocks and warps, races checked.
# Read next: tests/emu/kernels.mk (how they are built).
set -u
cd "$(dirname "$0")/../../.." || exit 2
build=${BUILD:-build/emu}
if ! command -v nvcc >/dev/null 2>&1; then
    echo "skip CUDA kernels: nvcc not found; install the CUDA toolkit 13"
    exit 0
fi
code=0
for test in tests/emu/kernels/test_*.c; do
    program=$build/kernels/$(basename "$test" .c)
    for schedule in forward reverse random; do
        PE_EMU_SCHED=$schedule "$program" | sed "s/^\(ok\|not ok\|skip\) /&$schedule /" || true
        [ "${PIPESTATUS[0]}" -eq 0 ] || code=1
    done
done
exit $code
