#!/usr/bin/env bash
# Real git clients on a server for a while, beside a model: soak.sh SECONDS [TARGET].
source "$(dirname "$0")/common.sh"

cargo build --release --quiet --package gitcell
cargo run --release --quiet --package conformance --bin soak -- "${2:-native}" "$1"
