#!/bin/bash
# tests/emu/forms.sh - every form of linear layers through the plugin on the emulated GPU, beside the
# CPU, under three schedules. Read next: tests/gpu/forms.c.
set -u
. tests/emu/checks.sh
plugin_or_skip "forms of layers on the emulated GPU"
forms=$(dirname "$BIN")/gpu/forms
for schedule in forward reverse random; do
    reuse=0 # addresses of what was released: a table by address must have forgotten it
    [ $schedule != reverse ] || reuse=1
    PE_EMU_REUSE=$reuse PE_EMU_STATS=1 PE_EMU_SCHED=$schedule PE_EMU_SEED=7 "$forms" emu >"$TMP/out" 2>"$TMP/err"
    code=$?
    [ $code -eq 0 ] || grep -v 'launches\|alive$' "$TMP/err" | sed 's/^/# /'
    check "$schedule" test $code -eq 0
    sed -n "/^ok\|^not ok/ { s/form/$schedule/; p; }; /^ok/! s/^/# /p" "$TMP/out"
    check "$schedule-all" test "$(grep -c '^ok form' "$TMP/out")" -eq 11
done
# Of what the libraries were asked to make as much is alive as may be: the handle of cuSPARSE, and 128
# plans of cuBLASLt of four objects each, of more than that.
objects() { sed -n "s/^emu: $1: \\([0-9]*\\) objects made, \\([0-9]*\\) alive$/\\$2/p" "$TMP/err"; }
check sparse-forgotten test "$(objects cuSPARSE 2)" -eq 1
check plans-made test "$(objects cuBLASLt 1)" -gt 700
check plans-dropped test "$(objects cuBLASLt 2)" -le 512
exit $failed
