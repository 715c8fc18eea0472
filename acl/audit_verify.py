"""Whether the audit log is whole: every number there, every seal right, every head that was ever written down met."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from acl.audit_heads import Head
from vouch.catalog.audit import CHAINS, Chain, seal
from vouch.core.clock import rfc3339
from vouch.core.errors import InvalidInput

What = Literal["edited", "missing", "truncated", "inserted", "head"]
BATCH = 1000
"""Entries in memory at a time, and heads looked up at once."""

# A moment that Python has no word for (`infinity`) was not written by us; it comes as null.
_ENTRIES = sa.text(
    """
    SELECT tenant_id AS tenant, chain, seq, actor, action, subject, detail, mac,
        CASE WHEN at BETWEEN '0002-01-01' AND '9998-01-01' THEN at END AS at
    FROM audit_entry WHERE tenant_id = :tenant AND chain = :chain ORDER BY seq
    """
)
_HEAD = sa.text("SELECT seq, mac FROM audit_head WHERE tenant_id = :tenant AND chain = :chain")
_SEALS = sa.text(
    "SELECT seq, mac FROM audit_entry WHERE tenant_id = :tenant AND chain = :chain AND seq = ANY(:numbers)"
)


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where ``chain`` is not what was written; ``seq`` the number of the entry that shows it.

    ``edited``: an entry's seal does not fit it, or does not fit on the one before. ``missing``: a number is left out.
    ``truncated``: entries are gone from the end. ``inserted``: an entry that was never sealed. ``head``: the chain
    is sound in itself, and not the one of which the head was taken.
    """

    chain: str
    seq: int
    what: What
    detail: str


@dataclass(frozen=True, slots=True)
class Walked:
    chain: Chain
    entries: int
    """Sound ones, from the beginning."""
    broken: Broken | None


@dataclass(frozen=True, slots=True)
class Verified:
    chains: tuple[Walked, ...]
    heads: int
    """Written-down heads that were met."""
    broken: tuple[Broken, ...]
    """At most one for each chain, and one (chain ``heads``, ``seq`` the line) for an unreadable file of heads."""


def verify(session: Session, tenant: str, keys: Sequence[bytes], written: Iterable[Head]) -> Verified:
    """Check both chains of a tenant in the session's snapshot, in constant memory.

    ``keys``: what seals now, then former ones, newest first; once an entry is sealed by a newer key, none after it
    may be by an older. ``written``: heads from outside the database, none of them younger than the snapshot. Raises
    :class:`InvalidInput` for a head of another tenant.
    """
    walked = tuple(_walk(session, tenant, chain, keys) for chain in CHAINS)
    broken = {one.chain: one.broken for one in walked if one.broken is not None}
    length: dict[str, int] = {one.chain: one.entries for one in walked}
    met = 0
    readable = _readable(written, broken)
    while heads := list(islice(readable, BATCH)):
        met += _meet(session, tenant, heads, length, broken)
    return Verified(walked, met, tuple(broken.values()))


def _walk(session: Session, tenant: str, chain: Chain, keys: Sequence[bytes]) -> Walked:
    where = {"tenant": tenant, "chain": chain}
    head = session.execute(_HEAD, where).first()
    end = head.seq if head else 0
    key, before, seq = len(keys) - 1, "", 0

    def found(at: int, what: What, detail: str) -> Walked:
        return Walked(chain, seq, Broken(chain, at, what, detail))

    with session.execute(_ENTRIES, where, execution_options={"yield_per": BATCH}) as rows:
        for row in rows.mappings():
            if row["seq"] <= seq:
                return found(row["seq"], "inserted", "the number is not one that is given out")
            if row["seq"] > seq + 1:
                return found(seq + 1, "missing", f"the next entry is {row['seq']}")
            while key >= 0 and not _sealed(keys[key], before, row):
                key -= 1
            if key < 0 and row["seq"] > end:
                return found(row["seq"], "inserted", "the seal does not fit, and the head does not know of the entry")
            if key < 0:
                return found(row["seq"], "edited", "the seal does not fit the entry and the one before it")
            before, seq = row["mac"], seq + 1
    if end > seq:
        return found(seq + 1, "truncated", f"the head says that there are {end} entries")
    if end < seq or (head is not None and head.mac != before):
        return found(seq, "head", f"the head says that the last of {seq} entries is {end}")
    return Walked(chain, seq, None)


def _sealed(key: bytes, before: str, row: Any) -> bool:
    return row["at"] is not None and hmac.compare_digest(seal(key, before, row).encode(), row["mac"].encode())


def _readable(written: Iterable[Head], broken: dict[Any, Broken]) -> Iterator[Head]:
    try:
        yield from written
    except InvalidInput as error:
        broken["heads"] = Broken("heads", error.extra["line"], "edited", error.detail)


def _meet(
    session: Session, tenant: str, heads: Sequence[Head], length: dict[str, int], broken: dict[Any, Broken]
) -> int:
    """Compare heads with the entries of their numbers; note the first of a chain that is not met."""
    met = 0
    for chain in CHAINS:
        wanted = [head for head in heads if head.chain == chain]
        numbers = {"tenant": tenant, "chain": chain, "numbers": [head.seq for head in wanted]}
        seals = {row.seq: row.mac for row in session.execute(_SEALS, numbers)}
        for head in wanted:
            if head.tenant != tenant:
                raise InvalidInput(f"a head of the tenant {head.tenant} is not one of {tenant}", field="heads")
            if seals.get(head.seq) == head.mac:
                met += 1
            elif head.seq in seals:
                _note(broken, Broken(chain, head.seq, "head", f"the head of {rfc3339(head.at)} has another seal"))
            else:
                at = length[chain] + 1
                _note(
                    broken, Broken(chain, at, "truncated", f"the head of {rfc3339(head.at)} says there were {head.seq}")
                )
    return met


def _note(broken: dict[Any, Broken], one: Broken) -> None:
    broken.setdefault(one.chain, one)
