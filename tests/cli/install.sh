#!/bin/bash
# tests/cli/install.sh - what `make install` puts down is enough to build and run the example program.
# Read next: Makefile (install), docs/examples/classify.c.
set -u
failed=0
check() { # name, command...
    local name=$1
    shift
    if "$@" >"$TMP/log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        sed 's/^/# /' "$TMP/log" | tail -20
        failed=1
    fi
}
mode=$(basename "$(dirname "$BIN")")
# other suites run these tools now
relinked=$(make -n MODE="$mode" all | grep -c -- " -o build/$mode/bin/")
check nothing-is-linked-anew test "$relinked" -eq 0
check install make -s MODE="$mode" DESTDIR="$TMP/root" PREFIX=/opt/pe install
dest=$TMP/root/opt/pe
for f in bin/pe lib/libpe.a lib/libpe-recipe.a lib/libpe.so lib/libpe.so.0 include/pe/pe.h include/pe/base.h \
    lib/pkgconfig/pe.pc; do
    check "has-$f" test -e "$dest/$f"
done
check no-private-headers test -z "$(find "$dest/include" -name '*.h' ! -path '*/include/pe/*')"
check installed-pe-runs "$dest/bin/pe" --version
check installed-pe-help "$dest/bin/pe" help

export PKG_CONFIG_PATH=$dest/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$TMP/root
cc=${CC:-gcc}
sanitize=
[ "$mode" != asan ] || sanitize="-fsanitize=address,undefined"
# shellcheck disable=SC2046,SC2086
check example-builds $cc -std=c17 -Wall -Wextra -Werror $sanitize docs/examples/classify.c -o "$TMP/classify" \
    $(pkg-config --cflags --libs pe) -lm
# shellcheck disable=SC2046,SC2086
check example-builds-static $cc -std=c17 $sanitize docs/examples/classify.c -o "$TMP/classify-static" \
    $(pkg-config --cflags pe) "$dest/lib/libpe.a" $(pkg-config --libs --static pe | sed 's/-lpe //')
check headers-alone sh -c "echo '#include <pe/pe.h>' | $cc -std=c11 -fsyntax-only -Wall -Werror -x c $(pkg-config --cflags pe) -"

export LD_LIBRARY_PATH=$dest/lib
answer() { # program, sentence, label
    local line
    line=$("$1" recipes/sentiment/model "$2") && echo "$line" && [ "${line%%$'\t'*}" = "$3" ]
}
for program in classify classify-static; do
    [ "$mode" = release ] || [ "$program" = classify ] || continue
    check "$program-positive" answer "$TMP/$program" "a fine film, warm and clever" positive
    check "$program-negative" answer "$TMP/$program" "dull, slow and far too long" negative
done
check example-refuses sh -c "! '$TMP/classify' /nonexistent x 2>/dev/null"
exit $failed
