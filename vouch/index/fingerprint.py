"""One hash over what a point holds, computed alike from the catalog's point and from what an index gives back.

Nothing is stored for it: a hash kept beside the content would still be right after the vectors had been swapped.
It can be exact because the index stores float32 and ranks unit vectors by inner product, which leaves them as they
are; a cosine index would scale them again and change last bits. Access is left out: it changes without the content,
and verification compares it by itself.
"""

from __future__ import annotations

import hashlib

import numpy as np

from vouch.core.types import Point


def fingerprint(point: Point) -> str:
    """SHA-256 in hex. A missing sparse part differs from a present one; -0.0 equals 0.0."""
    digest = hashlib.sha256()
    for part in (
        point.id,
        point.tenant,
        point.document_id,
        str(point.version),
        str(point.ordinal),
        point.source_id,
        point.mime,
        point.language,
        point.owner,
        str(point.modified_at),
    ):
        _add(digest, part.encode())
    _add(digest, (np.asarray(point.dense, "<f4") + np.float32(0)).tobytes())
    _add(digest, np.asarray(point.lexical.indices, "<u4").tobytes())
    _add(digest, (np.asarray(point.lexical.values, "<f4") + np.float32(0)).tobytes())
    return digest.hexdigest()


def _add(digest: hashlib._Hash, part: bytes) -> None:
    # Each part carries its length, so that no two different points run together into the same bytes.
    digest.update(len(part).to_bytes(8, "little"))
    digest.update(part)
