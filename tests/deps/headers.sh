#!/bin/bash
# tests/deps/headers.sh - every header compiles alone, the public ones as C++ too.
# Read next: lib/include/pe/pe.h.
set -u
cd "$(dirname "$0")/../.." || exit 1
cc=${CC:-gcc}
failed=0
unit=$(mktemp) || exit 1 # a translation unit of its own, not empty
trap 'rm -f "$unit"' EXIT
echo "typedef int pe_unit;" >"$unit"
check() { # name, command...
    local name=$1 text
    shift
    if text=$("$@" 2>&1); then
        echo "ok $name"
    else
        echo "not ok $name"
        printf '%s\n' "$text" | head -20 | sed 's/^/# /'
        failed=1
    fi
}
flags="-fsyntax-only -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -x c"
public=$(ls lib/include/pe/*.h)
for h in $public; do
    # a program that uses libpe has only the installed headers
    check "$h" $cc ${flags/-D_GNU_SOURCE/} -Ilib/include -include "$h" "$unit"
done
# kernels/body/ holds bodies that a file of an ISA includes after its vector type
headers=$(find lib kernels formats tools tests -name '*.h' ! -path 'lib/include/*' ! -path 'kernels/body/*' ! -path 'tests/isa/*' | sort)
if ! echo '#include <cublasLt.h>' | $cc -fsyntax-only -x c - 2>/dev/null; then
    echo "skip device-headers: the CUDA toolkit is not where the compiler looks"
    headers=$(printf '%s\n' "$headers" | grep -vE '^(kernels/cuda|lib/backend/cuda|tests/emu|tests/gpu)/')
fi
internal=$(for h in $headers; do
    isa=$(expr "$h" : 'kernels/\([a-z0-9]*\)/')
    case $isa in
    avx2 | ref | '') more= ;;
    *) more="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512vbmi -mavx512vbmi2 -mavxvnni" ;;
    esac
    [ -z "$isa" ] || more="-mavx2 -mfma -mf16c $more"
    case $h in tests/*) more="$more -include setjmp.h -include stdarg.h -include stddef.h -include stdint.h" ;; esac
    $cc $flags $more -I. -Ilib/include -include "$h" "$unit" 2>&1 | head -5
done)
if [ -z "$internal" ]; then
    echo "ok internal-headers"
else
    echo "not ok internal-headers"
    printf '%s\n' "$internal" | sed 's/^/# /'
    failed=1
fi
if command -v g++ >/dev/null 2>&1; then
    check c++ g++ -fsyntax-only -std=c++17 -Wall -Wextra -Werror -x c++ -Ilib/include -include pe/pe.h "$unit"
else
    echo "skip c++: g++ is not installed"
fi
exit $failed
