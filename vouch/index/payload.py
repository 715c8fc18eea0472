"""What is stored beside the vectors of a point, the same on every backend, and what is refused before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from uuid import UUID

import numpy as np

from vouch.core.errors import InvalidInput
from vouch.core.types import ANYONE, CLAUSE_SLOTS, AccessPayload, Json, Point, SparseVector
from vouch.index.fingerprint import fingerprint
from vouch.index.protocol import StoredPoint

DENSE = "dense"
LEXICAL = "lexical"

SLOTS = tuple(f"allow_{k}" for k in range(CLAUSE_SLOTS))
DENY = "deny"
TENANT = "tenant"
KEYWORDS = (TENANT, "document_id", "source_id", "mime", "language", "owner")
INTEGERS = ("version", "modified_at")
RULE = "rule"
"""In the embedded index, in place of slots and denies: the number of the point's rule (`vouch/index/rules.py`)."""
LOT = "lot"
"""There too: which of so many equal parts of all points, drawn by the point's id, this one is in."""
LOTS = 4096
HIT_FIELDS = ("document_id", "version", "ordinal")

UNIT_TOLERANCE = 1e-2


def checked(point: Point, dimensions: int | None) -> Point:
    """``point`` itself, or :class:`InvalidInput`: what would be stored must be what verification can compare.

    ``dimensions`` is the index's vector length, None for an index that has no points yet.
    """
    dense = point.dense
    if dense.ndim != 1 or dense.size == 0 or (dimensions is not None and dense.size != dimensions):
        raise InvalidInput(f"a vector of shape {dense.shape} in an index of {dimensions} dimensions", field="dense")
    if not abs(float(np.dot(dense, dense)) - 1.0) <= UNIT_TOLERANCE:  # also refuses NaN
        raise InvalidInput("a vector that is not of unit length", field="dense")
    _check_lexical(point.lexical)
    try:
        canonical = str(UUID(point.id)) == point.id
    except ValueError:
        canonical = False
    if not canonical:
        raise InvalidInput(f"{point.id!r} is not a UUID in canonical form", field="id")
    return point


def _check_lexical(vector: SparseVector) -> None:
    terms = vector.indices
    if len(terms) != len(vector.values) or not np.isfinite(vector.values).all():
        raise InvalidInput("sparse weights are not one finite number per term", field="lexical")
    if any(a >= b for a, b in pairwise(terms)) or any(not 0 <= t < 2**32 for t in terms):
        raise InvalidInput("sparse term ids are not ascending 32-bit numbers", field="lexical")


def checked_access(access: AccessPayload) -> AccessPayload:
    """``access`` itself. Raises :class:`InvalidInput` on what would admit somebody by accident."""
    if len(access.allow) != CLAUSE_SLOTS:
        raise InvalidInput(f"{len(access.allow)} clause slots instead of {CLAUSE_SLOTS}", field="access")
    if ANYONE in access.allow[0] or ANYONE in access.deny:
        raise InvalidInput(f"{ANYONE!r} where only principals may stand", field="access")
    return access


def access_payload(access: AccessPayload) -> Json:
    """The fields that gate 1 compares with on a server. Raises what :func:`checked_access` raises."""
    checked_access(access)
    return {**{slot: list(allow) for slot, allow in zip(SLOTS, access.allow, strict=True)}, DENY: list(access.deny)}


def stored_access(payload: Mapping[str, object]) -> AccessPayload:
    """:func:`access_payload`, read back."""
    return AccessPayload(tuple(_names(payload, slot) for slot in SLOTS), _names(payload, DENY))


def _names(payload: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = payload.get(key)
    return tuple(str(v) for v in value) if isinstance(value, list) else ()


def lot(point_id: str) -> int:
    """The same for the same id: what else the index holds has no part in it. Ids are hashes, evenly spread."""
    return int(point_id[-3:], 16) % LOTS


def point_payload(point: Point) -> Json:
    """All but the access."""
    return {
        TENANT: point.tenant,
        "document_id": point.document_id,
        "version": point.version,
        "ordinal": point.ordinal,
        "source_id": point.source_id,
        "mime": point.mime,
        "language": point.language,
        "owner": point.owner,
        "modified_at": point.modified_at,
    }


def stored_point(
    point_id: str, payload: Mapping[str, object], access: AccessPayload, dense: np.ndarray, lexical: SparseVector
) -> StoredPoint:
    """What verification compares, from what the engine gave back.

    A field that is missing or of another type reads as empty or -1: then the comparison fails, not the scan.
    """

    def text(key: str) -> str:
        value = payload.get(key)
        return value if isinstance(value, str) else ""

    def number(key: str) -> int:
        value = payload.get(key)
        return value if isinstance(value, int) else -1

    point = Point(
        id=point_id,
        tenant=text(TENANT),
        document_id=text("document_id"),
        version=number("version"),
        ordinal=number("ordinal"),
        source_id=text("source_id"),
        dense=dense,
        lexical=lexical,
        access=access,
        mime=text("mime"),
        language=text("language"),
        owner=text("owner"),
        modified_at=number("modified_at"),
    )
    return StoredPoint(
        point.id, point.tenant, point.document_id, point.version, point.ordinal, point.access, fingerprint(point)
    )
