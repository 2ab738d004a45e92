#!/bin/bash
# tests/emu/plugin.sh - the plugin as it is released: which toolkit builds it and what is said without
# one; what fits on a device; what it exports and needs; that it loads where there is no driver and says
# so soon.
# Read next: docs/gpu.md, kernels/cuda/toolkit.mk.
set -u
. tests/emu/checks.sh

# The toolkit: of CUDA_HOME, else of nvcc on PATH, else a hint and no compiler is called.
bare=$(tr : '\n' <<<"$PATH" | while read -r folder; do [ -x "$folder/nvcc" ] || printf '%s:' "$folder"; done)
cuda_make() { # exit code, words for make
    local want=$1
    shift
    code_of "$want" env -u CUDA_HOME -u NVCC -u MAKEFLAGS PATH="$bare" make CUDA=1 "$@"
}
refused() { cuda_make 2 "$@" cuda-compiles && says "$TMP/err" "CUDA_HOME=/usr/local/cuda" && ! grep -q NVCC "$TMP/out"; }
toolkit=$TMP/toolkit
mkdir -p "$toolkit/bin" "$toolkit/include" "$toolkit/lib64"
printf '#!/bin/sh\necho "Cuda compilation tools, release 13.0, V13.0.88"\n' >"$toolkit/bin/nvcc"
touch "$toolkit/include/cublasLt.h"
if env PATH="$bare" make --version >/dev/null 2>&1; then
    check no-toolkit refused
    check no-toolkit-there refused CUDA_HOME="$TMP/nothing"
    check nvcc-does-not-run refused CUDA_HOME="$toolkit"
    chmod +x "$toolkit/bin/nvcc"
    check no-library refused CUDA_HOME="$toolkit"
    touch "$toolkit/lib64/libcublasLt.so"
    check toolkit-by-cuda-home cuda_make 0 CUDA_HOME="$toolkit" cuda-found
    check its-nvcc cuda_make 0 -n -B CUDA_HOME="$toolkit" build/cuda/kernels/cuda/check.o
    check its-nvcc-compiles says "$TMP/out" "$toolkit/bin/nvcc -std=c++17"
    rm "$toolkit/include/cublasLt.h"
    check no-header refused CUDA_HOME="$toolkit"
else
    echo "skip the hint without a CUDA toolkit: nvcc and make are in the same folder"
fi

# A machine with a driver alone: the hardware tests name the libraries that they need, too.
mkdir -p "$TMP/tree/bin" "$TMP/tree/lib/pe"
without_library() {
    echo "int none;" | gcc -shared -fPIC -x c - -Wl,-soname,libcublasLt.so.none -o "$TMP/libnone.so" &&
        echo "int plugin;" | gcc -shared -fPIC -x c - -x none -Wl,--no-as-needed "$TMP/libnone.so" \
            -o "$TMP/tree/lib/pe/libpe-cuda.so" && BIN=$TMP/tree/bin code_of 7 tests/gpu/run.sh
}
check gpu-tests-need-libraries without_library
check gpu-tests-name-them says "$TMP/err" "not found: libcublasLt.so.none; install cuBLAS"
check gpu-tests-line one_line "$TMP/err"

# Kernels that the plugin does not call are those that the documentation names.
uncalled=$(grep -oE 'pe_cu_[a-z0-9_]+\(' kernels/cuda/cuda.h | sort -u | while read -r call; do
    grep -qwF "${call%(}" lib/backend/cuda/*.c || echo "${call%(}"
done)
check uncalled-are-named test "$uncalled" = "$(grep -oE '`pe_cu_[a-z0-9_]+`' docs/gpu.md | tr -d '\140' | sort -u)"

if [ -e "$(dirname "$BIN")/lib/pe/libpe-emu.so" ]; then
    export PE_EMU_MEM=64M
    check fits code_of 0 "$BIN/pe-inspect" --devices --json
    for type in '"f32": 16777216' '"bf16": 33554432' '"f16": 33554432' '"int8": 67108864'; do
        check "fits-$type" says "$TMP/out" "$type"
    done
    check fits-for-people code_of 0 "$BIN/pe-inspect" --devices
    check fits-says says "$TMP/out" "weights of 17 million parameters in f32, 34 million in bf16 or f16, 67 million in int8"
    unset PE_EMU_MEM
fi

plugin_or_skip "the released CUDA plugin" cuda
plugin=$(dirname "$BIN")/lib/pe/libpe-cuda.so
exports() { nm -D --defined-only "$plugin" | awk '{ print $NF }'; }
needs() { readelf -d "$plugin" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"; }
check one-export test "$(exports)" = pe_plugin_entry_v1
for library in libcublasLt libcusparse; do
    check "needs-$library" grep -q "^$library\.so\.[0-9]*$" <(needs NEEDED)
done
others() { needs NEEDED | grep -E 'libcuda|libcudart|libnvidia|libpe'; }
check needs-no-other test -z "$(others)"
check runpath grep -qE '^\$ORIGIN:/.*/lib(64)?$' <(needs RUNPATH)
check runpath-has-cublaslt test -e "$(needs RUNPATH | cut -d : -f 2)/libcublasLt.so"

if [ -e /dev/nvidiactl ] || ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
    echo "skip the CUDA plugin without a driver: there is one here"
    exit $failed
fi
unset PE_PLUGIN_DIR
# In two seconds of work: by the clock, other work of this machine would count, too.
soon() { (ulimit -t 2 && code_of "$1" timeout 30 "${@:2}"); }
why="device cuda: the NVIDIA driver is missing or too old for this plugin"
check no-driver soon 7 "$BIN/pe-run" recipes/sentiment/model --device cuda "a fine film"
check no-driver-says says "$TMP/err" "$why"
check no-driver-line one_line "$TMP/err"
check devices soon 0 "$BIN/pe-inspect" --devices
check devices-say says "$TMP/out" "cuda: not available: $why"
check auto code_of 0 "$BIN/pe-run" recipes/sentiment/model --device auto "a fine film"
exit $failed
