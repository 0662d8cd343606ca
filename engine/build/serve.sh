#!/usr/bin/env bash
# Builds the native server and serves. LISTEN and DATA say where; OPEN=1: without tokens.
source "$(dirname "$0")/common.sh"

[ -x "$target_dir/release/gitcell" ] || say "building the server; the first time takes some minutes"
cargo build --release --quiet --package gitcell
options=(--listen "$LISTEN" --data "$DATA")
[ -z "${OPEN:-}" ] || options+=(--open)
exec "$target_dir/release/gitcell" serve "${options[@]}"
