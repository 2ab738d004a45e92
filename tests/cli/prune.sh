#!/bin/bash
# tests/cli/prune.sh - pe-prune on the shipped model: counts, equal bytes, layouts, refusals, hostile input.
# Read next: docs/pe-prune.md, lib/prune/prune.c.
set -u
failed=0
model=$PWD/recipes/sentiment/model
prune=$BIN/pe-prune
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
says() { grep -qF -- "$2" "$1" || { echo "# expected '$2', found: $(head -c 600 "$1")"; return 1; }; }
absent() { [ ! -e "$1" ] && ! ls -d "$1"* "$(dirname "$1")"/.*"$(basename "$1")"* >/dev/null 2>&1; }
# Values of a key of the modules in a report (six spaces deep), one a line.
values() { sed -n "s/^      \"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$1/pe-report.json"; }
all_are() { # report, key, value
    [ "$(values "$1" "$2" | sort -u)" = "$3" ] || { echo "# $2: $(values "$1" "$2" | sort | uniq -c)"; return 1; }
}
total() { # report, key, expected: of the whole report, two spaces deep
    local got
    got=$(sed -n "s/^  \"$2\": \([0-9.e+-]*\),\{0,1\}\$/\1/p" "$1/pe-report.json")
    [ "$got" = "$3" ] || { echo "# $2 is $got, expected $3"; return 1; }
}
same_content() { [ "$(grep '"content"' "$1/pe-report.json")" = "$(grep '"content"' "$2/pe-report.json")" ]; }
# A copy of the model whose weights file is changed by a command that gets its path.
damaged() { # folder, command...
    local to=$1
    shift
    mkdir -p "$to" && cp "$model"/*.json "$model"/vocab.txt "$model/model.safetensors" "$to/" &&
        chmod u+w "$to"/* && "$@" "$to/model.safetensors"
}
cut_short() { truncate -s -5 "$1"; }
longer() { printf x >>"$1"; }
nan_at_end() { printf '\300\177' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") - 2)) conv=notrunc 2>/dev/null; }

# ---- exactly k ----
check layer code_of 0 "$prune" "$model" -o "$TMP/layer" --sparsity 0.5
check layer-says-left-alone says "$TMP/out" "(embedding)"
check layer-half-of-each all_are "$TMP/layer" sparsity 0.5
check layer-weights total "$TMP/layer" weights 1769472
check layer-zeros total "$TMP/layer" zeros 884736
check global code_of 0 "$prune" "$model" -o "$TMP/global" --sparsity 0.37 --scope global
check global-zeros total "$TMP/global" zeros 654705
check 2of4 code_of 0 "$prune" "$model" -o "$TMP/2of4" --pattern 2:4
check 2of4-zeros total "$TMP/2of4" zeros 884736
check 1of8 code_of 0 "$prune" "$model" -o "$TMP/1of8" --pattern 1:8 --layout bitmask
check 1of8-zeros total "$TMP/1of8" zeros 1548288
check blocks code_of 0 "$prune" "$model" -o "$TMP/blocks" --pattern 1x4 --sparsity 0.75
check blocks-zeros total "$TMP/blocks" zeros 1327104
check blocks-layout all_are "$TMP/blocks" layout block4
check rows code_of 0 "$prune" "$model" -o "$TMP/rows" --scope row --sparsity 0.25 --layout dense
check rows-zeros total "$TMP/rows" zeros 442368
check nothing code_of 0 "$prune" "$model" -o "$TMP/nothing" --sparsity 0 --layout dense
check nothing-zeros total "$TMP/nothing" zeros 0
check again code_of 0 "$prune" "$TMP/global" -o "$TMP/again" --sparsity 0.37 --scope global
check again-same same_content "$TMP/global" "$TMP/again"
check more code_of 0 "$prune" "$TMP/layer" -o "$TMP/more" --sparsity 0.8 --scope global
check more-zeros total "$TMP/more" zeros 1415578
check fewer code_of 0 "$prune" "$TMP/layer" -o "$TMP/fewer" --sparsity 0.2
check fewer-keeps-zeros total "$TMP/fewer" zeros 884736

# ---- layouts ----
for layout in dense bitmask block4 csr bsr blocked-ell; do
    check "layout-$layout" code_of 0 "$prune" "$model" -o "$TMP/l-$layout" --sparsity 0.6 --layout $layout
    check "layout-$layout-told" all_are "$TMP/l-$layout" layout $layout
done
check layout-2of4-misfit code_of 7 "$prune" "$model" -o "$TMP/misfit" --sparsity 0.6 --layout 2of4
check layout-2of4-nothing-written absent "$TMP/misfit"
check layout-2of4 code_of 0 "$prune" "$model" -o "$TMP/l-2of4" --pattern 2:4 --layout 2of4
check layout-larger-warns code_of 0 "$prune" "$model" -o "$TMP/l-warn" --sparsity 0.1 --layout csr
check layout-larger-both-numbers grep -qE 'warning: layout csr takes [0-9]+ bytes .* dense takes [0-9]+' "$TMP/err"

# ---- equal bytes ----
for n in 1 2 3 5; do
    check "threads-$n" code_of 0 "$prune" "$model" -o "$TMP/t$n" --sparsity 0.43 --scope global -j$n
    check "threads-$n-equal" diff -r "$TMP/t1" "$TMP/t$n"
done
check repeated code_of 0 "$prune" "$model" -o "$TMP/t1b" --sparsity 0.43 --scope global -j1
check repeated-equal diff -r "$TMP/t1" "$TMP/t1b"
check elsewhere code_of 0 env -C "$TMP" LC_ALL=de_DE.UTF-8 LANG=tr_TR.UTF-8 TZ=Asia/Tokyo "$prune" "$model" \
    -o elsewhere --sparsity 0.43 --scope global
check elsewhere-equal diff -r "$TMP/t1" "$TMP/elsewhere"
check level-ref code_of 0 env PE_CPU=ref "$prune" "$model" -o "$TMP/tref" --sparsity 0.43 --scope global
check level-ref-equal diff -r "$TMP/t1" "$TMP/tref"

# ---- which modules ----
check only code_of 0 "$prune" "$model" -o "$TMP/only" --sparsity 0.5 --only '*.query' --only classifier
check only-few [ "$(values "$TMP/only" layout | wc -l)" -eq 5 ]
check skip code_of 0 "$prune" "$model" -o "$TMP/skip" --sparsity 0.5 --skip '*.layer.0.*'
check skip-most [ "$(values "$TMP/skip" layout | wc -l)" -eq 18 ]
check glob-without-match code_of 2 "$prune" "$model" -o "$TMP/no" --sparsity 0.5 --skip '*.nosuch'
check glob-named says "$TMP/err" ".nosuch"
check nothing-left code_of 2 "$prune" "$model" -o "$TMP/no" --sparsity 0.5 --skip '*'

# ---- plan ----
check dry-run code_of 0 "$prune" "$model" --sparsity 0.5 --dry-run
check dry-run-says says "$TMP/out" "nothing written"
check dry-run-json code_of 0 "$prune" "$model" --sparsity 0.5 --dry-run --json
check dry-run-peak grep -q '"peak_bytes": [0-9]' "$TMP/out"
check json code_of 0 "$prune" "$model" -o "$TMP/json" --sparsity 0.5 --json
check json-schema says "$TMP/out" '"schema": "pe.prune/1"'
# Three times the largest tensor (2.7 MB), 64 MiB, and 64 MiB for the program itself.
within_limit() { (ulimit -v $(((3 * 2688000 + (128 << 20)) / 1024)) && code_of 0 "$@"); }
if grep -q __asan_init "$BIN/pe-prune"; then
    echo "skip max-ram: AddressSanitizer itself needs more memory"
else
    check address-space within_limit "$prune" "$model" -o "$TMP/limited" --sparsity 0.5 --scope global -j5
    check max-ram code_of 6 "$prune" "$model" -o "$TMP/no" --sparsity 0.5 --max-ram 1M
fi
check max-ram-nothing-written absent "$TMP/no"

# ---- refusals ----
check existing code_of 2 "$prune" "$model" -o "$TMP/layer" --sparsity 0.5
check existing-force code_of 0 "$prune" "$model" -o "$TMP/layer" --sparsity 0.6 -f
check existing-replaced all_are "$TMP/layer" asked 0.6
check no-sparsity code_of 2 "$prune" "$model" -o "$TMP/no"
check no-output code_of 2 "$prune" "$model" --sparsity 0.5
check block-without-sparsity code_of 2 "$prune" "$model" -o "$TMP/no" --pattern 1x4
for bad in 1 -0.1 1.5 nan inf abc; do
    check "sparsity-$bad" code_of 2 "$prune" "$model" -o "$TMP/no" --sparsity $bad
done
check pattern-and-sparsity code_of 2 "$prune" "$model" -o "$TMP/no" --pattern 2:4 --sparsity 0.5
for bad in 4:2 2: 1x 0x4 2-4; do
    check "pattern-$bad" code_of 2 "$prune" "$model" -o "$TMP/no" --pattern $bad --sparsity 0.5
done
check pattern-misfit code_of 2 "$prune" "$model" -o "$TMP/no" --pattern 3:7
check pattern-misfit-named says "$TMP/err" "multiple of 7"
check method code_of 2 "$prune" "$model" -o "$TMP/no" --sparsity 0.5 --method nosuch
check scope code_of 2 "$prune" "$model" -o "$TMP/no" --sparsity 0.5 --scope nosuch
check layout code_of 2 "$prune" "$model" -o "$TMP/no" --sparsity 0.5 --layout nosuch
check no-model code_of 4 "$prune" "$TMP/nosuch" -o "$TMP/no" --sparsity 0.5

# ---- hostile input ----
check short-made damaged "$TMP/short" cut_short
check short code_of 3 "$prune" "$TMP/short" -o "$TMP/no" --sparsity 0.5
check long-made damaged "$TMP/long" longer
check long code_of 3 "$prune" "$TMP/long" -o "$TMP/no" --sparsity 0.5
check nan-made damaged "$TMP/nan" nan_at_end
check nan code_of 3 "$prune" "$TMP/nan" -o "$TMP/no" --sparsity 0.5
check nan-named grep -qE 'tensor [a-z.A-Z0-9_]+, element [0-9]+: NaN' "$TMP/err"
check nan-one-line [ "$(wc -l <"$TMP/err")" -eq 1 ]
check hostile-nothing-written absent "$TMP/no"
exit $failed
