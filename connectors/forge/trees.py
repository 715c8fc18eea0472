"""What lies in a commit of which a git server sent the pack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from stat import S_ISDIR

from dulwich.errors import ObjectFormatException
from dulwich.objects import parse_tree

from connectors.forge.files import Entry
from connectors.forge.packs import COMMIT, TREE, Pack
from vouch.core.errors import SourceRefuses

_TREE = re.compile(rb"tree ([0-9a-f]{40})\n")
_DEEPEST = 200


def entries(pack: Pack, commit: str, most: int) -> Iterator[tuple[bytes, Entry]]:
    """Everything in a commit but its folders, by path.

    Raises :class:`SourceRefuses` where that is more than ``most``, folders included: a few small ones that hold one
    another many times over make billions of paths.
    """
    tree = _TREE.match(pack.read(commit, COMMIT))
    if tree is None:
        raise SourceRefuses("A commit says nothing of what is in it.")
    met = 0
    left: list[tuple[bytes, str, int]] = [(b"", tree[1].decode(), 0)]
    while left:
        above, id, deep = left.pop()
        for name, mode, found in _listed(pack.read(id, TREE)):
            met += 1
            if met > most:
                raise SourceRefuses(f"There are more than {most:,} files and folders.")
            if not S_ISDIR(mode):
                yield above + name, Entry(found, f"{mode:06o}")
            elif deep < _DEEPEST:
                left.append((above + name + b"/", found, deep + 1))
            else:
                raise SourceRefuses("Folders are nested too deep.")


def _listed(data: bytes) -> list[tuple[bytes, int, str]]:
    try:
        return [(name, mode, id.decode()) for name, mode, id in parse_tree(data, 20)]
    except (ObjectFormatException, ValueError) as error:
        raise SourceRefuses("A folder is not well formed.") from error
