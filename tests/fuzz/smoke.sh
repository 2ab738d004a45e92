#!/bin/bash
# tests/fuzz/smoke.sh - every fuzz target on its seeds and a second of mutations, under the sanitizers.
# Read next: tests/fuzz/driver.c; `make fuzz` runs longer.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    if out=$("build/asan/tests/fuzz/$name" 1 2>&1); then
        echo "ok $name"
    else
        echo "not ok $name"
        printf '%s\n' "$out" | head -40 | sed 's/^/# /'
        failed=1
    fi
done
exit $failed
