#!/bin/bash
# tests/lint/tools.sh - formatters and analysers that pass on this tree, where they are installed.
# Read next: .clang-format, .clang-tidy, docs/style.md.
set -u
cd "$(dirname "$0")/../.." || exit 1
failed=0
try() { # program, command...
    local program=$1 text
    shift
    if ! command -v "$program" >/dev/null 2>&1; then
        echo "skip $program: not installed"
    elif text=$("$@" 2>&1); then
        echo "ok $program"
    else
        echo "not ok $program"
        printf '%s\n' "$text" | head -40 | sed 's/^/# /'
        failed=1
    fi
}
sources=$(find lib kernels formats tools tests docs/examples -name '*.[ch]' | sort)
try clang-format clang-format --dry-run -Werror $sources
try cppcheck cppcheck --quiet --std=c11 --language=c --error-exitcode=1 --inline-suppr -j "$(nproc)" \
    --enable=warning,performance,portability --suppressions-list=tests/lint/cppcheck.txt \
    -D__GNUC__=12 -D__SSE2__=1 -DPE_VERSION='"0"' -I. -Ilib/include lib formats tools/common
try shellcheck shellcheck -S warning -e SC2046,SC2010 bootstrap .ci/run $(find tests recipes -name '*.sh' | sort)
exit $failed
