"""`vouch index verify`: does the index hold exactly what the catalog says, content and access included?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlmodel import Session

from vouch.catalog.outbox import active_generation, newest
from vouch.catalog.tables import IndexGeneration
from vouch.catalog.vectors import chunks_of
from vouch.core.types import AccessPayload, Point
from vouch.index.fingerprint import fingerprint
from vouch.index.points import CompilePayload, Version, batched, points_of, visible_versions
from vouch.index.protocol import Index

_SHOWN = 20
Place = tuple[str, str]
"""Tenant and document."""


@dataclass(slots=True)
class Difference:
    """Counts, and the first point ids of each kind. ``behind``: operations not applied yet, which explains much."""

    catalog: int = 0
    index: int = 0
    behind: int = 0
    missing: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    access: list[str] = field(default_factory=list)
    lacking: list[Version] = field(default_factory=list)
    """Versions that are not cut, or not wholly embedded, as the generation wants it: no operation puts that right."""
    documents: set[Place] = field(default_factory=set)
    """Those whose points differ."""

    @property
    def clean(self) -> bool:
        return not (self.missing or self.stray or self.content or self.access or self.lacking)

    def report(self) -> dict[str, object]:
        """For people and JSON: at most twenty ids a kind."""
        kinds = {
            "missing": self.missing,
            "stray": self.stray,
            "content": self.content,
            "access": self.access,
            "lacking": [document_id for _, document_id, _ in self.lacking],
        }
        return {
            "clean": self.clean,
            "catalog_points": self.catalog,
            "index_points": self.index,
            "operations_behind": self.behind,
            **{kind: {"count": len(ids), "first": ids[:_SHOWN]} for kind, ids in kinds.items()},
        }


def verify(
    session: Session, index: Index, compile_payload: CompilePayload, generation: IndexGeneration | None = None
) -> Difference:
    """Compare every point of a generation (the active one) with what the catalog would write for it now. Reads both
    whole; changes nothing."""
    generation = generation or active_generation(session)
    expected: dict[str, tuple[str, AccessPayload, Place]] = {}
    lacking: list[Version] = []
    for some in batched(visible_versions(session), 256):
        points = points_of(session, some, generation, compile_payload)
        lacking += _lacking(session, some, generation, points)
        for point in points:
            expected[point.id] = (fingerprint(point), point.access, (point.tenant, point.document_id))
    behind = max(0, newest(session) - index.state().applied_seq)
    found = Difference(catalog=len(expected), behind=behind, lacking=lacking)
    for batch in index.scan():
        found.index += len(batch)
        for stored in batch:
            wanted = expected.pop(stored.id, None)
            if wanted is None:
                found.stray.append(stored.id)
            elif wanted[0] != stored.fingerprint:
                found.content.append(stored.id)
            elif wanted[1] != stored.access:
                found.access.append(stored.id)
            else:
                continue
            found.documents.add((stored.tenant, stored.document_id))
    found.missing = sorted(expected)
    found.documents.update(place for _, _, place in expected.values())
    return found


def _lacking(
    session: Session, versions: Sequence[Version], generation: IndexGeneration, points: Sequence[Point]
) -> list[Version]:
    """Those of ``versions`` that the catalog has not a point for each chunk of, or no chunk."""
    made = Counter((p.tenant, p.document_id, p.version) for p in points)
    found: list[Version] = []
    for tenant, some in groupby(versions, key=lambda version: version[0]):
        named = [(document_id, number or 0) for _, document_id, number in some]
        for (document_id, number), chunks in chunks_of(session, tenant, named, generation).items():
            if not chunks or made[tenant, document_id, number] < chunks:
                found.append((tenant, document_id, number))
    return found
