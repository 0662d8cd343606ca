# wasm-opt and wasm-metadce, from npm. Sourced; sets `binaryen`, the folder of its programs.

binaryen_version=132.0.0
binaryen="$cache/binaryen-$binaryen_version/node_modules/binaryen/bin"

# The features that both wasmtime and V8 have on, and no other: `--all-features` would write a module
# that V8 refuses.
wasm_features=(
    --mvp-features
    --enable-bulk-memory
    --enable-bulk-memory-opt
    --enable-multivalue
    --enable-mutable-globals
    --enable-nontrapping-float-to-int
    --enable-reference-types
    --enable-sign-ext
    --enable-simd
)

find_binaryen() {
    local folder="$cache/binaryen-$binaryen_version"
    [ -e "$folder/done" ] && return
    lock_cache
    if [ ! -e "$folder/done" ]; then
        say "fetching wasm-opt: npm install binaryen@$binaryen_version"
        mkdir -p "$folder"
        npm install --prefix "$folder" --no-audit --no-fund --loglevel=error \
            "binaryen@$binaryen_version" >&2 || fail "npm could not install binaryen."
        node "$binaryen/wasm-opt" --version >&2
        touch "$folder/done"
    fi
    unlock_cache
}
