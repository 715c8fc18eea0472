"""`/v1/audit`: reading the audit log, its heads, and whether it is whole (scope admin)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import chain as chained
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field

from acl import audit
from acl.audit_heads import Head, HeadsFile, heads
from acl.audit_verify import Verified, What, verify
from ingestion.api.requests import AdminCaller, Cursor, Limit, ServicesDep, decode_cursor, encode_cursor, possible
from ingestion.schemas import Input, Time
from vouch.catalog.audit import Chain
from vouch.core import clock
from vouch.core.errors import Forbidden, InvalidInput
from vouch.serving.responses import problems

MAX_SEQ = 2**63 - 1

router = APIRouter(prefix="/audit", tags=["audit"])


def _possible(text: str | None) -> str | None:
    return None if text is None else possible(text)


Word = Annotated[str | None, Query(max_length=200), AfterValidator(_possible)]
"""What an entry is looked for by."""


class EntryOut(BaseModel):
    """`mac` seals the entry and, through the one before it, everything earlier in its chain."""

    chain: Chain
    seq: int
    at: datetime
    actor: str = Field(examples=["user:alice via key:0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11"])
    action: str = Field(examples=["search", "document.read", "access.members"])
    subject: str
    detail: dict[str, Any]
    mac: str


class EntryPage(BaseModel):
    entries: list[EntryOut]
    next_cursor: str | None


class HeadOut(BaseModel):
    """The last entry of a chain."""

    tenant: str
    chain: Chain
    seq: int = Field(ge=1, le=MAX_SEQ)
    mac: str = Field(pattern=r"^[0-9a-f]{64}$")
    at: Time


class HeadList(BaseModel):
    heads: list[HeadOut]


class HeadsIn(Input):
    model_config = Input.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "heads": [
                        {"tenant": "default", "chain": "use", "seq": 1, "mac": "0" * 64, "at": "2026-03-01T12:00:00Z"}
                    ]
                }
            ]
        }
    }

    heads: list[HeadOut] = Field(max_length=100_000)


class ChainOut(BaseModel):
    chain: Chain
    entries: int = Field(description="Sound ones, from the first on.")


class BrokenOut(BaseModel):
    chain: Literal["access", "use", "heads"]
    seq: int
    what: What
    detail: str


class VerifiedOut(BaseModel):
    """`broken`: of each chain the first place that is not as it was written; `heads`, with the line, is the file."""

    whole: bool
    chains: list[ChainOut]
    heads: int = Field(description="Written-down heads that were met.")
    broken: list[BrokenOut]

    @classmethod
    def of(cls, found: Verified) -> VerifiedOut:
        return cls.model_validate(
            {
                "whole": not found.broken,
                "chains": [{"chain": one.chain, "entries": one.entries} for one in found.chains],
                "heads": found.heads,
                "broken": found.broken,
            },
            from_attributes=True,
        )


@router.get("", responses=problems(Forbidden, InvalidInput))
def list_entries(
    caller: AdminCaller,
    services: ServicesDep,
    subject: Word = None,
    actor: Word = None,
    action: Word = None,
    document: Word = None,
    chain: Chain | None = None,
    since: Annotated[Time | None, Query(alias="from", description="At or after.")] = None,
    until: Annotated[Time | None, Query(alias="to", description="Before.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> EntryPage:
    """Entries, newest first. `actor`: a user, or a key as `key:…`. `document`: entries about the document of this id,
    and those of searches and answers that showed it. That the log was read is on the log too.
    """
    wanted = audit.Wanted(chain, subject, actor, action, document, since, until)
    before = _position(cursor)
    with services.catalog.reading(caller.tenant) as session:
        rows = audit.read(session, caller.tenant, wanted, limit=limit + 1, before=before)
        shown = [EntryOut.model_validate(row, from_attributes=True) for row in rows[:limit]]
    audit.record_reading(services.catalog, caller, "audit.read", "audit", audit.chosen(wanted))
    last = shown[-1] if len(rows) > limit else None
    more = encode_cursor(f"{last.at.isoformat()} {last.chain} {last.seq}") if last else None
    return EntryPage(entries=shown, next_cursor=more)


@router.get("/head", responses=problems(Forbidden))
def get_head(caller: AdminCaller, services: ServicesDep) -> HeadList:
    """The heads of both chains, to keep elsewhere. No crash can take back an entry that is in one."""
    with services.catalog.transaction(caller.tenant) as session:
        found = heads(session, caller.tenant)
    return HeadList.model_validate({"heads": found}, from_attributes=True)


@router.get("/verify", responses=problems(Forbidden))
def get_verified(caller: AdminCaller, services: ServicesDep) -> VerifiedOut:
    """Walks both chains and the file of heads that the platform keeps: some time, constant memory."""
    return _verified(caller, services, ())


@router.post("/verify", responses=problems(Forbidden, InvalidInput))
def verify_with_heads(body: HeadsIn, caller: AdminCaller, services: ServicesDep) -> VerifiedOut:
    """As `GET`, and every head that you kept must be met as well."""
    return _verified(caller, services, [Head(**dict(head)) for head in body.heads])


def _verified(caller: AdminCaller, services: ServicesDep, kept: Iterable[Head]) -> VerifiedOut:
    written = HeadsFile(services.settings.audit_heads).of(caller.tenant)  # before the snapshot is taken
    with services.catalog.reading(caller.tenant) as session:
        return VerifiedOut.of(verify(session, caller.tenant, services.settings.audit_keys, chained(kept, written)))


def _position(cursor: str | None) -> audit.Position | None:
    if cursor is None:
        return None
    try:
        at, chain, seq = decode_cursor(cursor).split(" ")
        return clock.utc(datetime.fromisoformat(at)), chain, min(int(seq), MAX_SEQ)
    except ValueError as error:
        raise InvalidInput("not a cursor", field="cursor") from error
