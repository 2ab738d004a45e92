#!/bin/bash
# tests/check.sh - which suites `make check` and `make check-long` run; everything is built already.
# Read next: tests/run.sh.
set -u
cd "$(dirname "$0")/.." || exit 2
[ ! -x "${CUDA_HOME:-}/bin/nvcc" ] || PATH=$CUDA_HOME/bin:$PATH # as kernels/cuda/toolkit.mk has it

programs() { # mode, groups... -> the built programs of tests/GROUP/test_*.c
    local mode=$1 group source
    shift
    for group; do
        for source in tests/"$group"/test_*.c; do
            [ -e "$source" ] && echo "build/$mode/${source%.c}"
        done
    done
}
# The kernel tests again with the sources of AVX-512 and later lowered by SIMDe (Makefile, EMULATED).
emulated() { # mode
    local source
    if [ ! -e /usr/include/simde/x86/avx512.h ]; then
        echo tests/isa/skipped.sh
        return
    fi
    for source in tests/kernels/test_*.c; do
        [ -e "$source" ] && echo "build/$1/tests/isa/$(basename "$source" .c)"
    done
}
# The CUDA plugin and its stand-ins; each skips itself where there is no toolkit.
emulated_gpu() {
    echo tests/emu/kernels/run.sh
    echo tests/emu/forms.sh
    echo tests/emu/road.sh
    echo tests/emu/limits.sh
    echo tests/emu/tune.sh
    echo tests/emu/plugin.sh
    echo tests/emu/ptxas.sh
    echo tests/emu/libtests/run.sh
    echo tests/emu/ptx/run.sh
}
scripts() { # folders...
    local folder script
    for folder; do
        for script in tests/"$folder"/*.sh; do
            [ -e "$script" ] && echo "$script"
        done
    done
}

case "${1:-check}" in
check)
    mapfile -t suites < <(
        scripts cli
        programs asan unit formats
        emulated release
        programs release golden kernels unit formats
        emulated_gpu
        scripts fuzz deps lint
    )
    exec tests/run.sh "${suites[@]}"
    ;;
long)
    mapfile -t suites < <(
        scripts long
        programs asan golden kernels
        programs tsan unit
    )
    # the command-line tests once more with the sanitizers in the tools
    code=0
    tests/run.sh -t 3000 "${suites[@]}" || code=1
    mapfile -t suites < <(scripts cli)
    BIN=$PWD/build/asan/bin tests/run.sh -t 3000 "${suites[@]}" || code=1
    exit $code
    ;;
coverage)
    mapfile -t suites < <(
        scripts cli | grep -v install # a library with counters links with nothing else
        emulated cov
        programs cov golden kernels unit formats
    )
    BIN=$PWD/build/cov/bin tests/run.sh -t 3000 "${suites[@]}"
    exec tests/coverage.sh build/cov
    ;;
*)
    echo "usage: tests/check.sh [check|long|coverage]" >&2
    exit 2
    ;;
esac
