#!/bin/bash
# tests/emu/libtests/run.sh - the tests of the stand-ins for cuBLASLt, cuSPARSE and NVML. With the
# tests' own small runtime, and again with the stand-in CUDA runtime where it is built.
# Read next: tests/emu/libs.mk, which builds them; BUILD is where (build/emu).
set -u
cd "$(dirname "$0")/../../.." || exit 1
build=${BUILD:-build/emu}
tests="test_lt_rules test_lt_edges test_lt_pointers test_lt_numbers test_sp_rules test_sp_edges test_sp_numbers test_sp_convert test_nvml"
failed=0

if ! command -v nvcc >/dev/null 2>&1; then
    echo "skip emu libraries: nvcc not found; install the CUDA toolkit 13"
    exit 0
fi
cuda=$(dirname "$(dirname "$(realpath "$(command -v nvcc)")")")
if ! grep -qs CUBLASLT_BATCH_MODE_POINTER_ARRAY "$cuda/include/cublasLt.h"; then
    echo "skip emu libraries: no headers of cuBLAS 13.1 or later; install the CUDA toolkit 13"
    exit 0
fi
unset PE_EMU_CC PE_EMU_FAIL PE_EMU_DEVICES PE_EMU_NVML PE_EMU_DRIVER PE_EMU_MEM PE_EMU_VERBOSE

try() { # words behind the name, loader path, program
    local text
    if [ ! -x "$build/libtests/$3" ]; then
        echo "not ok $3: not built; make -f tests/emu/libs.mk emu-libtests"
        failed=1
        return
    fi
    text=$(LD_LIBRARY_PATH=$2 "$build/libtests/$3") || failed=1
    printf '%s\n' "$text" | sed -E "s/^((not )?ok .*)/\1$1/"
}

try "" "$build" test_panels
for test in $tests; do
    try "" "$build/libtests/fake:$build" "$test"
done
runtime=$(find "$build" -maxdepth 1 -name 'libcudart.so.[0-9]*' | head -1)
if [ -n "$runtime" ]; then
    for test in $tests; do
        try " (stand-in runtime)" "$build" "$test"
    done
else
    echo "skip emu libraries with the stand-in runtime: $build/libcudart.so.* is not built"
fi

# NVIDIA's own libraries and the stand-ins say the same about descriptors. No GPU for either.
real=$(CUDA_VISIBLE_DEVICES='' "$build/libtests/descriptors_real" 2>/dev/null)
emu=$(PE_EMU_DEVICES=0 LD_LIBRARY_PATH="$build/libtests/fake:$build" "$build/libtests/descriptors_emu" 2>/dev/null)
if [ ! -x "$build/libtests/descriptors_real" ]; then
    echo "skip emu libraries against NVIDIA's: libcublasLt.so is not installed"
elif [ -n "$real" ] && [ "$real" = "$emu" ]; then
    echo "ok descriptors: $(printf '%s\n' "$real" | wc -l) answers of NVIDIA's libraries"
else
    echo "not ok descriptors: the stand-ins answer otherwise than NVIDIA's libraries"
    diff <(printf '%s\n' "$real") <(printf '%s\n' "$emu") | head -20 | sed 's/^/# /'
    failed=1
fi

# Only functions of the libraries' headers are visible, and nothing that a program could call by mistake.
for name in cublasLt cusparse nvidia-ml; do
    prefix=${name/nvidia-ml/nvml}
    extra=$(nm -D --defined-only "$build/lib$name.so" | awk '{ print $3 }' | grep -v "^$prefix")
    if [ -z "$extra" ]; then
        echo "ok only $prefix* is visible in lib$name"
    else
        echo "not ok only $prefix* is visible in lib$name"
        printf '%s\n' "$extra" | sed 's/^/# /'
        failed=1
    fi
done
exit $failed
