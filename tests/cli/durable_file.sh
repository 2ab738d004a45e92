#!/bin/bash
# tests/cli/durable_file.sh - a single file a tool writes is synced, then renamed, then its folder is synced;
# a failing call leaves the old file and says so. Read next: lib/base/write_atomic.c.
set -u
failed=0
model=tests/golden/data/e2e/bert_classify

[ "$(basename "$(dirname "$BIN")")" = release ] || { echo "skip durable-file: only for the release build"; exit 0; }
command -v strace >/dev/null 2>&1 || { echo "skip durable-file: strace is not installed"; exit 0; }
strace -o "$TMP/trace" true 2>/dev/null || { echo "skip durable-file: tracing is not permitted here"; exit 0; }

report() { # name, complaint
    if [ -z "$2" ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        printf '%s\n' "$2" | head -5 | sed 's/^/# /'
        failed=1
    fi
}
mkdir "$TMP/w"
out=$TMP/w/dump.safetensors
run() {
    echo "a b c" | strace -f -qq -o "$TMP/trace" ${inject:+-e inject=$inject} \
        "$BIN/pe-run" "$model" -j1 --dump "$out" >"$TMP/stdout" 2>"$TMP/stderr"
}

# Calls after the temporary was created, in the order that survives a crash.
order() {
    awk '
    { sub(/^[0-9]+ +/, "") }
    /^openat\(.*O_CREAT.* = [0-9]+$/ && !fd { fd = $NF }
    fd && $0 ~ "^pwrite64\\(" fd "," { if (synced) print "written after its fsync"; written = 1 }
    fd && $0 ~ "^fsync\\(" fd "\\) += 0" && !placed { synced = written }
    /^renameat\(.*"dump.safetensors"\) = 0/ { placed = 1; if (!synced) print "renamed before it is synced" }
    placed && /^fsync\([0-9]+\) += 0/ { folder = 1 }
    END { if (!placed) print "never renamed"; if (!folder) print "its folder is not synced" }' "$TMP/trace"
}
inject=
run
report file-order-on-disk "$(order)"
cp "$out" "$TMP/old"
for call in pwrite64:error=ENOSPC fsync:error=EIO renameat:error=EIO openat:error=EROFS; do
    inject=$call:when=1
    if [ "${call%%:*}" = openat ]; then # the one that creates
        n=$(grep -E '(^| )openat\(' "$TMP/trace" | grep -n -m 1 O_CREAT | cut -d: -f1)
        inject=openat:error=EROFS:when=$n
    fi
    run
    code=$?
    report "file-${call%%:*}" "$([ $code -eq 5 ] || echo "exit $code: $(cat "$TMP/stderr")"
        cmp -s "$out" "$TMP/old" || echo "the old file is not what it was"
        [ "$(find "$TMP/w" -mindepth 1 | wc -l)" -eq 1 ] || echo "a temporary stays")"
    inject=
    run
done
exit $failed
