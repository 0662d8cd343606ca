# Chooses what compiles the module: the installed target, else rustup's, else Debian's packages.
# Sourced; sets `toolchain_env` (for `env`) and `toolchain_flags` (for cargo).
# GITCELL_TOOLCHAIN=rustup or =debian decides it by hand.

wasm_target=wasm32-unknown-unknown
# The standard library is compiled with the module, so that a panic is one instruction: the words and
# places of panics, which nobody would read, took 17 KB. Its compiler calls that unstable.
toolchain_env=(RUSTC_BOOTSTRAP=1)
toolchain_flags=(-Zbuild-std=core,alloc)

# One version of Debian's security suite, as these packages name each other.
debian_version=1.96
debian_packages=(rustc-web libstd-rust-web-$debian_version libstd-rust-web-dev rust-web-src libllvm22)
# What libLLVM links to, where the machine lacks it.
debian_libraries=(libedit2 libbsd0 libmd0 libxml2 libicu72 libz3-4 libzstd1 libffi8)

has_target() {
    local folder
    folder=$(rustc --print sysroot)/lib/rustlib
    [ -d "$folder/$wasm_target/lib" ] && [ -d "$folder/src/rust/library" ]
}

add_target() {
    has rustup || return 1
    say "rustup target add $wasm_target, and the source of the standard library"
    rustup target add "$wasm_target" >&2 && rustup component add rust-src >&2 && has_target
}

debian_works() {
    [ -x "$1/rustc" ] && "$1/rustc" --version >/dev/null 2>&1
}

# Debian's packages are unpacked, not installed: they touch nothing else on this machine.
debian_unpack() {
    local folder=$1 packages=("${debian_packages[@]}") library
    has apt-get && has dpkg || fail "there is no wasm target, rustup cannot fetch it, and this is no Debian." \
        "Install it where the network allows: rustup target add $wasm_target"
    apt-cache show "libstd-rust-web-$debian_version" >/dev/null 2>&1 || apt_update
    for library in "${debian_libraries[@]}"; do
        dpkg -s "$library" >/dev/null 2>&1 || packages+=("$library")
    done
    rm -rf "$folder.new"
    mkdir -p "$folder.new/packages"
    say "fetching Debian's Rust $debian_version (140 MB): ${packages[*]}"
    (cd "$folder.new/packages" &&
        apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}" >&2) || fail \
        "the packages could not be fetched." \
        "They are in Debian 12's security suite; is it in /etc/apt/sources.list?"
    say "unpacking into $folder"
    local package libraries
    for package in "$folder.new"/packages/*.deb; do dpkg -x "$package" "$folder.new/root"; done
    rm -rf "$folder.new/packages" "$folder"
    mv "$folder.new" "$folder"
    libraries=$(echo "$folder"/root/usr/lib/*-linux-gnu)
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s/root/usr/bin/rustc" "$@"\n' \
        "$libraries" "$folder" >"$folder/rustc"
    chmod +x "$folder/rustc"
    debian_works "$folder" || fail "the unpacked compiler does not run:" "$("$folder/rustc" --version 2>&1)"
}

use_debian() {
    local folder="$cache/toolchain/debian-$debian_version" linker
    lock_cache
    debian_works "$folder" || debian_unpack "$folder"
    unlock_cache
    linker=$(find "$(rustc --print sysroot)/lib/rustlib" -name rust-lld -type f | head -n 1)
    [ -n "$linker" ] || fail "the Rust toolchain has no rust-lld." "Install Rust by rustup: https://rustup.rs"
    toolchain_env+=(RUSTC="$folder/rustc" CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker")
    say "compiling with Debian's Rust $debian_version"
}

choose_toolchain() {
    case ${GITCELL_TOOLCHAIN:-} in
        debian) use_debian ;;
        rustup) has_target || add_target || fail "rustup cannot add $wasm_target." ;;
        "")
            has_target || add_target || {
                say "rustup cannot fetch the target: taking Debian's packages"
                use_debian
            }
            ;;
        *) fail "GITCELL_TOOLCHAIN is $GITCELL_TOOLCHAIN: it may be rustup or debian." ;;
    esac
}
