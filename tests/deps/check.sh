#!/bin/bash
# tests/deps/check.sh - the walls of the house, enforced from #include lines (docs/style.md, "Levels").
# Read next: tests/deps/sizes.sh, tests/deps/symbols.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
files=$(find lib kernels formats tools -name '*.[ch]' -o -name '*.def' -path 'lib/*' | sort)
failed=0

report() { # name, offending lines
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        failed=1
    fi
}

# A file includes lower levels or its own module; public headers have the level of what they describe.
report levels "$(grep -HnE '^#include ["<](pe|lib|kernels|formats|tools|tests)/' $files | awk '
    function module(path,   part) {
        split(path, part, "/")
        if (part[1] == "lib") return part[2] == "include" ? "pe/" part[4] : "lib/" part[2]
        if (part[1] == "pe") return "pe/" part[2]
        return part[1]
    }
    BEGIN {
        n = split("pe/base.h 0 lib/base 0 pe/tensor.h 1 kernels 1 formats 1 lib/backend 2 lib/tensor 3 " \
                  "pe/data.h 4 pe/text.h 4 pe/dump.h 4 lib/io 4 lib/text 4 lib/plan 4 pe/model.h 5 lib/model 5 " \
                  "lib/calib 6 lib/eval 6 lib/generate 6 pe/eval.h 6 pe/bench.h 6 lib/train 7 " \
                  "pe/prune.h 8 pe/quant.h 8 pe/convert.h 8 pe/distill.h 8 lib/prune 8 lib/quant 8 " \
                  "lib/distill 8 lib/convert 8 pe/recipe.h 9 pe/serve.h 9 lib/recipe 9 lib/serve 9 pe/pe.h 9 tools 10", w, " ")
        for (i = 1; i < n; i += 2) level[w[i]] = w[i + 1]
    }
    {
        split($0, field, ":")
        match($0, /#include ["<][^">]*/)
        target = substr($0, RSTART + 10, RLENGTH - 10)
        from = module(field[1]); to = module(target)
        if (!(from in level) || !(to in level)) { print $0 ": module without a level"; next }
        public_ok = to ~ /^pe\// && level[to] <= level[from]
        if (from != to && !public_ok && level[to] >= level[from]) print $0
    }')"

report tools-use-public-headers "$(grep -HnE '^#include "' $(find tools -name '*.[ch]') | grep -v '"tools/common/')"

# Each library has one user; SIMD intrinsics stay in kernels/ (lib/base/pool.c sets MXCSR).
only() { # name, pattern, files allowed to match (regex)
    report "$1" "$(grep -HnE "^#include <($2)" $files | grep -vE "^($3)")"
}
only zlib-in-formats 'zlib' 'formats/'
only git-and-yaml-in-recipe 'git2|yaml' 'lib/recipe/'
only libcrypto-in-base 'openssl' 'lib/base/'
only xxhash-in-base 'xxhash' 'lib/base/'
only intrinsics-in-kernels '([a-z]mm|x86|amx)[a-z0-9]*intrin' 'kernels/|lib/base/pool\.c'

report only-tools-print-or-exit "$(grep -HnE '(^|[^a-z_A-Z>.])(exit|_exit|abort|printf|puts|perror) *\(|fprintf *\( *std' \
    $(printf '%s\n' $files | grep -v '^tools/') | grep -vE ':[0-9]+: *(\*|/\*)')"
report no-assert-outside-tests "$(grep -HnE '^#include <assert.h>' $files | grep -E ':(lib/io|formats)/')"
report no-includes-of-tests "$(grep -HnE '^#include "tests/' $files)"
report unique-file-names "$(find lib kernels formats tools -name '*.c' -printf '%f %p\n' | sort |
    awk '$1 == last { print $1 ": " where ", " $2 } { last = $1; where = $2 }')"
report opening-comment "$(for f in $(printf '%s\n' $files | grep '\.[ch]$'); do
    head -3 "$f" | tr '\n' ' ' | grep -qF "/* ${f} - " || head -2 "$f" | grep -qE '^/\* ([a-z]+/)*[a-z0-9_.-]+ - ' ||
        echo "$f: expected '/* $f - what it is' in the first line"
done)"
exit $failed
