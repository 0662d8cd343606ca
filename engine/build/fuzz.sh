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
    cargo +nightly fuzz build --no-cfg-fuzzing --fuzz-dir fuzz/fuzz_targets "$target"
    status=0
    TIMEFORMAT='%U %S'
    { time cargo +nightly fuzz run --no-cfg-fuzzing --fuzz-dir fuzz/fuzz_targets "$target" \
        "$found" "fuzz/corpus/$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=20 \
        -print_final_stats=1 2>"$cache/fuzz/last" || status=$?; } 2>"$cache/fuzz/time"
    tail -n 12 "$cache/fuzz/last"
    runs=$(awk '/number_of_executed_units/ { print $2 }' "$cache/fuzz/last")
    # Target, inputs tried, seconds of CPU time by the user and by the system.
    echo "$target $runs $(cat "$cache/fuzz/time")" >>"$cache/fuzz/figures"
    [ "$status" = 0 ] || { tail -n 60 "$cache/fuzz/last"; fail "$target failed" "its input is named above"; }
done
awk '{ runs[$1] += $2; time[$1] += $3 + $4 }
    END { for (name in runs) printf "%s: %d inputs, %.0f s of CPU time\n", name, runs[name], time[name] }' \
    "$cache/fuzz/figures" | sort
