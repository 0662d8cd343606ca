#!/usr/bin/env bash
# Requests of the fuzz corpus and of hostile peers, recorded natively, run through the module in wasmtime; in
# workerd, host-workers/test/replay.test.ts runs them.
source "$(dirname "$0")/common.sh"

# Tests run in their own folders.
records="$(realpath -m "$target_dir")/replay"
rm -rf "$records"
mkdir -p "$records"
say "recording requests of the corpus and of hostile peers"
GITCELL_RECORD="$records" cargo test --quiet --package fuzz the_corpus_holds
GITCELL_RECORD="$records" cargo test --quiet --package engine --test all -- hostile:: patience::
say "gitcell replay: the same requests through the module"
cargo run --release --quiet --package gitcell -- replay "$records"
