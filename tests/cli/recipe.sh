#!/bin/bash
# tests/cli/recipe.sh - pe-recipe on the shipped model: run, cache, gates, provenance, mistakes.
# Read next: docs/pe-recipe.md, tests/unit/test_recipe.c.
set -u
failed=0
root=$PWD
export XDG_CACHE_HOME=$TMP/cache HOME=$TMP/home GIT_CONFIG_NOSYSTEM=1 GIT_CEILING_DIRECTORIES=$TMP
mkdir -p "$HOME"
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
says() { grep -qE -- "$2" "$1" || { echo "# expected '$2', found: $(head -c 2000 "$1")"; return 1; }; }
says_not() { ! grep -qE -- "$2" "$1" || { echo "# expected no '$2' in: $(head -c 2000 "$1")"; return 1; }; }
same_files() { diff -r "$1" "$2" >"$TMP/diff" || { echo "# $(head -5 "$TMP/diff")"; return 1; }; }
recipe() { "$BIN/pe-recipe" "$@"; }
history_of() { grep -aoE 'pe\.provenance|"?recipe\\?".{0,400}' "$1"/model*.safetensors; }

# a folder with a model and few rows, outside of any repository
work=$TMP/work
mkdir -p "$work/data"
cp -r recipes/sentiment/model "$work/model"
head -301 recipes/sentiment/data/sentiment-dev.tsv >"$work/data/dev.tsv"
tail -200 recipes/sentiment/data/sentiment-test.tsv | sed '1i label\ttext' >"$work/data/calib.tsv"
head -41 recipes/sentiment/data/sentiment-dev.tsv >"$work/data/few.tsv"
write() { # file name, steps and gate on stdin
    {
        printf 'version: 1\nmodel: model\n'
        printf 'data: {dev: data/dev.tsv, calib: data/calib.tsv, few: data/few.tsv}\nsteps:\n'
        cat
    } >"$work/$1"
}
write good.yaml <<'EOF'
  - prune: {sparsity: 0.3, scope: global}
  - quantize: {activations: static, calib: calib, calib_rows: 50}
gate: {data: dev, max_drop: 0.05}
EOF

# the shipped one, as far as that takes no time
check shipped-lint code_of 0 recipe lint recipes/sentiment/recipe.yaml
check shipped-plan code_of 0 recipe plan recipes/sentiment/recipe.yaml --json
check plan-schema says "$TMP/out" '"schema": "pe.plan/1"'

# a run from start to end
check run code_of 0 recipe run "$work/good.yaml" -o "$TMP/o1" --no-timing
check run-says-pass says "$TMP/out" '^PASS: accuracy dropped by'
check run-rows says "$TMP/out" '^(dense|prune|quantize) +0\.[0-9]{4} '
check run-verifies code_of 0 "$BIN/pe-inspect" "$TMP/o1" --verify
check run-executes code_of 0 "$BIN/pe-eval" "$TMP/o1" --data "$work/data/few.tsv"
check blob-without-repository says <(history_of "$TMP/o1") 'blob'
check no-commit-without-repository says_not <(history_of "$TMP/o1") 'commit'
check exists-already code_of 2 recipe run "$work/good.yaml" -o "$TMP/o1" --no-timing
check from-cache code_of 0 recipe run "$work/good.yaml" -o "$TMP/o2" --no-timing --json
check both-steps-from-cache [ "$(grep -c '"cached": true' "$TMP/out")" -eq 2 ]
check same-from-cache same_files "$TMP/o1" "$TMP/o2"
check by-hand code_of 0 "$BIN/pe-prune" "$work/model" -o "$TMP/p" --sparsity 0.3 --scope global --seed 0
check by-hand-2 code_of 0 "$BIN/pe-quantize" "$TMP/p" -o "$TMP/q" --activations static --calib "$work/data/calib.tsv" --calib-rows 50
check by-hand-same-answers code_of 0 "$BIN/pe-eval" "$TMP/q" --data "$work/data/few.tsv" --baseline "$TMP/o1" --json
check by-hand-no-divergence says "$TMP/out" '"kl_max": 0(\.0)?,?$'
check without-cache code_of 0 env XDG_CACHE_HOME=/nonexistent "$BIN/pe-recipe" run "$work/good.yaml" -o "$TMP/o3" --no-cache --no-timing -j 3
check same-without-cache same_files "$TMP/o1" "$TMP/o3"
check nothing-left-behind [ -z "$(find "$TMP" -maxdepth 1 -name '.*' ! -name '.' | head -1)" ]
check replace code_of 0 recipe run "$work/good.yaml" -o "$TMP/o2/" -f --no-timing --keep-steps
check same-after-replace same_files "$TMP/o1" "$TMP/o2"
check kept-steps [ -d "$TMP/o2.steps/1-prune" ] && [ -d "$TMP/o2.steps/2-quantize" ]
check other-place cp -r "$work" "$TMP/elsewhere"
check run-elsewhere code_of 0 sh -c "cd '$TMP/elsewhere' && TZ=Asia/Tokyo LC_ALL=C '$BIN/pe-recipe' run good.yaml -o '$TMP/o4' --no-cache --no-timing -j 1"
check same-elsewhere same_files "$TMP/o1" "$TMP/o4"

# what the cache holds is checked before it is believed
for f in "$XDG_CACHE_HOME"/pe/steps/*/checkpoint/model*.safetensors; do
    size=$(stat -c %s "$f")
    printf '\377' | dd of="$f" bs=1 seek=$((size - 5)) conv=notrunc 2>/dev/null
done
check damaged-cache code_of 0 recipe run "$work/good.yaml" -o "$TMP/o5" --no-timing --json
check damaged-cache-not-used [ "$(grep -c '"cached": true' "$TMP/out")" -eq 0 ]
check same-after-damage same_files "$TMP/o1" "$TMP/o5"
sed -i 's/sparsity: 0.3/sparsity: 0.31/' "$work/good.yaml"
check other-parameter code_of 0 recipe run "$work/good.yaml" -o "$TMP/o6" --no-timing --json
check other-parameter-not-cached [ "$(grep -c '"cached": true' "$TMP/out")" -eq 0 ]

# timing and tuning
check timed code_of 0 recipe run "$work/good.yaml" -o "$TMP/o7" --json
check timed-speedup says "$TMP/out" '"speedup": [0-9]'
check timed-same-bytes same_files "$TMP/o6" "$TMP/o7"

# gates
write fail.yaml <<'EOF'
  - prune: {sparsity: 0.98, only: '*'}
gate: {data: dev, max_drop: 0.01}
EOF
check fail code_of 1 recipe run "$work/fail.yaml" -o "$TMP/f" --no-timing
check fail-says says "$TMP/out" '^FAIL: '
check fail-writes-nothing [ ! -e "$TMP/f" ]
write unsure.yaml <<'EOF'
  - prune: {sparsity: 0.1}
gate: {data: few, max_drop: 0.01}
EOF
check unsure code_of 8 recipe run "$work/unsure.yaml" -o "$TMP/f" --no-timing --json
check unsure-rows says "$TMP/out" '"rows_to_decide": [0-9]+'
check unsure-says says "$TMP/err" 'about [0-9]+ rows would decide'
check unsure-writes-nothing [ ! -e "$TMP/f" ]
write stop.yaml <<'EOF'
  - prune: {sparsity: 0.2}
    gate: {data: dev, max_drop: 0.05}
  - prune: {sparsity: 0.98, only: '*'}
    gate: {data: dev, max_drop: 0.01}
  - quantize: {}
EOF
check step-gate code_of 1 recipe run "$work/stop.yaml" -o "$TMP/kept" --no-timing --json
check step-gate-stops says_not "$TMP/out" '"step": "quantize"'
check step-gate-keeps code_of 0 "$BIN/pe-eval" "$TMP/kept" --data "$work/data/dev.tsv" --baseline "$work/model" --max-drop 0.05
write evaluate.yaml <<'EOF'
  - convert: {dtype: f32}
  - eval: {data: few, metric: macro_f1}
EOF
check no-gate code_of 0 recipe run "$work/evaluate.yaml" -o "$TMP/e" --no-timing --json
check eval-step says "$TMP/out" '"step": "eval"'

# mistakes say where; nothing is written
wrong() { # name, code, what the message says; recipe's steps on stdin
    write wrong.yaml
    check "$1" code_of "$2" recipe run "$work/wrong.yaml" -o "$TMP/w" --no-timing
    check "$1-says" says "$TMP/err" "$3"
    check "$1-writes-nothing" [ ! -e "$TMP/w" ]
}
wrong pattern-without-match 3 'wrong.yaml:5:44: found pattern .\*\.quary' <<'EOF'
  - prune: {sparsity: 0.3, only: ['*.key', '*.quary']}
EOF
wrong unknown-key 3 'wrong.yaml:5:28: prune: found key .sparsty' <<'EOF'
  - prune: {sparsity: 0.3, sparsty: 0.4}
EOF
wrong distill 7 'wrong.yaml:5:5: found step .distill' <<'EOF'
  - distill: {teacher: model}
EOF
wrong unknown-method 3 'wrong.yaml:5:5: ' <<'EOF'
  - prune: {sparsity: 0.3, method: guess}
EOF
wrong missing-data 4 'wrong.yaml:6:14: ' <<'EOF'
  - prune: {sparsity: 0.3}
gate: {data: data/none.tsv, max_drop: 0.1}
EOF
wrong wrong-metric 3 'wrong.yaml:6:7: metric: found .bleu' <<'EOF'
  - prune: {sparsity: 0.3}
gate: {data: few, max_drop: 0.1, metric: bleu}
EOF
check no-recipe code_of 4 recipe run "$work/none.yaml" -o "$TMP/w"
check no-output code_of 2 recipe run "$work/good.yaml"
check in-place code_of 2 recipe run "$work/good.yaml" -o "$work/model" -f
check no-folder code_of 4 recipe run "$work/good.yaml" -o "$TMP/none/o"
check no-device code_of 7 recipe plan "$work/good.yaml" --device cuda
check no-verb code_of 2 recipe bake "$work/good.yaml"

# provenance from a repository
if ! command -v git >/dev/null 2>&1; then
    echo "skip repository: git is not installed"
    exit $failed
fi
repo=$TMP/repo
mkdir "$repo"
cp -r "$work/data" "$work/model" "$repo"
cat >"$repo/r.yaml" <<'EOF'
version: 1
model: model
steps: [convert: {dtype: f32}]
EOF
git_() { git -C "$repo" -c user.name=n -c user.email=n@example.org "$@" >/dev/null 2>&1; }
check git-init git_ init -q
check unborn code_of 0 recipe run "$repo/r.yaml" -o "$TMP/g0" --no-timing --json
check unborn-dirty says "$TMP/out" '"dirty": true'
check git-commit sh -c "cd '$repo' && git add -A && git -c user.name=n -c user.email=n@example.org commit -qm first"
commit=$(git -C "$repo" rev-parse HEAD)
blob=$(git -C "$repo" rev-parse HEAD:r.yaml)
check clean code_of 0 recipe run "$repo/r.yaml" -o "$TMP/g1" --no-timing --json
check clean-says says "$TMP/out" '"dirty": false'
check commit-in-checkpoint says <(history_of "$TMP/g1") "$commit"
check blob-in-checkpoint says <(history_of "$TMP/g1") "$blob"
check no-path-in-checkpoint says_not <(history_of "$TMP/g1") "$TMP"
printf '\n# more\n' >>"$repo/r.yaml"
check changed-recipe code_of 0 recipe plan "$repo/r.yaml" --json
check changed-recipe-dirty says "$TMP/out" '"r.yaml"'
check git-restore git_ checkout r.yaml
printf ' ' >>"$repo/model/config.json"
check changed-model code_of 0 recipe plan "$repo/r.yaml" --json
check changed-model-dirty says "$TMP/out" '"model/config.json"'
check git-restore-model git_ checkout model
check from-subfolder code_of 0 sh -c "cd '$repo/model' && '$BIN/pe-recipe' plan ../r.yaml --json"
check from-subfolder-path says "$TMP/out" '"path": "r.yaml"'
# a file in git LFS: the commit holds a pointer, the work tree the bytes
sum=$(sha256sum "$repo/model/model.safetensors" | cut -d' ' -f1)
size=$(stat -c %s "$repo/model/model.safetensors")
mv "$repo/model/model.safetensors" "$TMP/bytes"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %s\n' "$sum" "$size" >"$repo/model/model.safetensors"
check pointer-commit git_ commit -qam pointer
check pointer-alone code_of 3 recipe plan "$repo/r.yaml"
check pointer-alone-says says "$TMP/err" 'git lfs pull'
mv "$TMP/bytes" "$repo/model/model.safetensors"
check pointer-matches code_of 0 recipe plan "$repo/r.yaml" --json
check pointer-clean says "$TMP/out" '"dirty": false'
commit=$(git -C "$repo" rev-parse HEAD)
if [ "$(id -u)" -eq 0 ] && chown -R 65534 "$repo" 2>/dev/null; then
    check foreign-owner code_of 0 env -u SUDO_UID "$BIN/pe-recipe" run "$repo/r.yaml" -o "$TMP/g2" --no-timing
    check foreign-owner-note says "$TMP/err" "git config --global --add safe.directory $repo"
    printf '[safe]\n\tdirectory = %s\n' "$repo" >"$HOME/.gitconfig"
    check trusted code_of 0 env -u SUDO_UID "$BIN/pe-recipe" plan "$repo/r.yaml" --json
    check trusted-commit says "$TMP/out" "$commit"
else
    echo "skip foreign-owner: needs root"
fi
cd "$root" || exit 1
exit $failed
