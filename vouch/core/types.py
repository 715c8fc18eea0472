"""The words both services share, as frozen types.

Principals are written ``user:alice``, ``group:hr``, ``user:okta/00u1`` or ``authenticated``; inside
a tenant that text is the principal's identity, so sets of principals are sets of such strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vouch.core.errors import InvalidInput

Json = dict[str, Any]
Vector = npt.NDArray[np.float32]
"""Shape (dimensions,), unit length."""
Matrix = npt.NDArray[np.float32]
"""Shape (texts, dimensions), rows of unit length."""

AUTHENTICATED = "authenticated"
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._~+=@-]{0,127}$")
_EMAIL = re.compile(r"@[^@]+\.[^@.]+$")
_ISSUER = re.compile(r"^[a-z0-9][a-z0-9.-]{0,63}$")


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """Someone or some group, immutably named by (tenant, issuer, id); never by an e-mail address."""

    tenant: str
    kind: Literal["user", "group", "authenticated"]
    issuer: str
    id: str

    def __str__(self) -> str:
        if self.kind == AUTHENTICATED:
            return AUTHENTICATED
        return f"{self.kind}:{self.id}" if self.issuer == "local" else f"{self.kind}:{self.issuer}/{self.id}"

    @classmethod
    def parse(cls, text: str, tenant: str, *, field: str | None = None) -> Principal:
        """Read the written form. Raises :class:`InvalidInput` naming ``field``."""
        if text == AUTHENTICATED:
            return cls(tenant, "authenticated", "local", AUTHENTICATED)
        kind, colon, rest = text.partition(":")
        issuer, slash, name = rest.partition("/")
        if not slash:
            issuer, name = "local", rest
        if not colon or kind not in ("user", "group") or not _ID.fullmatch(name) or not _ISSUER.fullmatch(issuer):
            raise InvalidInput(
                f"{text!r} is not a principal such as user:alice, group:hr, user:okta/00u1 or authenticated",
                field=field,
            )
        if _EMAIL.search(name):
            raise InvalidInput(f"{text!r} is an e-mail address, which can pass to someone else", field=field)
        return cls(tenant, "user" if kind == "user" else "group", issuer, name)


def principal_name(text: str, *, kind: str | None = None, field: str | None = None) -> str:
    """The canonical written form of ``text``, checked to be of ``kind`` where one is given."""
    parsed = Principal.parse(text, "", field=field)
    if kind is not None and parsed.kind != kind:
        raise InvalidInput(f"{text!r} is not a {kind}", field=field)
    return str(parsed)


@dataclass(frozen=True, slots=True)
class Clause:
    """One level's restriction: the asker needs one of ``allow`` and none of ``deny``."""

    allow: frozenset[str]
    deny: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allow: Iterable[str] = (), deny: Iterable[str] = (), *, field: str = "access") -> Clause:
        """Build from written principals, each checked."""
        return cls(
            frozenset(principal_name(p, field=f"{field}.allow") for p in allow),
            frozenset(principal_name(p, field=f"{field}.deny") for p in deny),
        )


Acl = tuple[Clause, ...]
"""Ordered clauses; all must permit. The empty tuple, like no ACL at all, permits nobody."""


@dataclass(frozen=True, slots=True)
class RawClause:
    """A clause as its source writes it: entries that ``acl/mapping.py`` has yet to map to principals.
    ``where`` it is written, for people."""

    allow: tuple[str, ...]
    deny: tuple[str, ...] = ()
    where: str = ""


RawAcl = tuple[RawClause, ...]


@dataclass(frozen=True, slots=True)
class AccessUnknown:
    """The source's rules for an item cannot be read: nobody may read it until they can.

    ``reason``: a stable word. ``place``: the ``file``, ``line`` and ``field`` at fault, where there is one.
    """

    reason: str
    detail: str
    place: tuple[tuple[str, str | int], ...] = ()


RULES_BROKEN = "rules_broken"
"""The reason of what a file of rules closes because it has a mistake itself."""
SourceAcl = RawAcl | AccessUnknown | None
"""What a source says of access. None: nothing, so nobody may read the item."""


@dataclass(frozen=True, slots=True)
class AccessPayload:
    """What gate 1 compares with, stored on each point. Compiled by ``acl/`` alone.

    ``allow`` has exactly :data:`CLAUSE_SLOTS` entries, one per clause, an unused slot holding ``*``;
    ``deny`` is the union over clauses, because a deny wins at any depth. A document with more clauses
    than slots keeps the first ones here: the index then admits a superset and gate 2 decides.
    A document nobody may read has an empty first slot.
    """

    allow: tuple[tuple[str, ...], ...]
    deny: tuple[str, ...]


CLAUSE_SLOTS = 4
ANYONE = "*"
"""The filler of an unused clause slot. Not a principal, so no directory can name it."""


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Gate 1: what an index search may see. Only ``acl/compile.py`` makes one (a test reads the code for it)."""

    tenant: str
    principals: frozenset[str]
    epoch: int


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Narrowing the asker chose. Empty tuples and None mean no narrowing."""

    source: tuple[str, ...] = ()
    mime: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()
    modified_after: datetime | None = None
    modified_before: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Code-point offsets into a document version's normalised text, end exclusive."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a span: {self.start}..{self.end}")

    def of(self, text: str) -> str:
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Term ids and weights, same length, ids ascending."""

    indices: tuple[int, ...]
    values: tuple[float, ...]

    def __bool__(self) -> bool:
        return bool(self.indices)


# --- what a connector yields -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Upsert:
    """A document that is new or may have changed. Its body is read later, by ``Connector.fetch``."""

    external_id: str
    title: str
    uri: str
    fingerprint: str
    """Changes whenever the content may have (an ETag, or size and mtime); equal means not fetched again."""
    acl: SourceAcl
    mime: str | None = None
    owner: str | None = None
    modified_at: datetime | None = None
    review_every: str | None = None
    stale_after: str | None = None
    expire_after: str | None = None
    supersedes: tuple[str, ...] = ()
    """External ids, in the same source, of documents that this one replaces."""


@dataclass(frozen=True, slots=True)
class AclChanged:
    external_id: str
    acl: SourceAcl


@dataclass(frozen=True, slots=True)
class Deleted:
    external_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that the connector saw and cannot offer (a symlink out of the tree, a name it cannot read).

    Nothing is said of its access: a document of it that was taken in earlier is readable by nobody meanwhile.
    """

    external_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """An item that is there, for all anyone knows, and could not be looked at now: what was taken in of it stays, under
    the access that the source says it has."""

    external_id: str
    reason: str
    detail: str
    acl: SourceAcl


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything yielded before this is safe to have committed; a scan resumes from ``cursor``."""

    cursor: Json


Change = Upsert | AclChanged | Deleted | Refused | Unreached | Checkpoint


@dataclass(frozen=True, slots=True)
class Body:
    """Raw content of one document, as fetched.

    ``article``: where it is HTML, it is a page of a web site, and of that only the article is wanted.
    """

    data: bytes
    mime: str | None = None
    article: bool = False


# --- what the index stores and returns ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk as the index holds it. Text stays in the catalog."""

    id: str
    tenant: str
    document_id: str
    version: int
    ordinal: int
    source_id: str
    dense: Vector
    lexical: SparseVector
    access: AccessPayload
    mime: str
    language: str
    owner: str
    modified_at: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class IndexHit:
    document_id: str
    version: int
    ordinal: int
    score: float


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """One question to the index. A part that is None is not searched."""

    dense: Vector | None
    lexical: SparseVector | None
    limit: int
    where: SearchFilter = field(default_factory=SearchFilter)


@dataclass(frozen=True, slots=True)
class IndexHits:
    """Two rankings, best first, each at most ``limit`` long, and how they were planned."""

    dense: tuple[IndexHit, ...]
    lexical: tuple[IndexHit, ...]
    plan: Json
