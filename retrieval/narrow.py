"""What the query's filters and those of the request come to together.

Names are looked up in the catalog, for whoever asks: a name that nobody has and one of something hidden are both
filters that fit nothing the asker may see, and take the same work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from acl.resolve import Access
from retrieval.query import Key, Query
from retrieval.query_values import mimes, moment
from retrieval.sieve import Sieve
from retrieval.types import Question
from vouch.core.errors import InvalidInput
from vouch.core.types import SearchFilter, principal_name

NOTHING = "\x1f"
"""A value that no document has: nothing is named by a control character."""

_SOURCES = sa.text("SELECT id FROM source WHERE tenant_id = :tenant AND lower(name) = ANY(CAST(:names AS text[]))")
_PEOPLE = sa.text("SELECT id FROM app_user WHERE tenant_id = :tenant AND lower(name) = ANY(CAST(:names AS text[]))")


@dataclass(frozen=True, slots=True)
class Scope:
    """``where`` is for the index, ``sieve`` for the text."""

    where: SearchFilter
    sieve: Sieve


def narrow(session: Session, access: Access, question: Question, query: Query) -> Scope:
    """Both must hold, the request's filter and the query's. Values of one key are an *or*, keys an *and*."""
    chosen = _values(session, access, query, negated=False)
    left_out = _values(session, access, query, negated=True)
    asked = question.where
    where = SearchFilter(
        source=_both(asked.source, chosen.get("source")),
        mime=_both(asked.mime, chosen.get("type")),
        language=_both(asked.language, chosen.get("language")),
        owner=_both(asked.owner, chosen.get("owner")),
        modified_after=_latest(asked.modified_after, _moments(query, "after")),
        modified_before=_earliest(asked.modified_before, _moments(query, "before")),
    )
    columns = {"source": "source_id", "type": "mime", "language": "language", "owner": "owner"}
    sieve = Sieve(
        phrases=query.phrases,
        without=query.without,
        left_out=tuple((columns[key], values) for key, values in left_out.items()),
        apart=frozenset() if question.like is None else frozenset({question.like}),
        one_each=question.like is not None,
    )
    return Scope(where, sieve)


def _values(session: Session, access: Access, query: Query, *, negated: bool) -> dict[Key, frozenset[str]]:
    """By key that the query names, the values that fit."""
    said: dict[Key, list[str]] = {}
    for term in query.terms:
        if term.negated == negated and term.key not in ("before", "after"):
            said.setdefault(term.key, []).append(term.value)
    return {key: _meant(session, access, key, values) for key, values in said.items()}


def _meant(session: Session, access: Access, key: Key, values: Collection[str]) -> frozenset[str]:
    if key == "type":
        return frozenset(mime for value in values for mime in mimes(value) or ())
    if key == "source":
        return frozenset(values).union(_named(session, _SOURCES, access, values))
    if key == "owner":
        known = (_principal(value, access) for value in values)
        return frozenset(filter(None, known)).union(_named(session, _PEOPLE, access, values))
    return frozenset(value.lower() for value in values)


def _named(session: Session, names: sa.TextClause, access: Access, values: Collection[str]) -> Iterable[str]:
    given = {"tenant": access.tenant, "names": sorted({value.lower() for value in values})}
    found: Iterable[str] = session.execute(names, given).scalars()
    return found


def _principal(value: str, access: Access) -> str | None:
    """``carol``, ``user:carol``, ``group:hr`` or ``me``."""
    if value.lower() == "me":
        return access.user
    try:
        return principal_name(value if ":" in value else f"user:{value}")
    except InvalidInput:
        return None


def _both(asked: tuple[str, ...], said: frozenset[str] | None) -> tuple[str, ...]:
    if said is None:
        return asked
    return tuple(sorted(said.intersection(asked) if asked else said)) or (NOTHING,)


def _moments(query: Query, key: Key) -> list[datetime]:
    found = (moment(term.value) for term in query.terms if term.key == key)
    return [at for at in found if at is not None]


def _latest(asked: datetime | None, said: list[datetime]) -> datetime | None:
    return max([*said, *([asked] if asked else [])], default=None)


def _earliest(asked: datetime | None, said: list[datetime]) -> datetime | None:
    return min([*said, *([asked] if asked else [])], default=None)
