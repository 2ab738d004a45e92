#!/bin/bash
# tests/emu/tune.sh - pe-bench --tune on the emulated GPU, with models so small that it takes seconds:
# what is timed, what is kept, who reads it, and whose times do not count.
# Read next: docs/pe-bench.md, lib/model/tunefile.h.
set -u
. tests/emu/checks.sh
plugin_or_skip "tuning on the emulated GPU"
golden=tests/golden/data/models
export XDG_CACHE_HOME="$TMP/cache"
once=(--device emu --batch 1 --length 8 --repeats 1 --warmup 1)

# one with a block of int8 and a block of f16, and one of int8 weights
check pruned code_of 0 "$BIN/pe-prune" $golden/bert_f16 --sparsity 0.7 -q -o "$TMP/p70"
check mixed code_of 0 "$BIN/pe-quantize" "$TMP/p70" --only '*.layer.0.*' -q -o "$TMP/mixed"
check w8a16 code_of 0 "$BIN/pe-quantize" $golden/bert_gamma --scheme w8a16 -q -o "$TMP/w8a16"

# One line a layer: its name, what was chosen, the times of each form, a bucket a column.
layers() { # the JSON of --tune
    sed 's/{"block4_sparsity"/\n&/g' "$1" | awk '
        function list(key, out) {
            if (!match($0, "\"" key "\":\\[[^]]*\\]")) return 0
            text = substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
            gsub(/"/, "", text)
            return split(text, out, ",")
        }
        /^{"block4_sparsity"/ {
            match($0, /"name":"[^"]*"/)
            name = substr($0, RSTART + 8, RLENGTH - 9)
            n = split("dense csr bitmask bsr blocked-ell block4 int8-weights", forms, " ")
            list("chosen", chosen)
            line = name " chosen " chosen[1] " " chosen[2] " " chosen[3]
            for (f = 1; f <= n; f++)
                if (list(forms[f], us) == 3) line = line " " forms[f] " " us[1] " " us[2] " " us[3]
            print line
        }'
}
# Dense is among the forms, the choice is one of them, and by these times no slower than dense.
sound() { # lines of layers()
    awk '
        {
            delete us
            for (i = 6; i < NF; i += 4)
                for (b = 1; b <= 3; b++) us[$i, b] = $(i + b)
            for (b = 1; b <= 3; b++) {
                if (!(us["dense", b] > 0)) { print "# dense was not timed: " $0; bad = 1; exit }
                if (!(us[$(b + 2), b] > 0)) { print "# chosen, not timed: " $0; bad = 1; exit }
                if (us[$(b + 2), b] > us["dense", b]) { print "# slower than dense: " $0; bad = 1; exit }
            }
        }
        END { exit bad || NR < 10 }' "$1"
}
# Weights rest in memory while calls of a matrix take turns among its copies: as many as the model has
# weights for each of its own, or fewer where memory is short.
copies() { # model: lines "weights of the layer, copies of a form" for each of both
    sed 's/{"block4_sparsity"/\n&/g' "$TMP/$1.json" | sed -nE \
        's/.*"copies":\{([^}]*)\}.*"k":([0-9]+),"n":([0-9]+).*/\2 \3 \1/p' | tr ',' ' ' |
        awk '{ for (i = 3; i <= NF; i++) { sub(/.*:/, "", $i); print $1 * $2, $i; if (i == 3) total += $1 * $2 }
               lines++ } END { print total, "total"; exit lines < 10 }'
}
copied() { # model, "all" or "fewer"
    copies "$1" | tac | awk -v how="$2" '
        NR == 1 { total = $1; next }
        $2 < 1 { bad = 1 }
        $2 != int(total / $1) { fewer++ }
        END { if (bad || (how == "all") != !fewer) { print "# " fewer + 0 " forms with fewer copies"; exit 1 } }'
}
# A clock of whole microseconds shows it: a time is a share of an interval of several calls.
shared() { awk '{ for (i = 6; i <= NF; i++) if ($i ~ /\./ && $i - int($i) > 0.1 && $i - int($i) < 0.9) n++ }
    END { exit !n }' "$1"; }
file_of() { # model
    sed 's/.*"file":"\([^"]*\)".*/\1/' "$TMP/$1.json"
}
tuned() { # model, a form that is timed, too, memory: $TMP/MODEL.json and MODEL.layers
    # memory for a layer at a time, not for what was released
    code_of 0 "$BIN/pe-bench" "$TMP/$1" --tune --json --device emu --max-vram "$3" && mv "$TMP/out" "$TMP/$1.json" || return 1
    layers "$TMP/$1.json" >"$TMP/$1.layers"
    grep -q " $2 [0-9]" "$TMP/$1.layers" || { echo "# $2 was not timed: $(head -1 "$TMP/$1.layers")"; return 1; }
}
# What pe-bench executes afterwards, a line a layer like what was chosen.
executed() { # model
    local model=$1
    code_of 0 "$BIN/pe-bench" "$TMP/$model" "${once[@]}" --json || return 1
    grep -o '"[^"]*":\["[a-z0-9-]*","[a-z0-9-]*","[a-z0-9-]*"\]' "$TMP/out" | tr -d '"[]' | tr ':,' '  ' |
        sed 's/self\.query+[a-z+]*/self.query/; s/self\.key+value/self.key/' | sort >"$TMP/executed"
    cut -d ' ' -f 1,3-5 "$TMP/$model.layers" | sort >"$TMP/chosen"
}
as_chosen() { executed "$1" && says "$TMP/out" '"chosen_by":"tuned"' && diff "$TMP/chosen" "$TMP/executed" >"$TMP/diff"; }
estimated() { executed "$1" && says "$TMP/out" '"chosen_by":"estimate"'; }

for what in mixed:bitmask:480K:fewer w8a16:int8-weights:16M:all; do
    IFS=: read -r model form memory how <<<"$what"
    check tune-$model tuned $model $form $memory
    check tune-$model-sound sound "$TMP/$model.layers"
    check tune-$model-copies copied $model $how
    check tune-$model-calls shared "$TMP/$model.layers"
    check tune-$model-read as_chosen $model
    check tune-$model-no-note test ! -s "$TMP/err"
done
check tune-chose-more grep -q ' chosen bitmask ' "$TMP/mixed.layers"
check tune-device says "$(file_of mixed)" '"device": "emu (PTX on the CPU, compute capability 9.0)"'
check tune-driver says "$(file_of mixed)" '"driver": "CUDA 13.'
check tune-driver-name says "$(file_of mixed)" ', 580.0.emu"'
check tune-int8-too grep -q '^bert.encoder.layer.0.intermediate.dense .* dense .* bitmask' "$TMP/mixed.layers"
check tune-f16-too grep -q '^bert.encoder.layer.1.intermediate.dense .* csr .* bitmask' "$TMP/mixed.layers"
check tune-one-file-each test "$(find "$XDG_CACHE_HOME/pe/tune" -type f | wc -l)" -eq 2

# Times that say dense is slowest are believed: it is the file that is read, not the estimate.
sed -E '/"dense": \[/,/\]/ s/[0-9]+\.[0-9]+/9000.0/' "$(file_of w8a16)" >"$TMP/edited" && cp "$TMP/edited" "$(file_of w8a16)"
all_codes() { executed w8a16 && [ "$(grep -c 'int8-weights int8-weights int8-weights' "$TMP/executed")" -ge 8 ]; }
check tune-file-decides all_codes

# Another driver, another device: the estimate, and a line that says so.
export PE_EMU_NVML=off
check other-driver estimated mixed
check other-driver-note says "$TMP/err" "not used"
check other-driver-whose says "$TMP/err" ", 580.0.emu; this is emu"
check other-driver-line one_line "$TMP/err"
check other-driver-run code_of 0 "$BIN/pe-run" "$TMP/mixed" --device emu --json --ids <(echo '{"input_ids": [2, 5, 3]}')
check other-driver-run-note says "$TMP/err" "pe-bench --tune"
unset PE_EMU_NVML
export PE_EMU_CC=100
check other-device estimated mixed
check other-device-note says "$TMP/err" "compute capability 9.0"
check other-device-named code_of 3 "$BIN/pe-bench" "$TMP/mixed" "${once[@]}" --tune-file "$(file_of mixed)"
check other-device-named-says says "$TMP/err" "another model, CPU, GPU or driver"
unset PE_EMU_CC
check cpu-no-note code_of 0 "$BIN/pe-bench" "$TMP/mixed" --batch 1 --length 8 --repeats 1 --warmup 1 --json
check cpu-no-note-said test ! -s "$TMP/err"
# a file of another device under this one's name
sed -i 's/"cpu": "[^"]*"/"cpu": "some-other-gpu"/; s/"device": "[^"]*"/"device": "Some Other GPU"/' "$(file_of mixed)"
check renamed estimated mixed
check renamed-note says "$TMP/err" "measured on Some Other GPU"
exit $failed
