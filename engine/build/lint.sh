#!/usr/bin/env bash
# Clippy, with warnings as errors.
source "$(dirname "$0")/common.sh"

has_component clippy cargo-clippy
say "cargo clippy"
cargo clippy --quiet --workspace --all-targets -- -D warnings
