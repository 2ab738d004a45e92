#!/bin/bash
# tests/isa/skipped.sh - counts the emulated kernel tests as skipped where SIMDe is not installed.
# Read next: tests/check.sh.
echo "skip emulated-kernels: libsimde-dev is not installed"
