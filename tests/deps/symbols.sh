#!/bin/bash
# tests/deps/symbols.sh - libpe.so exports what the public headers declare: all of it and nothing else.
# Read next: lib/include/pe/base.h (PE_API).
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$(dirname "${BIN:-build/release/bin}")
failed=0
report() {
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        printf '%s\n' "$2" | sed 's/^/# /'
        failed=1
    fi
}
# pe/recipe.h belongs to libpe-recipe.a, so that libpe.so needs neither libgit2 nor libyaml
declared() { # headers...
    cat "$@" | tr '\n' ' ' | sed 's/PE_API/\n&/g' | grep '^PE_API' | grep -v '^PE_API __attribute__' |
        sed -nE 's/^PE_API [^;(]*[ *](pe_[a-z0-9_]+) *\(.*/\1/p' | sort -u
}
wanted=$(declared $(ls lib/include/pe/*.h | grep -v recipe.h))
found=$(nm -D --defined-only "$build/libpe.so" | awk '{ print $3 }' | sort -u)
recipe_found=$(nm --defined-only "$build/libpe-recipe.a" 2>/dev/null | awk 'NF == 3 && $2 == "T" { print $3 }' | sort -u)
[ -n "$found" ] || report libpe.so-readable "nm shows nothing in $build/libpe.so"
report exports-are-declared "$(comm -13 <(printf '%s\n' "$wanted") <(printf '%s\n' "$found"))"
report declarations-are-exported "$(comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$found"))"
report recipe-declarations-exist "$(comm -23 <(declared lib/include/pe/recipe.h) <(printf '%s\n' "$recipe_found"))"
report archive-names-have-a-prefix "$(nm --defined-only -g "$build/libpe.a" | awk 'NF == 3 && $3 !~ /^pe_/ { print $3 }' |
    sort -u)"
needed=$(ldd "$build/libpe.so" | awk '{ print $1 }' | grep -E 'git2|yaml|blas|gomp|cuda')
report libpe.so-needs-little "$needed"
report soname "$(readelf -d "$build/libpe.so" | grep -q 'SONAME.*\[libpe\.so\.[0-9]*\]' || echo "no SONAME")"
exit $failed
