#!/usr/bin/env bash
# Figures beside git's own server: TARGET=workers adds workerd. ROUNDS=5: how many. REPO=path: that
# repository. OUT=docs: keep the table, all samples and plots there.
source "$(dirname "$0")/common.sh"
source engine/build/nginx.sh

say "building the server; the first time takes some minutes"
cargo build --quiet --release --package gitcell
cargo build --quiet --release --package conformance --bin bench
use_nginx
"$target_dir/release/bench" "${TARGET:-native}" "${ROUNDS:-5}" "$@"
