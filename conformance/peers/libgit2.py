"""libgit2, by pygit2: `libgit2.py begin|end URL FOLDER`. See journeys/peers.rs."""

import sys
from pathlib import Path

import pygit2

ADA = pygit2.Signature("Ada", "ada@example.org", 1700000000, 0)


def clone(url, folder, **more):
    return pygit2.clone_repository(url, str(folder), **more)


def commit(repository, ref, files, message):
    parent = repository.references[ref].peel(pygit2.Commit)
    index = pygit2.Index()
    index.read_tree(parent.tree)
    for path, content in files.items():
        index.add(pygit2.IndexEntry(path, repository.create_blob(content), pygit2.enums.FileMode.BLOB))
    return repository.create_commit(ref, ADA, ADA, message, index.write_tree(repository), [parent.id])


class Answers(pygit2.RemoteCallbacks):
    """Keeps what the server said of each ref."""

    def push_update_reference(self, name, message):
        assert message is None, f"{name}: {message}"


def push(repository, *specs):
    repository.remotes["origin"].push(list(specs), callbacks=Answers())


def begin(url, folder):
    repository = clone(url, folder)
    assert (folder / "README").read_bytes() == b"hello\n"
    assert repository.references["refs/tags/v1"].peel(pygit2.Commit) is not None
    heads = {head.name for head in repository.remotes["origin"].list_heads()}
    assert {"HEAD", "refs/heads/main", "refs/heads/old", "refs/tags/v1"} <= heads, heads
    main = repository.references["refs/heads/main"].peel(pygit2.Commit)
    repository.branches.local.create("peer", main)
    tip = commit(repository, "refs/heads/peer", {"from-peer": b"peer\n"}, "from a peer\n")
    repository.branches.local.create("peer-gone", repository[tip])
    repository.create_tag("peer-tag", tip, pygit2.enums.ObjectType.COMMIT, ADA, "tagged\n")
    push(repository, "refs/heads/peer", "refs/heads/peer-gone", "refs/tags/peer-tag")


def end(url, folder):
    repository = pygit2.Repository(str(folder))
    repository.remotes["origin"].fetch()
    main = repository.references["refs/remotes/origin/main"].peel(pygit2.Commit)
    assert main.tree["later"].data == b"later\n"
    # A push that rewinds is refused by the client; with a plus it goes through.
    older = repository.references["refs/heads/peer"].peel(pygit2.Commit).parents[0]
    repository.references["refs/heads/peer"].set_target(older.id)
    push(repository, "+refs/heads/peer", ":refs/heads/peer-gone")
    shallow = clone(url, folder.with_name("shallow"), depth=1)
    assert shallow.is_shallow
    assert len(list(shallow.walk(shallow.head.target))) == 1
    assert (folder.with_name("shallow") / "later").exists()
    shallow.remotes["origin"].fetch(depth=2**31 - 1)
    assert not shallow.is_shallow
    assert len(list(shallow.walk(shallow.head.target))) == 4


{"begin": begin, "end": end}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
