#!/usr/bin/env bash
# Fails if docs/dependencies.md does not name each direct dependency, or names one that is gone; if
# there is a licence that was not allowed; or two versions of a crate in the server without a reason.
source "$(dirname "$0")/common.sh"

doc=docs/dependencies.md
licences='0BSD|Apache-2.0 WITH LLVM-exception|Apache-2.0|BSD-3-Clause|ISC|MIT|Unicode-3.0|Unlicense|Zlib'
# Of tools that are never handed on.
tools="$licences|CC0-1.0|LGPL-3.0-or-later|MPL-2.0"

direct() {
    for file in engine host-wasmtime conformance fuzz; do
        sed -n '/^\[.*dependencies\]/,/^$/{/path = /d; s/^\([A-Za-z0-9_-]*\) *=.*/\1/p}' "$file/Cargo.toml"
    done
    sed -n '/ependencies": {/,/}/s/^ *"\([^"]*\)": "[0-9^~].*/\1/p' host-workers/package.json
}

tree() { cargo tree --locked --prefix none "$@" | sed 's/ (\*)$//' | sort -u; }

# What is left of each line's licence once the allowed ones are taken out: with operators alone, none.
others() { sed -E "s/($1)//g; s/\b(OR|AND)\b//g; s/[\/() ]//g" | grep -v '^$' || true; }

named() { sed -n "/^| $1/,/^\$/s/^| \`\([^\`]*\)\` |.*/\1/p" "$doc" | sort -u; }

if ! diff <(direct | sort -u) <(sed '/^| two versions/,/^$/d' "$doc" | sed -n 's/^| `\([^`]*\)` |.*/\1/p' | sort -u); then
    fail "$doc is not what Cargo.toml and package.json say (<: it lacks; >: is gone)"
fi
# Who has none is left too.
found=$(tree --workspace --format '{p}|{l}' | sed '/|$/!s/.*|//' | others "$licences")
[ -z "$found" ] || fail "licences of crates that were not allowed: $found"
found=$(sed -n 's/^ *"license": "\(.*\)",*/\1/p' host-workers/package-lock.json | sort -u | others "$tools")
[ -z "$found" ] || fail "licences of npm's packages that were not allowed: $found"
doubles() { tree --package gitcell --edges normal --format '{p}' | sed -n 's/^\([^ ]*\) v.*/\1/p' | uniq -d; }
if ! diff <(doubles) <(named 'two versions'); then
    fail "$doc does not name the crates that come in two versions (<: it lacks; >: is gone)"
fi
