#!/usr/bin/env bash
# Fuzzes one property, or each in turn: fuzz.sh SECONDS [TARGET]. A nightly compiler does it.
source "$(dirname "$0")/common.sh"

seconds=$1
targets=${2:-$(cd fuzz/corpus && ls)}

cargo +nightly --version >/dev/null 2>&1 || fail "fuzzing needs a nightly compiler" "rustup toolchain install nightly"
PATH="$cache/cargo-fuzz/bin:$PATH"
if ! has cargo-fuzz; then
    say "installing cargo-fuzz; this takes some minutes, once"
    cargo install --quiet --locked --root "$cache/cargo-fuzz" cargo-fuzz
fi
for target in $targets; do
    [ -d "fuzz/corpus/$target" ] || fail "there is no target $target" "there are: $(cd fuzz/corpus && echo *)"
    say "fuzzing $target for $seconds s"
    # What it finds on its way goes to the first folder; a failure is reported with its input.
    found="$cache/fuzz/$target"
    mkdir -p "$found"
    # Without `cfg(fuzzing)`: miniz_oxide then checks no sums.
    cargo +nightly fuzz run --no-cfg-fuzzing --fuzz-dir fuzz/fuzz_targets "$target" "$found" \
        "fuzz/corpus/$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=20
done
