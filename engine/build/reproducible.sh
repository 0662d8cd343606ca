#!/usr/bin/env bash
# Builds the module of the last commit in two folders: its bytes must be the same in both.
source "$(dirname "$0")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folders=("$work/one" "$work/another/deeper")
for folder in "${folders[@]}"; do
    mkdir -p "$folder"
    git archive HEAD | tar -x -C "$folder"
    (unset CARGO_TARGET_DIR && cd "$folder" && engine/build/module.sh)
done
for name in engine.wasm engine.named.wasm; do
    cmp "${folders[0]}/dist/$name" "${folders[1]}/dist/$name" || fail "dist/$name depends on its folder"
done
say "the same bytes in two folders: $(sha256sum <"${folders[0]}/dist/engine.wasm" | cut -d' ' -f1)"
