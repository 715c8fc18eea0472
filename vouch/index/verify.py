"""`vouch index verify`: does the index hold exactly what the catalog says, content and access included?"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmodel import Session

from vouch.catalog.outbox import active_generation, newest
from vouch.core.types import AccessPayload
from vouch.index.fingerprint import fingerprint
from vouch.index.points import CompilePayload, batched, points_of, visible_versions
from vouch.index.protocol import Index

_SHOWN = 20


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

    @property
    def clean(self) -> bool:
        return not (self.missing or self.stray or self.content or self.access)

    def report(self) -> dict[str, object]:
        """For people and JSON: at most twenty ids a kind."""
        kinds = {"missing": self.missing, "stray": self.stray, "content": self.content, "access": self.access}
        return {
            "clean": self.clean,
            "catalog_points": self.catalog,
            "index_points": self.index,
            "operations_behind": self.behind,
            **{kind: {"count": len(ids), "first": ids[:_SHOWN]} for kind, ids in kinds.items()},
        }


def verify(session: Session, index: Index, compile_payload: CompilePayload) -> Difference:
    """Compare every point with what the catalog would write for it now. Reads both whole; changes nothing."""
    expected: dict[str, tuple[str, AccessPayload]] = {}
    generation = active_generation(session)
    for some in batched(visible_versions(session), 256):
        for point in points_of(session, some, generation, compile_payload):
            expected[point.id] = (fingerprint(point), point.access)
    found = Difference(catalog=len(expected), behind=max(0, newest(session) - index.state().applied_seq))
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
    found.missing = sorted(expected)
    return found
