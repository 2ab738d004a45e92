#!/bin/bash
# tests/long/durable_all.sh - the fault tests of durable.sh on pe-quantize and pe-convert, at every call.
# Read next: tests/cli/durable.sh.
set -u
code=0
for tool in pe-quantize pe-convert; do
    mkdir -p "$TMP/$tool"
    TMP=$TMP/$tool DURABLE_TOOL=$tool tests/cli/durable.sh || code=1
done
exit $code
