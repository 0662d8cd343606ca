#!/usr/bin/env bash
# Writes dist/engine.wasm, the module, and dist/engine.named.wasm, the same with the functions' names.
source "$(dirname "$0")/common.sh"
source engine/build/toolchain.sh
source engine/build/binaryen.sh

memory_max=$((32 << 20))
stack=$((256 << 10))

engine/build/needs.sh
choose_toolchain
find_binaryen

# The stack lies first, so that an overflow traps instead of writing over data.
flags="-C target-feature=+simd128 -C link-arg=--max-memory=$memory_max -C link-arg=--stack-first"
flags="$flags -C link-arg=-zstack-size=$stack"
flags="$flags -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none"
# The same bytes on every machine.
flags="$flags --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src="
flags="$flags --remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc"

compiled="$target_dir/$wasm_target/wasm/engine.wasm"
[ -e "$compiled" ] || say "compiling the engine for $wasm_target"
env -u CARGO_ENCODED_RUSTFLAGS RUSTFLAGS="$flags" "${toolchain_env[@]}" \
    cargo rustc --quiet --package engine --lib --crate-type cdylib --profile wasm \
    --target "$wasm_target" "${toolchain_flags[@]}"

if [ dist/engine.wasm -nt "$compiled" ] && [ -z "$(find engine/build -newer dist/engine.wasm)" ]; then
    exit
fi

say "shrinking $(wc -c <"$compiled") bytes with wasm-opt"
mkdir -p dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The linker exports two addresses of its own that no host needs.
"$binaryen/wasm-metadce" "${wasm_features[@]}" --debuginfo --graph-file engine/build/exports.json \
    "$compiled" -o "$work/few.wasm" >"$work/unused"
# The lowest 1 KiB is the deepest end of the stack: nothing else is there.
"$binaryen/wasm-opt" "${wasm_features[@]}" -Oz --low-memory-unused --debuginfo \
    --strip-producers --strip-target-features "$work/few.wasm" -o "$work/named.wasm"
"$binaryen/wasm-opt" "${wasm_features[@]}" --strip-debug "$work/named.wasm" -o "$work/engine.wasm"
mv "$work/named.wasm" dist/engine.named.wasm
mv "$work/engine.wasm" dist/engine.wasm
say "dist/engine.wasm: $(wc -c <dist/engine.wasm) bytes"
