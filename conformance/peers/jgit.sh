#!/usr/bin/env bash
# JGit, its jars in $PEER_JARS: `jgit.sh begin|end URL FOLDER`. See journeys/peers.rs for what is asked of a peer.
set -euo pipefail
url=$2
folder=$3

classes=
for jar in args4j commons-{codec,compress,logging} httpc{lient,ore} javaewah jsch slf4j-{api,nop} \
    org.eclipse.jgit{,.archive,.http.apache,.lfs,.pgm,.ui,.http.server,.lfs.server}; do
    classes+="$PEER_JARS/$jar.jar:"
done
jgit() { java -XX:TieredStopAtLevel=1 -cp "$classes" org.eclipse.jgit.pgm.Main "$@"; }

begin() {
    jgit clone --quiet "$url" "$folder" >/dev/null
    cd "$folder"
    [ "$(cat README)" = hello ]
    [ "$(jgit ls-remote "$url" | wc -l)" -ge 5 ]
    jgit checkout -b peer >/dev/null 2>&1
    echo peer >from-peer
    jgit add from-peer
    jgit commit -m "from a peer" >/dev/null
    jgit branch peer-gone
    jgit tag -m tagged peer-tag
    jgit push origin peer peer-gone refs/tags/peer-tag >/dev/null
}

end() {
    cd "$folder"
    jgit fetch >/dev/null
    jgit show origin/main >shown
    grep -q "later" shown
    jgit reset --hard HEAD~1
    # It tells a refusal in its words alone.
    jgit push origin refs/heads/peer:refs/heads/peer 2>&1 | grep -q "rejected"
    jgit push origin +refs/heads/peer:refs/heads/peer :refs/heads/peer-gone >/dev/null
}

"$1"
