#!/bin/bash
# tests/cli/durable.sh - errors and signals put into system calls, one after the other: the output is
# whole or not there, failures are reported, and the order of syncs and renames survives a crash.
# Read next: lib/base/outdir.c.
#
# DURABLE_TOOL pe-prune (default), pe-quantize or pe-convert; DURABLE_STEP disturbs every so manieth call
# (default 1: every one). `make check` takes pe-prune here and steps through the others in
# durable_others.sh; `make check-long` takes every call of all.
set -u
failed=0
points=0
name=${DURABLE_TOOL:-pe-prune}
step=${DURABLE_STEP:-1}
tool=$BIN/$name
model=tests/golden/data/e2e/bert_classify

[ "$(basename "$(dirname "$BIN")")" = release ] || { echo "skip durable: only for the release build"; exit 0; }
command -v strace >/dev/null 2>&1 || { echo "skip durable: strace is not installed"; exit 0; }
strace -o "$TMP/trace" true 2>/dev/null || { echo "skip durable: tracing is not permitted here"; exit 0; }

case $name in
pe-prune) new="--sparsity 0.5" old="--sparsity 0.25" ;;
pe-quantize) new="--scheme w8a8" old="--scheme w8a16" ;;
pe-convert) new="--dtype bf16" old="--dtype f16" ;;
*) echo "not ok DURABLE_TOOL=$name"; exit 1 ;;
esac

report() { # name, complaint
    if [ -z "$2" ]; then
        echo "ok $name-$1"
    else
        echo "not ok $name-$1"
        printf '%s\n' "$2" | head -5 | sed 's/^/# /'
        failed=1
    fi
}
same() { diff -r "$1" "$2" >/dev/null 2>&1; }
traced() ( # extra arguments...; under strace with $inject, trace in $TMP/trace
    exec 2>"$TMP/shell" # where bash says "Killed"
    strace -f --quiet=attach,personality -o "$TMP/trace" ${inject:+-e inject=$inject} \
        "$tool" "$model" -o "$TMP/w/out" "$@" >"$TMP/stdout" 2>"$TMP/stderr"
    exit $?
)
# The trace begins with the tool's start and ends with its end. Where it does not, strace never got that
# far (a busy machine refuses a process): that is no answer of the tool's, so it is asked again.
answered() { grep -qE '^[0-9]+ +execve\(.* = 0$' "$TMP/trace" && grep -qE '^[0-9]+ +\+\+\+ (exited|killed)' "$TMP/trace"; } 2>/dev/null
run() {
    local code attempt
    for attempt in 1 2 3 4 5; do
        rm -f "$TMP/trace"
        traced "$@"
        code=$?
        ! answered || return $code
        sleep $attempt
    done
    echo "strace fails: exit $code: $(cat "$TMP/shell" "$TMP/stderr" | head -3)" >>"$TMP/stderr"
    return $code
}
fresh() { # old: with something to replace
    rm -rf "$TMP/w"
    mkdir "$TMP/w"
    [ "${1:-}" != old ] || cp -r "$TMP/old" "$TMP/w/out"
}
leftovers() { find "$TMP/w" -maxdepth 1 -name '.*pe-tmp*' | head -1; }

plain="$new -j1"
"$tool" "$model" -o "$TMP/new" $plain >/dev/null 2>&1 || { echo "not ok $name-reference"; exit 1; }
"$tool" "$model" -o "$TMP/old" $old -j1 >/dev/null 2>&1

# ---- the order on disk, from the trace of an undisturbed run ----
order() {
    awk '
    { sub(/^[0-9]+ +/, "") }
    /^openat\(.*O_CREAT.* = [0-9]+$/ { fd = $NF; made[fd] = 1; synced[fd] = 0; n++ }
    /^pwrite64\(/ { match($0, /[0-9]+/); fd = substr($0, RSTART + 2); sub(/^[^(]*\(/, "", $0); fd = $0 + 0
                    if (placed) print "written after it was placed: " fd; synced[fd] = 0 }
    /^fsync\([0-9]+\) += 0/ { sub(/^fsync\(/, ""); fd = $0 + 0; synced[fd] = 1; if (fd in made) files++
                    else if (placed) parent = 1; else if (files == n) folder = 1 }
    /^renameat2\(.*RENAME_(NOREPLACE|EXCHANGE)\) = 0/ && /"out"/ {
        placed = 1
        for (fd in made) if (!synced[fd]) print "not synced before the rename: fd " fd
        if (!folder) print "the directory is not synced before the rename"
    }
    END { if (!placed) print "never renamed"; if (!parent) print "the parent is not synced after the rename"
          if (n < 4) print "too few files: " n }' "$TMP/trace"
}
inject=
fresh
run $plain
report clean-run-is-same "$(same "$TMP/w/out" "$TMP/new" || echo "another output")"
report order-on-disk "$(order)"
cp "$TMP/trace" "$TMP/clean"
fresh old
run $plain -f
report order-on-disk-of-a-replacement "$(order)"
cp "$TMP/trace" "$TMP/clean-replace"

count() { grep -cE "^[0-9]+ +$1\(" "$2"; }
# calls of the program loader, before main: not ours to judge
count_early() { sed '/rt_sigaction(SIGINT/,$d' "$2" | grep -cE "^[0-9]+ +$1\("; }

# What one disturbed run left behind. $1: must (fail), may (fail), retry (must succeed), thread (may
# fail, may miss), kill, term
judge() {
    local code=$2 how=$1 before=$3 state=other
    grep -q INJECTED "$TMP/trace" || [ "$how" = kill ] || [ "$how" = term ] || [ "$how" = thread ] ||
        echo "$inject: nothing was injected"
    if [ ! -e "$TMP/w/out" ]; then state=none
    elif same "$TMP/w/out" "$TMP/new"; then state=new
    elif same "$TMP/w/out" "$TMP/old"; then state=old
    fi
    [ "$state" = new ] || [ "$state" = "$before" ] || echo "$inject: half an output ($state)"
    case $how in
    kill) return ;;
    term)
        [ "$code" -eq 143 ] || [ "$code" -eq 0 ] || echo "$inject: exit $code after SIGTERM: $(head -3 "$TMP/stderr" "$TMP/shell")"
        [ -z "$(leftovers)" ] || echo "$inject: a temporary stays after SIGTERM"
        return
        ;;
    must) [ "$code" -ne 0 ] || echo "$inject: the failure is not reported" ;;
    retry) [ "$code" -eq 0 ] || echo "$inject: not tried again: $(cat "$TMP/stderr")" ;;
    esac
    [ "$code" -ne 0 ] || [ "$state" = new ] || echo "$inject: exit 0 without the output"
    [ "$code" -lt 10 ] || echo "$inject: exit $code"
    if [ "$code" -ne 0 ]; then
        grep -q "^$name: error: " "$TMP/stderr" || echo "$inject: no message: $(head -1 "$TMP/stderr")"
        [ "$(grep -cv "^$name: warning: " "$TMP/stderr")" -eq 1 ] || echo "$inject: not one line"
    fi
    # but where removing is what failed
    [ -z "$(leftovers)" ] || [ "${inject%%:*}" = unlinkat ] || echo "$inject: a temporary stays"
}

# every call of one kind in turn: enumerate NAME HOW CALL SPEC BEFORE ARGUMENTS...
enumerate() {
    local what=$1 how=$2 call=$3 spec=$4 before=$5 total early i n=0 found complaints='' trace=$TMP/clean
    shift 5
    [ "$before" = none ] || trace=$TMP/clean-replace
    total=$(count "$call" "$trace")
    early=$(count_early "$call" "$trace")
    for ((i = early + 1; i <= total; i += step)); do
        fresh "$before"
        inject=$call:$spec:when=$i
        run "$@"
        found=$(judge "$how" $? "$before")
        complaints+=${found:+$found$'\n'}
        n=$((n + 1))
    done
    points=$((points + n))
    report "$what-$call-$n-points" "$complaints"
}

for call in pwrite64 fsync renameat2 mkdirat ftruncate; do
    enumerate error must $call error=ENOSPC none $plain
done
for call in pread64 openat close newfstatat read mmap getrandom getdents64; do
    enumerate error may $call error=$([ $call = mmap ] && echo ENOMEM || echo EIO) none $plain
done
for call in pread64 pwrite64; do enumerate interrupted retry $call error=EINTR none $plain; done
for call in fsync renameat2 unlinkat; do enumerate replace must $call error=EIO old $plain -f; done
for call in openat fsync renameat2 mkdirat ftruncate close unlinkat; do
    enumerate kill kill $call signal=SIGKILL old $plain -f
    enumerate term term $call signal=SIGTERM old $plain -f
done
enumerate kill kill pwrite64 signal=SIGKILL none $plain
enumerate term term pwrite64 signal=SIGTERM none $plain
for call in pwrite64 fsync renameat2; do enumerate threads thread $call error=EIO none $new -j3; done

[ "$step" -gt 1 ] || report at-least-200-points "$([ $points -ge 200 ] || echo "only $points")"
echo "# $points points"
exit $failed
