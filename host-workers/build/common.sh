# What the scripts of this folder share. Sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "gitcell: $*" >&2; }

# The packages as the lock file has them; wrangler wants a newer Node than many machines have, so
# one is among them.
install() {
    if ! cmp -s package-lock.json node_modules/.done; then
        say "npm ci in host-workers: workerd, wrangler and a Node for them (500 MB)"
        npm ci --no-audit --no-fund --loglevel=error >&2
        cp package-lock.json node_modules/.done
    fi
    PATH="$PWD/node_modules/.bin:$PATH"
    export PATH
    # Nothing here calls home.
    export WRANGLER_SEND_METRICS=false CLOUDFLARE_CF_FETCH_ENABLED=false WRANGLER_LOG_SANITIZE=true
}
