#!/usr/bin/env bash
# Another git, in $PEER_GIT: `git.sh begin|end URL FOLDER`. See journeys/peers.rs for what is asked of a peer.
set -euo pipefail
url=$2
folder=$3

git() { "$PEER_GIT" "$@"; }

begin() {
    git clone --quiet "$url" "$folder"
    cd "$folder"
    [ "$(cat README)" = hello ]
    [ "$(git ls-remote "$url" | wc -l)" -ge 5 ]
    git checkout --quiet -b peer
    echo peer >from-peer
    git add .
    git commit --quiet -m "from a peer"
    git branch peer-gone
    git tag -a -m tagged peer-tag
    git push --quiet origin peer peer-gone peer-tag
}

end() {
    cd "$folder"
    git fetch --quiet
    [ "$(git show origin/main:later)" = later ]
    git reset --quiet --hard HEAD~1
    if git push --quiet origin peer 2>/dev/null; then
        echo "a push that rewinds went through" >&2
        exit 1
    fi
    git push --quiet origin +peer :peer-gone
    git clone --quiet --depth=1 "$url" "$folder/../shallow"
    cd "$folder/../shallow"
    [ "$(git rev-list --count HEAD)" = 1 ]
    git fetch --quiet --unshallow
    [ "$(git rev-list --count HEAD)" = 4 ]
    git clone --quiet --filter=blob:none "$url" "$folder/../partial"
    cd "$folder/../partial"
    git log -p --quiet --all >/dev/null
    git fsck --full
}

"$1"
