#!/usr/bin/env bash
# The outside view: the release server against real git. With a word: only the tests named so.
source "$(dirname "$0")/common.sh"

say "building the server; the first time takes some minutes"
cargo build --quiet --release --package gitcell
say "cargo test --package conformance"
cargo test --package conformance -- "$@"
