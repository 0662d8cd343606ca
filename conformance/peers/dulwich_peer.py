"""Dulwich: `dulwich_peer.py begin|end URL FOLDER`. See journeys/peers.rs."""

import io
import sys
from pathlib import Path

from dulwich import porcelain
from dulwich.client import get_transport_and_path
from dulwich.repo import Repo

ADA = b"Ada <ada@example.org>"


def say():
    """What the server tells goes here."""
    return io.BytesIO()


def clone(url, folder, **more):
    return porcelain.clone(url, str(folder), errstream=say(), **more)


def push(repository, url, *specs, force=False):
    porcelain.push(repository, url, list(specs), outstream=say(), errstream=say(), force=force)


def count(repository):
    return sum(1 for _ in repository.get_walker())


def begin(url, folder):
    repository = clone(url, folder)
    assert (folder / "README").read_bytes() == b"hello\n"
    assert b"refs/tags/v1" in repository.refs
    client, path = get_transport_and_path(url)
    refs = client.get_refs(path.encode()).refs
    assert {b"HEAD", b"refs/heads/main", b"refs/heads/old", b"refs/tags/v1"} <= set(refs), refs
    porcelain.branch_create(repository, "peer")
    porcelain.checkout(repository, "peer")
    (folder / "from-peer").write_bytes(b"peer\n")
    porcelain.add(repository, [str(folder / "from-peer")])
    porcelain.commit(repository, message=b"from a peer\n", author=ADA, committer=ADA)
    porcelain.branch_create(repository, "peer-gone")
    porcelain.tag_create(repository, b"peer-tag", author=ADA, message=b"tagged\n", annotated=True)
    push(repository, url, "refs/heads/peer", "refs/heads/peer-gone", "refs/tags/peer-tag")


def end(url, folder):
    repository = Repo(str(folder))
    porcelain.fetch(repository, url, outstream=io.StringIO(), errstream=say())
    client, path = get_transport_and_path(url)
    main = client.get_refs(path.encode()).refs[b"refs/heads/main"]
    tree = repository[repository[main].tree]
    assert repository[tree[b"later"][1]].data == b"later\n"
    tip = repository.refs[b"refs/heads/peer"]
    repository.refs[b"refs/heads/peer"] = repository[tip].parents[0]
    push(repository, url, "+refs/heads/peer", force=True)
    push(repository, url, ":refs/heads/peer-gone")
    shallow = clone(url, folder.with_name("shallow"), depth=1)
    assert count(shallow) == 1
    assert (folder.with_name("shallow") / "later").exists()


{"begin": begin, "end": end}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
