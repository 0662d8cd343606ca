#!/usr/bin/env bash
# Figures beside git's own server. TARGET=workers adds workerd, in the first WORKERS_ROUNDS=2. ROUNDS=5:
# how many. MINUTES=60: no round is begun that would end later. REPO=path: that repository too.
# SHAPE=word: of the seeded histories, those named so. OUT=docs: keep tables, samples and plots there.
# SCALE=1: first count what operations cost as a repository grows, and what pushes take in the store;
# then a million objects, too. SHAPE=lines: the single lines alone.
source "$(dirname "$0")/common.sh"
source engine/build/nginx.sh

say "building the server; the first time takes some minutes"
cargo build --quiet --release --package gitcell
cargo build --quiet --release --package conformance --bin bench
if [ -n "${SCALE:-}" ]; then
    say "counting at scale, on a host in memory"
    SCALE_OUT=$(realpath "$target_dir")/scale.tsv \
        STORAGE_OUT=$(realpath "$target_dir")/storage.tsv \
        cargo test --quiet --release --package engine --test all -- --ignored \
        scale::scale storage::storage >&2
    "$target_dir/release/bench" scale "$target_dir/scale.tsv" "$target_dir/storage.tsv" "${OUT:-docs}"
fi
use_nginx
"$target_dir/release/bench" "${TARGET:-native}" "${ROUNDS:-5}" "${SHAPE:-}"
