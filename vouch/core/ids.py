"""Ids. Random ones sort by time (UUIDv7, RFC 9562); derived ones are UUIDv5 of what they name."""

from __future__ import annotations

import hashlib
import os
import time
import uuid

_POINTS = uuid.UUID("5b0a2d52-7c44-5a8e-9d39-2f8f8d1f4a10")


def new_id() -> str:
    """A fresh UUIDv7 as text."""
    ms = time.time_ns() // 1_000_000
    raw = ms.to_bytes(6, "big") + os.urandom(10)
    value = int.from_bytes(raw, "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return str(uuid.UUID(int=value))


def point_id(tenant: str, document_id: str, version: int, ordinal: int, generation: str) -> str:
    """The index's id of one chunk: the same input gives the same point, so applying twice is harmless."""
    return str(uuid.uuid5(_POINTS, "\x1f".join((tenant, document_id, str(version), str(ordinal), generation))))


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()
