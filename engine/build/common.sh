# What the scripts of this folder share. Sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A shell that has not read a profile since rustup came does not find cargo.
case ":$PATH:" in
    *:"${CARGO_HOME:-$HOME/.cargo}/bin":*) ;;
    *) PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin" ;;
esac
export PATH

# Kept outside the clone, so that clean clones share it.
cache=${GITCELL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gitcell}
target_dir=${CARGO_TARGET_DIR:-target}

say() { echo "gitcell: $*" >&2; }

fail() {
    say "$1"
    shift
    for line in "$@"; do echo "         $line" >&2; done
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Only one process at a time fills the cache: several clones may share it.
lock_cache() {
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    if has flock && ! flock -n 9; then
        say "waiting for another build to finish with $cache"
        flock 9
    fi
}

unlock_cache() { exec 9>&-; }

# apt needs root, and lists of what there is.
apt_update() {
    say "apt-get update: there are no package lists yet"
    [ "$(id -u)" = 0 ] || fail "apt-get update needs root." "Run it as root once, then make again."
    apt-get update -qq >&2
}

# Components that a minimal rustup leaves out: name, and the program that it brings.
has_component() {
    has "$2" && "$2" --version >/dev/null 2>&1 && return
    say "rustup component add $1"
    rustup component add "$1" >&2 || fail "$1 is missing." "Install it: rustup component add $1"
}
