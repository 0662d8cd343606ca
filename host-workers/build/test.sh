#!/usr/bin/env bash
# Types, tests in workerd, and the bundle that `wrangler deploy` would send, whose module must be as
# it was built.
source "$(dirname "$0")/common.sh"

install
say "tsc in host-workers"
tsc -p .
say "vitest in workerd"
vitest run --reporter=dot "$@"
say "wrangler deploy --dry-run"
bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
wrangler deploy --dry-run --outdir "$bundle" --minify >"$bundle/log" 2>&1 ||
    { cat "$bundle/log" >&2 && exit 1; }
module=$(find "$bundle" -name '*-engine.wasm')
cmp "$module" ../dist/engine.wasm || { say "the bundle has another module" && exit 1; }
script=$(find "$bundle" -maxdepth 1 -name '*.js')
say "bundle: $(wc -c <"$module") bytes of engine, $(wc -c <"$script") bytes of script"
