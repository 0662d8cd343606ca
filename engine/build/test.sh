#!/usr/bin/env bash
# Every test there is. The server is built once, as people run it: wasmtime takes minutes.
source "$(dirname "$0")/common.sh"

say "cargo test --package engine"
cargo test --package engine
say "cargo test --package fuzz: the corpus, replayed"
cargo test --package fuzz
say "cargo test --package gitcell; the first time takes some minutes"
cargo test --release --package gitcell
engine/build/replay.sh
say "cargo test --package conformance"
cargo test --package conformance
host-workers/build/test.sh
engine/build/conformance.sh
# The rest of it on Workers is asked by hand: make conformance TARGET=workers
TARGET=workers engine/build/conformance.sh crash
