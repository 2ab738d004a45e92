#!/bin/bash
# tests/deps/faults.sh - every fault of tests/faults/faults.txt and tests/emu/faults.txt can still be planted: its
# edit changes its file. Read next: tests/faults/run.sh and tests/emu/faults.sh, which plant them.
set -u
stale=0
while IFS=$'\t' read -r file edit hint what; do
    case $file in '' | '#'*) continue ;; esac
    if [ -z "$hint" ] || [ -z "$what" ]; then
        echo "# not four columns: $file $edit"
        stale=1
    elif [ ! -f "$file" ] || sed -E "$edit" "$file" | cmp -s - "$file"; then
        echo "# changes nothing: $file: $what"
        stale=1
    fi
done < <(cat tests/faults/faults.txt tests/emu/faults.txt)
[ $stale -eq 0 ] && echo "ok faults-can-be-planted" || echo "not ok faults-can-be-planted"
exit $stale
