#!/usr/bin/env bash
# Serves in workerd, as Cloudflare would, without tokens: LISTEN (127.0.0.1:8787) and DATA
# (./data/workers) say where.
# What follows on the command line are settings, as `--var TIER_DAYS:1`. RESTARTS=1: each repository's
# object is ended before each request.
listen=${LISTEN:-127.0.0.1:8787}
data=$(realpath -m "${DATA:-data/workers}")
source "$(dirname "$0")/common.sh"

install
case ${listen%:*} in
    127.0.0.1 | localhost) ;;
    *) say "LISTEN is $listen: without tokens, only 127.0.0.1 is served" && exit 1 ;;
esac
[ -e ../dist/engine.wasm ] || { say "dist/engine.wasm is missing: make engine" && exit 1; }
say "serving on http://$listen with data in $data; a first push creates a repository:"
say "git push http://$listen/me/project.git main"
script=src/index.ts
[ "${RESTARTS:-0}" = 0 ] || script=test/restarting.ts
exec node build/serve.mjs "$script" "$listen" "$data" \
    --var OPEN:1 --var "BODY_MAX:${BODY_MAX:-0}" "$@"
