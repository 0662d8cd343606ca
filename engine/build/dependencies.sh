#!/usr/bin/env bash
# Fails if docs/dependencies.md does not name each direct dependency, or names one that is gone.
source "$(dirname "$0")/common.sh"

direct() {
    for file in engine host-wasmtime conformance fuzz; do
        sed -n '/^\[.*dependencies\]/,/^$/{/path = /d; s/^\([A-Za-z0-9_-]*\) *=.*/\1/p}' "$file/Cargo.toml"
    done
    sed -n '/ependencies": {/,/}/s/^ *"\([^"]*\)": "[0-9^~].*/\1/p' host-workers/package.json
}

if ! diff <(direct | sort -u) <(sed -n 's/^| `\([^`]*\)` |.*/\1/p' docs/dependencies.md | sort -u); then
    say "docs/dependencies.md is not what Cargo.toml and package.json say (<: it lacks; >: is gone)"
    exit 1
fi
