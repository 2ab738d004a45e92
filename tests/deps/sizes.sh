#!/bin/bash
# tests/deps/sizes.sh - functions, files and lines stay small enough to read (docs/style.md, "Sizes").
# Read next: tests/deps/check.sh.
set -u
cd "$(dirname "$0")/../.." || exit 1
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
files=$(find lib kernels formats tools tests docs/examples -name '*.[ch]' | sort)
report files-of-400-lines "$(wc -l $files | awk '$2 != "total" && $1 > 400 { print $2 ": " $1 " lines" }')"
report lines-of-100-columns "$(awk 'length($0) > 100 { print FILENAME ":" FNR ": " length($0) " columns" }' $files)"
report functions-of-60-lines "$(awk '
    FNR == 1 { inside = 0 }
    /^\{$/ { inside = 1; start = FNR }
    /^\}/ && inside { if (FNR - start + 2 > 62) print FILENAME ":" start ": " FNR - start - 1 " lines"; inside = 0 }
    ' $(printf '%s\n' $files | grep '\.c$'))"
report no-tabs-or-trailing-spaces "$(grep -nE "$(printf '\t')| +\$" $files /dev/null)"
exit $failed
