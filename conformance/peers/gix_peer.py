"""gix, by gitpure, which only clones: `gix_peer.py begin|end URL FOLDER`. See journeys/peers.rs."""

import sys
from pathlib import Path

import gitpure


def begin(url, folder):
    gitpure.Repo.clone_from(url, str(folder))
    assert (folder / "README").read_bytes() == b"hello\n"


def end(url, folder):
    bare = folder.with_name("bare")
    repository = gitpure.Repo.clone_from(url, str(bare), bare=True)
    assert repository.is_bare


{"begin": begin, "end": end}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
