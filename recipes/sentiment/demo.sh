#!/bin/sh
# recipes/sentiment/demo.sh - the main job on the shipped model: prune, quantize, judge, tune, run.
# Read next: recipes/sentiment/recipe.yaml, README.md. Called by `./bootstrap demo`.
set -eu
cd "$(dirname "$0")/../.."
BIN=${BIN:-$PWD/build/release/bin}
bin=${BIN#"$PWD"/} # as a person types it
out=${1:-build/demo/optimized}
# caches of steps and of measured times; a machine without a home keeps them in the build
[ -n "${XDG_CACHE_HOME:-}${HOME:-}" ] || export XDG_CACHE_HOME="$PWD/build/demo/cache"
mkdir -p "$(dirname "$out")"

echo "The recipe, recipes/sentiment/recipe.yaml:"
grep -v '^#' recipes/sentiment/recipe.yaml | sed 's/^/    /'
echo
echo "Running it: every step is evaluated on all 2,045 labelled rows and timed on this machine."
echo
"$BIN/pe-recipe" run recipes/sentiment/recipe.yaml -o "$out" -f

echo
echo "A few sentences through the optimized model (label, probability, text):"
"$BIN/pe-run" "$out" <<'TEXT'
A gripping movie, played with performances that are all understated and touching.
Effective but too tepid biopic.
The service was slow and the food was cold.
What a lovely surprise, I would go again tomorrow.
TEXT

cat <<NEXT

Next:
    $bin/pe-inspect $out                    what is in it: layouts, bytes, history
    $bin/pe-bench $out --baseline recipes/sentiment/model --batch 1,32 --length 16,64
    echo "a fine film" | $bin/pe-run $out --json
    $bin/pe-recipe plan recipes/sentiment/recipe.yaml
Change a number in the recipe and run it again: steps that did not change come from the cache.
Your own model and data: copy recipes/sentiment/, put yours into model/ and data/, see docs/pe-recipe.md.
NEXT
