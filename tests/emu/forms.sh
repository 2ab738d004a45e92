#!/bin/bash
# tests/emu/forms.sh - every form of linear layers through the plugin on the emulated GPU, beside the
# CPU, under three schedules. Read next: tests/gpu/forms.c.
set -u
. tests/emu/checks.sh
plugin_or_skip "forms of layers on the emulated GPU"
forms=$(dirname "$BIN")/gpu/forms
for schedule in forward reverse random; do
    PE_EMU_SCHED=$schedule PE_EMU_SEED=7 "$forms" emu >"$TMP/out" 2>&1
    check "$schedule" test $? -eq 0
    sed -n "/^ok\|^not ok/ { s/form/$schedule/; p; }; /^ok/! s/^/# /p" "$TMP/out"
    check "$schedule-all" test "$(grep -c '^ok form' "$TMP/out")" -eq 11
done
exit $failed
