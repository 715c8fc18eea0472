"""What is kept of the last decision about an answer, so that it can be replayed: ids, hashes and times, no content."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlmodel import Session

from acl.resolve import Access
from vouch.core.ids import sha256
from vouch.core.types import Json, Span

_FACTS = sa.text(
    """
    SELECT d.id, d.acl_id, greatest(d.acl_read_at, s.acl_read_at) AS acl_read_at, s.acl_max_age_s,
        s.kind <> 'push' AS ages
    FROM document d JOIN source s ON s.tenant_id = d.tenant_id AND s.id = d.source_id
    WHERE d.tenant_id = :tenant AND d.id = ANY(CAST(:ids AS text[]))
    """
)
# The clock, not the transaction's beginning: whatever this snapshot sees was stamped before it.
_NOW = sa.text("SELECT clock_timestamp()")


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True)


class CitedSpan(_Kept):
    """Citation ``n`` of the answer, by its place in the version."""

    n: int
    start: int
    end: int


class ProvedDocument(_Kept):
    """A version that the answer was made from: by which ACL it was permitted, when that was read, and how old it and
    the user's memberships might be (seconds; None: any age)."""

    document_id: str
    version: int
    acl_id: str | None
    acl_read_at: datetime | None
    acl_max_age_s: int | None
    memberships_max_age_s: int | None
    cited: tuple[CitedSpan, ...]


class Proof(_Kept):
    """On what state of access an answer was released. ``generation``: of the index that proposed the passages."""

    epoch: int
    principals_hash: str
    memberships_read_at: datetime | None
    decided_at: datetime
    generation: str
    documents: tuple[ProvedDocument, ...]

    def as_json(self) -> Json:
        return self.model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class Used:
    """A version that an answer was made from. ``cited``: the citations of it, by number."""

    document_id: str
    version: int
    cited: Mapping[int, Span]


@dataclass(frozen=True, slots=True)
class Decided:
    """The snapshot in which the last check was made, and what decided in it about each document."""

    access: Access
    at: datetime
    rules: Mapping[str, Json]

    def proof(self, generation: str, used: Iterable[Used]) -> Proof:
        documents = tuple(
            ProvedDocument(
                document_id=one.document_id,
                version=one.version,
                cited=tuple(CitedSpan(n=n, start=s.start, end=s.end) for n, s in sorted(one.cited.items())),
                **self.rules[one.document_id],
            )
            for one in used
        )
        return Proof(
            epoch=self.access.epoch,
            principals_hash=self.access.principals_hash,
            memberships_read_at=self.access.memberships_read_at,
            decided_at=self.at,
            generation=generation,
            documents=documents,
        )


def decided(session: Session, access: Access, document_ids: Collection[str]) -> Decided:
    """What decides about ``document_ids`` in this snapshot, in which ``access`` was resolved."""
    rows = session.execute(_FACTS, {"tenant": access.tenant, "ids": sorted(document_ids)})
    rules: dict[str, Json] = {
        row.id: {
            "acl_id": row.acl_id,
            "acl_read_at": row.acl_read_at,
            "acl_max_age_s": row.acl_max_age_s if row.ages else None,
            "memberships_max_age_s": row.acl_max_age_s,
        }
        for row in rows
    }
    return Decided(access, session.execute(_NOW).scalar_one(), rules)


def digest(proof: Json) -> str:
    """Of a proof, for the audit log: who changes the proof afterwards would have to forge that too."""
    return sha256(json.dumps(proof, sort_keys=True, separators=(",", ":")).encode())
