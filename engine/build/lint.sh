#!/usr/bin/env bash
# Clippy, with warnings as errors; and each dependency has its reason.
source "$(dirname "$0")/common.sh"

has_component clippy cargo-clippy
say "cargo clippy"
cargo clippy --quiet --workspace --all-targets -- -D warnings
say "docs/dependencies.md"
engine/build/dependencies.sh
