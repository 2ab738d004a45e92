#!/bin/bash
# tests/cli/durable_others.sh - the fault tests of durable.sh on pe-quantize and pe-convert, at one call in
# eleven. Read next: tests/long/durable_all.sh, which takes every call.
set -u
code=0
for tool in pe-quantize pe-convert; do
    mkdir -p "$TMP/$tool"
    TMP=$TMP/$tool DURABLE_TOOL=$tool DURABLE_STEP=11 tests/cli/durable.sh || code=1
done
exit $code
