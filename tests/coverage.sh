#!/bin/bash
# tests/coverage.sh - lines executed, by file and folder, from the counters that a MODE=cov build left.
# Read next: Makefile, target coverage.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build/cov}
find "$build/lib" "$build/kernels" "$build/isa" "$build/formats" "$build/tools" -name '*.gcda' 2>/dev/null | sort |
    xargs -r gcov -n 2>/dev/null | awk -v want="${2:-}" '
    /^File / { file = substr($2, 2, length($2) - 2); next }
    /^Lines executed:/ {
        if (file == "" || file ~ /^\/|\.def$/) { file = ""; next }
        split($0, part, /[:% ]+/)   # "Lines executed:85.71% of 77"
        percent = part[3]; total = $NF
        folder = file; sub(/\/[^\/]*$/, "", folder)
        hit = percent * total / 100
        if (!(file in lines) || hit > hits[file]) { hits[file] = hit; lines[file] = total; of[file] = folder }
        file = ""
    }
    END {
        for (f in lines) {
            folder_hits[of[f]] += hits[f]; folder_lines[of[f]] += lines[f]; all_hits += hits[f]; all += lines[f]
            printf "file   %-44s %6.1f %% of %d\n", f, lines[f] ? 100 * hits[f] / lines[f] : 100, lines[f]
        }
        for (d in folder_lines)
            printf "folder %-44s %6.1f %% of %d\n", d, 100 * folder_hits[d] / folder_lines[d], folder_lines[d]
        if (all) printf "total  %-44s %6.1f %% of %d\n", "", 100 * all_hits / all, all
    }' | sort
