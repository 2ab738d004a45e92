# tests/emu/checks.sh - what the scripts of tests/emu share; sourced. Read next: tests/emu/road.sh.
# shellcheck shell=bash disable=SC2034
failed=0
check() { # name, condition...
    local name=$1
    shift
    if "$@"; then
        echo "ok $name"
    else
        echo "not ok $name"
        failed=1
        [ -z "${PE_TEST_STOP:-}" ] || exit 1 # one is enough for tests/emu/faults.sh
    fi
}
code_of() { # expected code, command...
    local want=$1
    shift
    "$@" >"$TMP/out" 2>"$TMP/err"
    local code=$?
    [ "$code" -eq "$want" ] || { echo "# $*: exit $code, expected $want: $(head -c 500 "$TMP/err")"; return 1; }
}
says() { # file, text
    grep -qF -- "$2" "$1" || { echo "# expected '$2', found: $(head -c 500 "$1")"; return 1; }
}
one_line() { [ "$(wc -l <"$1")" -eq 1 ] || { echo "# more than a line: $(head -c 500 "$1")"; return 1; }; }
plugin_or_skip() { # what is not tested without the plugin, its device
    local plugin=libpe-${2:-emu}.so
    [ ! -e "$(dirname "$BIN")/lib/pe/${plugin/:*./.}" ] || return 0
    echo "skip $1: ${plugin/:*./.} is not built; it takes the CUDA toolkit 13 with nvcc on PATH"
    exit 0
}
# Two answers of pe-run --json, line by line: every number within `most` of the other (of 1 where it
# is smaller), everything else equal.
near() { # file, file, most
    paste -d '\n' "$1" "$2" | awk -v most="$3" '
        function size(x) { return x < 0 ? -x : x }
        NR % 2 { was = $0; next }
        {
            rows++
            a = was; b = $0
            gsub(/-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?/, "#", a)
            gsub(/-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?/, "#", b)
            if (a != b) { print "# " was " is not " $0; bad = 1; exit }
            n = split(was, x, /[^-0-9.e]+/)
            split($0, y, /[^-0-9.e]+/)
            for (i = 1; i <= n; i++) {
                if (x[i] !~ /^-?[0-9]/) continue
                numbers++
                far = size(x[i] - y[i]) / (size(x[i]) > 1 ? size(x[i]) : 1)
                if (far > most) { print "# " x[i] " is not " y[i] " in " was; bad = 1; exit }
            }
        }
        END { if (!numbers) print "# nothing to compare"; exit bad || !numbers }'
}
