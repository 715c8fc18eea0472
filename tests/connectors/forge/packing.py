"""Packs by hand: as git writes them, and such as it would not."""

from __future__ import annotations

import hashlib
import zlib

BLOB, COMMIT, TREE, OFS, REF = 3, 1, 2, 6, 7


def number(value: int) -> bytes:
    """Little-endian, seven bits a byte."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def distance(value: int) -> bytes:
    """How far back the base of an ``OFS`` lies."""
    made = [value & 0x7F]
    while value := value >> 7:
        value -= 1
        made.insert(0, value & 0x7F | 0x80)
    return bytes(made)


def head(kind: int, size: int) -> bytes:
    first, rest = kind << 4 | size & 15, size >> 4
    return bytes([first | 0x80]) + number(rest) if rest else bytes([first])


def entry(kind: int, data: bytes, *, base: bytes = b"", size: int | None = None) -> bytes:
    """``base``: what stands before the data of a difference. ``size``: what it says in the place of the true one."""
    return head(kind, len(data) if size is None else size) + base + zlib.compress(data)


def pack(*entries: bytes, count: int | None = None, more: bytes = b"", magic: bytes = b"PACK\0\0\0\2") -> bytes:
    body = magic + (len(entries) if count is None else count).to_bytes(4, "big") + b"".join(entries) + more
    return body + hashlib.sha1(body).digest()


def named(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).hexdigest()


def delta(base: int, result: int, *steps: bytes) -> bytes:
    """``base`` and ``result``: the sizes that it says."""
    return number(base) + number(result) + b"".join(steps)


def copy(at: int, size: int) -> bytes:
    places = [(1 << n, at >> 8 * n & 0xFF) for n in range(4)] + [(16 << n, size >> 8 * n & 0xFF) for n in range(3)]
    given = [(bit, byte) for bit, byte in places if byte]
    return bytes([0x80 | sum(bit for bit, _ in given), *(byte for _, byte in given)])


def tree(*entries: tuple[str, bytes, str]) -> bytes:
    """Mode, name and id of each."""
    return b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(id) for mode, name, id in entries)


def commit(id: str) -> bytes:
    return f"tree {id}\nauthor A <a@example.org> 0 +0000\n\nx\n".encode()
