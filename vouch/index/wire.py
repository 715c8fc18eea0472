"""What travels between the index host and its clients.

A frame is ``VIX1`` (the protocol and its version), the body's length as a 32-bit big-endian number, and the body: one
message in MessagePack. Vectors are little-endian float32 bytes. Decoding is strict: a body that is not exactly
one of the messages below, types included, is :class:`Malformed`, and nothing in it is ever executed.
"""

from __future__ import annotations

import struct
from typing import Any, get_origin

import msgspec
import numpy as np

from vouch.core.types import AccessFilter, IndexHits, IndexQuery, SearchFilter
from vouch.index.protocol import IndexOp, IndexState, RemoveVersions, SetAccess, StoredPoint, UpsertPoints

MAGIC = b"VIX1"
HEADER = struct.Struct(">4sI")
MAX_BODY = 64 * 1024 * 1024
"""Bytes. A batch of 256 points of 1,024 dimensions takes 2 MiB, so nobody honest comes near."""


class Malformed(ValueError):
    """What arrived is not a message of this protocol's version."""


class Request(msgspec.Struct, tag=True, frozen=True):
    """Asked of one generation; each class below is answered by the class named after it."""

    generation: str


class State(Request, frozen=True):
    """→ Is"""


class Op(msgspec.Struct, frozen=True):
    """One operation; exactly one field is set."""

    upsert: UpsertPoints | None = None
    access: SetAccess | None = None
    remove: RemoveVersions | None = None

    @classmethod
    def of(cls, op: IndexOp) -> Op:
        if isinstance(op, UpsertPoints):
            return cls(upsert=op)
        return cls(access=op) if isinstance(op, SetAccess) else cls(remove=op)

    def op(self) -> IndexOp:
        given = [op for op in (self.upsert, self.access, self.remove) if op is not None]
        if len(given) != 1:
            raise Malformed("an operation that is not exactly one operation")
        return given[0]


class Apply(Request, frozen=True):
    """→ Done. ``upto`` is recorded with the ``last`` part of a batch."""

    ops: tuple[Op, ...]
    upto: int
    last: bool


class Search(Request, frozen=True):
    """→ Found"""

    query: IndexQuery
    access: AccessFilter


class Count(Request, frozen=True):
    """→ Counted"""

    access: AccessFilter
    where: SearchFilter


class Scan(Request, frozen=True):
    """→ Page"""

    after: str | None
    limit: int


class Maintain(Request, frozen=True):
    """→ Done, when it is finished"""


class Drop(Request, frozen=True):
    """→ Done. The generation and its files are gone; dropping what is not there is no error."""


class Is(msgspec.Struct, tag=True, frozen=True):
    state: IndexState


class Done(msgspec.Struct, tag=True, frozen=True):
    changed: bool = True


class Found(msgspec.Struct, tag=True, frozen=True):
    hits: IndexHits


class Counted(msgspec.Struct, tag=True, frozen=True):
    points: int


class Page(msgspec.Struct, tag=True, frozen=True):
    points: list[StoredPoint]


class Failed(msgspec.Struct, tag=True, frozen=True):
    """An error of `vouch/core/errors.py`, by its stable code."""

    code: str
    detail: str
    field: str | None = None


AnyRequest = State | Apply | Search | Count | Scan | Maintain | Drop
AnyReply = Is | Done | Found | Counted | Page | Failed


def _to_wire(value: Any) -> bytes:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return value.astype("<f4", copy=False).tobytes()
    raise NotImplementedError(f"{type(value).__name__} does not travel")


def _from_wire(wanted: Any, value: Any) -> Any:
    if (get_origin(wanted) or wanted) is np.ndarray:
        if not isinstance(value, bytes) or len(value) % 4:
            raise ValueError("not a vector")
        return np.frombuffer(value, "<f4")
    raise NotImplementedError(f"{wanted} does not travel")


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_wire)
_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest, dec_hook=_from_wire)
_replies: msgspec.msgpack.Decoder[AnyReply] = msgspec.msgpack.Decoder(AnyReply, dec_hook=_from_wire)


def frame(message: AnyRequest | AnyReply) -> bytes:
    """Header and body. Raises :class:`Malformed` above :data:`MAX_BODY`."""
    body = _encoder.encode(message)
    if len(body) > MAX_BODY:
        raise Malformed(f"a message of {len(body)} bytes")
    return HEADER.pack(MAGIC, len(body)) + body


def body_length(header: bytes | bytearray) -> int:
    """Of a complete header. Raises :class:`Malformed` on another protocol, another version or an oversized body."""
    magic, length = HEADER.unpack(header)
    if magic != MAGIC:
        raise Malformed("not this version of the index protocol")
    if length > MAX_BODY:
        raise Malformed(f"a message of {length} bytes")
    return int(length)


def request_of(body: bytes | bytearray) -> AnyRequest:
    try:
        return _requests.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"not a request: {error}") from error


def reply_of(body: bytes | bytearray) -> AnyReply:
    try:
        return _replies.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Malformed(f"not a reply: {error}") from error
