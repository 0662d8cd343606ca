#!/usr/bin/env bash
# Looks for the programs that the build runs; installs the C compiler where it is missing (Rust links
# with it, SQLite is compiled by it) and says what to do about the rest.
source "$(dirname "$0")/common.sh"

has cargo || fail "Rust is missing: cargo is not on the PATH." "Install it with rustup: https://rustup.rs"
has npm || fail "Node is missing: npm is not on the PATH." "Install Node 20 or newer: https://nodejs.org"
has git || fail "git is missing." "Install it: apt-get install git"

if ! has cc; then
    say "there is no C compiler: installing Debian's gcc"
    has apt-get || fail "cc is missing, and this is no Debian." "Install a C compiler and its headers."
    [ "$(id -u)" = 0 ] || fail "installing needs root." "Run as root: apt-get install gcc libc6-dev"
    apt-cache show gcc >/dev/null 2>&1 || apt_update
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >&2
fi
