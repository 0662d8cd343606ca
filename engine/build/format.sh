#!/usr/bin/env bash
# Fails if a file is not formatted.
source "$(dirname "$0")/common.sh"

has_component rustfmt cargo-fmt
say "cargo fmt --check"
cargo fmt --all -- --check
