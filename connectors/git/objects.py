"""Objects of a git repository, none of them read before its size is known.

Whoever may push can store an object that unpacks to gigabytes; git writes its size in front of it, compressed or not.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID, RawObjectID, ShaFile
from dulwich.repo import Repo

from vouch.core.errors import Unavailable

MAX_BYTES = 256 << 20
"""No object that is larger is read, whatever it is."""
_ID = re.compile(r"[0-9a-f]{40}")
_OFS_DELTA, _REF_DELTA = 6, 7
_HEADER = 4096
"""Bytes within which an object says its size: compressed, what it begins with comes after tables of up to 600."""


class Objects:
    """The objects of a repository by their id."""

    def __init__(self, repo: Repo) -> None:
        store = repo.object_store
        assert isinstance(store, DiskObjectStore)
        self._stores = [store, *(other for other in store.alternates if isinstance(other, DiskObjectStore))]
        self._packs = [pack for known in self._stores for pack in known.packs]

    def find(self, sha: str) -> ShaFile | None:
        """The object of an id that may be none, or be gone."""
        name = ObjectID(sha.encode())
        return self[name] if _ID.fullmatch(sha) is not None and name in self else None

    def __contains__(self, sha: ObjectID) -> bool:
        return any(sha in store for store in self._stores)

    def __getitem__(self, sha: ObjectID | RawObjectID) -> ShaFile:
        """Raises :class:`Unavailable` when it is not there: repacking, or a repository that is not whole."""
        size = self.size(sha)
        if size > MAX_BYTES:
            raise Unavailable(f"The object {sha.decode()} of the repository has {size:,} bytes")
        try:
            return self._stores[0][sha]
        except KeyError as error:
            raise _missing(sha) from error

    def size(self, sha: ObjectID | RawObjectID) -> int:
        """Bytes of the object, which is not unpacked for it."""
        for pack in self._packs:
            if sha in pack:
                return _packed(Path(pack.data.path), pack.index.object_offset(sha))
        name = sha.decode("ascii")
        for store in self._stores:
            try:
                with (Path(store.path) / name[:2] / name[2:]).open("rb") as file:
                    head = zlib.decompressobj().decompress(file.read(_HEADER), 64)
            except FileNotFoundError:
                continue
            said, end, _ = head.partition(b"\0")
            return int(said.partition(b" ")[2]) if end else MAX_BYTES + 1
        raise _missing(sha)


def _missing(sha: ObjectID | RawObjectID) -> Unavailable:
    return Unavailable(f"The object {sha.decode()} is missing: the repository is being repacked, or is not whole")


def _packed(pack: Path, offset: int) -> int:
    with pack.open("rb") as file:
        file.seek(offset)
        head = file.read(_HEADER)
    size, shift, at = head[0] & 15, 4, 1
    kind = head[0] >> 4 & 7
    if head[0] & 128:
        size, at = _number(head, at, size, shift)
    if kind not in (_OFS_DELTA, _REF_DELTA):
        return size
    if kind == _REF_DELTA:
        at += 20
    else:
        while head[at] & 128:
            at += 1
        at += 1
    delta = zlib.decompressobj().decompress(head[at:], 20)
    _, at = _number(delta, 0)  # of the object that it differs from
    return _number(delta, at)[0]


def _number(data: bytes, at: int, size: int = 0, shift: int = 0) -> tuple[int, int]:
    """A little-endian number of seven bits a byte, and where it ends."""
    while True:
        if at >= len(data):
            return MAX_BYTES + 1, at  # it does not say where it should, and is not read to find out
        byte = data[at]
        size |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if not byte & 128:
            return size, at
