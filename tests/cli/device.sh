#!/bin/bash
# tests/cli/device.sh - --device where there is no plugin: a clear refusal, the CPU for auto; plugins are
# loaded only when asked for, and never from the working directory. Read next: docs/gpu.md.
set -u
failed=0
check() { # name, condition...
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
        failed=1
    fi
}
code_of() { # expected code, command...
    local want=$1
    shift
    "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
    local code=$?
    [ "$code" -eq "$want" ] || { echo "# $*: exit $code, expected $want: $(cat "$TMP/err")"; return 1; }
}
says() { grep -qF -- "$2" "$1" || { echo "# expected '$2', found: $(cat "$1")"; return 1; }; }
one_line() { test "$(wc -l <"$TMP/err")" -eq 1; }

model=$PWD/recipes/sentiment/model
mkdir "$TMP/none" "$TMP/here" "$TMP/here/pe"
echo "a fine film" >"$TMP/text"
export PE_PLUGIN_DIR=$TMP/none
for device in cuda cuda:1 emu; do
    check refused-$device code_of 7 "$BIN/pe-run" "$model" --device $device "a fine film"
    check refused-line-$device one_line
    check refused-says-$device says "$TMP/err" "is not installed"
done
for tool in pe-prune pe-quantize; do
    more=()
    [ $tool = pe-quantize ] || more=(--sparsity 0.5)
    check $tool-refused code_of 7 "$BIN/$tool" "$model" -o "$TMP/out-$tool" --device cuda "${more[@]}"
    check $tool-writes-nothing test ! -e "$TMP/out-$tool"
done
check cpu code_of 0 "$BIN/pe-run" "$model" "a fine film"
cp "$TMP/out" "$TMP/cpu"
check auto code_of 0 "$BIN/pe-run" "$model" --device auto "a fine film"
check auto-is-cpu cmp -s "$TMP/out" "$TMP/cpu"
check unknown code_of 2 "$BIN/pe-run" "$model" --device tpu "a fine film"
check precision-of-cpu code_of 7 "$BIN/pe-run" "$model" --precision bf16 "a fine film"

# a folder that is not absolute, and a plugin of that name where the user stands, are not looked at
echo "int x;" | gcc -shared -fPIC -x c - -o "$TMP/here/libpe-cuda.so" && cp "$TMP/here/libpe-cuda.so" "$TMP/here/pe/"
here() { (cd "$TMP/here" && code_of 7 "$BIN/pe-run" "$model" --device cuda "a fine film") && says "$TMP/err" "is not installed"; }
check not-from-here here
if strace -o "$TMP/none/try" true 2>/dev/null; then
    trace() { (cd "$TMP/here" && strace -f -e trace=openat,open -o "$TMP/trace" "$BIN/pe-run" "$model" "$@" "a fine film" >/dev/null 2>&1); }
    PE_PLUGIN_DIR=. trace --device cuda
    check looked-for-elsewhere test "$(grep -c '"\(\./\|pe/\)\?libpe-cuda' "$TMP/trace")" -eq 0
    trace
    check not-loaded-unasked test "$(grep -c 'libpe-\(cuda\|emu\)' "$TMP/trace")" -eq 0
else
    echo "skip which plugins are opened: no strace here"
fi

# not a plugin
PE_PLUGIN_DIR=$TMP/here check no-entry code_of 7 "$BIN/pe-run" "$model" --device cuda "a fine film"
check no-entry-line one_line
echo "not a library" >"$TMP/none/libpe-cuda.so"
check garbage code_of 7 "$BIN/pe-run" "$model" --device cuda "a fine film"
check garbage-line one_line

# plugins of another pe, whose tables are shorter or mean something else, are not called at all
stub() { # exit code, what differs and by how much
    local d=() field
    for field in BACKEND_SHORTER BACKEND_ABI PASS_SHORTER PLUGIN_SHORTER PLUGIN_ABI; do
        [ $field = "${2%%=*}" ] && d+=("-D$2") || d+=("-D$field=0")
    done
    gcc -shared -fPIC -I. -Ilib/include "${d[@]}" tests/cli/stub_plugin.c -o "$TMP/none/libpe-cuda.so" &&
        code_of "$1" "$BIN/pe-run" "$model" --device cuda "a fine film"
}
check stub-of-this-pe stub 6 nothing=0
for differs in BACKEND_SHORTER=8 BACKEND_ABI=1 BACKEND_ABI=-1 PASS_SHORTER=1 PLUGIN_SHORTER=1 PLUGIN_ABI=1; do
    check stub-$differs stub 7 $differs
    check stub-$differs-says says "$TMP/err" "made for another version of pe"
    check stub-$differs-line one_line
done
exit $failed
