#!/usr/bin/env bash
# The outside view: cases and journeys, against real git first and then against the release server.
# TARGET=git: only git. With a word: only what is named so.
source "$(dirname "$0")/common.sh"

if [ "${TARGET:-native}" = native ]; then
    say "building the server; the first time takes some minutes"
    cargo build --quiet --release --package gitcell
fi
say "conformance, target ${TARGET:-native}"
cargo run --quiet --package conformance --bin conformance -- --target "${TARGET:-native}" "$@"
