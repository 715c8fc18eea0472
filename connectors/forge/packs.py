"""A pack that somebody else's git server sent: its objects, by ids that are worked out here from what they hold.

Whoever may push may have written it, so nothing it says of itself is believed: every object is unpacked a step at a
time, all of them together to no more than was agreed, and lies on disk meanwhile, in a file without a name.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
import zlib
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Final

from vouch.core.errors import SourceRefuses, Unavailable

BLOB, COMMIT, TREE = "blob", "commit", "tree"
_KINDS: Final = {1: COMMIT, 2: TREE, 3: BLOB, 4: "tag"}
_OFS_DELTA, _REF_DELTA = 6, 7
_MOST_OBJECTS = 200_000
_MOST_STEPS = 5_000_000
"""Of putting objects together from pieces of others, in the whole pack."""
MOST_BYTES = 64 << 20
"""No object that is larger is taken into memory."""
_STEP = 64 * 1024
_HEADER, _TRAILER = 12, 20
_sha1 = partial(hashlib.sha1, usedforsecurity=False)  # the ids are git's


class Scratch:
    """A file without a name, which is gone with whoever holds it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the object)
        self._end = 0
        weakref.finalize(self, self._file.close)

    def add(self, data: bytes) -> int:
        """Where it begins, from now on."""
        at = self._end
        self._file.write(data)
        self._end += len(data)
        return at

    def read(self, at: int, size: int) -> bytes:
        self._file.flush()
        return os.pread(self._file.fileno(), size, at)


@dataclass(frozen=True, slots=True)
class _Kept:
    kind: str
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class _Delta:
    """An object that is told as what differs from another; where that lies on disk."""

    begins: int
    at: int
    size: int


class Pack:
    """The objects of one pack. ``host`` and ``most`` bytes, unpacked: for what is said when it is no good."""

    def __init__(self, data: bytes | bytearray, host: str, most: int) -> None:
        """Raises :class:`Unavailable` for a pack that is not whole, :class:`SourceRefuses` for one that is not well
        formed, or unpacks to more than ``most`` bytes."""
        view = memoryview(data)
        if len(view) < _HEADER + _TRAILER or _sha1(view[:-_TRAILER]).digest() != view[-_TRAILER:]:
            raise Unavailable(f"{host} sent a part of a pack.")
        self._host, self._left, self._steps = host, most, _MOST_STEPS
        self._scratch = Scratch()
        self._objects: dict[str, _Kept] = {}
        try:
            self._index(view[:-_TRAILER])
        except (ValueError, IndexError, zlib.error) as error:
            raise SourceRefuses(f"{host} sent a pack that is not well formed.") from error

    def __contains__(self, id: str) -> bool:
        return id in self._objects

    def __len__(self) -> int:
        return len(self._objects)

    def size(self, id: str) -> int:
        return self._objects[id].size

    def read(self, id: str, kind: str) -> bytes:
        """Raises :class:`SourceRefuses` for an object that is not there, is of another kind, or too large."""
        found = self._objects.get(id)
        if found is None or found.kind != kind or found.size > MOST_BYTES:
            raise SourceRefuses(f"{self._host} sent a pack without the {kind} {id}.")
        return self._scratch.read(found.at, found.size)

    # -- unpacking --

    def _index(self, view: memoryview) -> None:
        count = int.from_bytes(view[8:_HEADER], "big")
        if bytes(view[:4]) != b"PACK" or bytes(view[4:8]) not in (b"\0\0\0\2", b"\0\0\0\3") or count > _MOST_OBJECTS:
            raise ValueError("another kind of file, or too many objects")
        by_place: dict[int, str] = {}
        waiting: dict[int | str, list[_Delta]] = defaultdict(list)
        at = _HEADER
        for _ in range(count):
            begins = at
            kind, size, at = _head(view, at)
            base: int | str | None = None
            if kind == _OFS_DELTA:
                back, at = _distance(view, at)
                base = begins - back
            elif kind == _REF_DELTA:
                base, at = view[at : at + 20].hex(), at + 20
            elif kind not in _KINDS:
                raise ValueError("an object of a kind that there is not")
            digest = _sha1(f"{_KINDS[kind]} {size}\0".encode() if base is None else b"")
            place, at = self._unpacked(view, at, size, digest)
            if base is not None:
                waiting[base].append(_Delta(begins, place, size))
            else:
                by_place[begins] = id = digest.hexdigest()
                self._objects[id] = _Kept(_KINDS[kind], place, size)
        if at != len(view):
            raise ValueError("more than its objects")
        self._resolve(by_place, waiting)

    def _unpacked(self, view: memoryview, at: int, size: int, digest: hashlib._Hash) -> tuple[int, int]:
        """Where an object of ``size`` bytes was put, and where the next one begins."""
        unpack, place, said = zlib.decompressobj(), self._scratch.add(b""), 0
        while not unpack.eof:
            if at >= len(view):
                raise ValueError("an object without an end")
            chunk: bytes | memoryview = view[at : at + _STEP]
            at += len(chunk)
            while len(chunk) and not unpack.eof:
                piece = unpack.decompress(chunk, _STEP)
                chunk = unpack.unconsumed_tail
                said += len(piece)
                if said > size:
                    raise ValueError("an object larger than it says")
                self._spend(len(piece))
                digest.update(piece)
                self._scratch.add(piece)
        if said != size:
            raise ValueError("an object smaller than it says")
        return place, at - len(unpack.unused_data)

    def _resolve(self, by_place: dict[int, str], waiting: dict[int | str, list[_Delta]]) -> None:
        """Put together what is told as a difference, from what is whole on."""
        ready = [*by_place.items()]
        while ready:
            begins, id = ready.pop()
            base = self._objects[id]
            deltas = [*waiting.pop(begins, ()), *waiting.pop(id, ())]
            whole = self._scratch.read(base.at, base.size) if deltas and base.size <= MOST_BYTES else b""
            for delta in deltas:
                if max(base.size, delta.size) > MOST_BYTES:
                    raise ValueError("an object too large to be put together")
                made = self._applied(whole, self._scratch.read(delta.at, delta.size))
                named = _sha1(f"{base.kind} {len(made)}\0".encode() + made).hexdigest()
                self._objects[named] = _Kept(base.kind, self._scratch.add(made), len(made))
                ready.append((delta.begins, named))
        if waiting:
            raise ValueError("a difference from what is not there")

    def _applied(self, base: bytes, delta: bytes) -> bytes:
        size, at = _number(delta, 0)
        if size != len(base):
            raise ValueError("a difference from something else")
        size, at = _number(delta, at)
        if size > MOST_BYTES:
            raise ValueError("an object too large to be put together")
        self._spend(size)
        made = bytearray()
        while at < len(delta) and len(made) <= size:
            self._steps -= 1
            op, at = delta[at], at + 1
            if op & 0x80:
                begin, at = _bits(delta, at, op & 0x0F)
                length, at = _bits(delta, at, op >> 4 & 0x07)
                length = length or 0x10000
                if begin + length > len(base):
                    raise ValueError("a piece of what is not there")
                made += base[begin : begin + length]
            elif op:
                made += delta[at : at + op]
                at += op
            if not op or self._steps < 0:
                raise ValueError("a step that there is not, or too many")
        if len(made) != size or at != len(delta):
            raise ValueError("an object of another size than it says")
        return bytes(made)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise SourceRefuses(f"{self._host} sent a pack that unpacks to more than is read.")


def _head(view: memoryview, at: int) -> tuple[int, int, int]:
    """Kind and size of an object, and where its rest begins."""
    byte, at = view[at], at + 1
    kind, size = byte >> 4 & 7, byte & 15
    if byte & 0x80:
        more, at = _number(view, at)
        size |= more << 4
    return kind, size, at


def _number(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """A little-endian number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 63, 7):
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise ValueError("a number without an end")


def _distance(view: memoryview, at: int) -> tuple[int, int]:
    """How far back an object lies, and where that is said to its end."""
    byte, at = view[at], at + 1
    value = byte & 0x7F
    for _ in range(9):
        if not byte & 0x80:
            return value, at
        byte, at = view[at], at + 1
        value = (value + 1) << 7 | byte & 0x7F
    raise ValueError("a number without an end")


def _bits(data: bytes, at: int, given: int) -> tuple[int, int]:
    """A number of which only the bytes that ``given`` has bits for are written."""
    value = 0
    for n in range(4):
        if given >> n & 1:
            value |= data[at] << 8 * n
            at += 1
    return value, at
