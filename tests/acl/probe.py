"""A company to probe: how the checks of `tests/acl` make things in it and look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from acl import directory, resolve
from acl.assign import assign
from acl.caller import Asker, authenticate
from acl.compile import compile_filter
from acl.keys import create_key, revoke_key
from ingestion.delete import delete_documents
from retrieval import pipeline
from retrieval.search import search as search_index
from retrieval.types import Question
from tests.acl import twin
from tests.retrieval.world import SECRET, TENANT, World
from vouch.catalog import epoch as epochs
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Document, Source, Tenant
from vouch.core.errors import VouchError
from vouch.core.types import Acl, Clause, SearchFilter
from vouch.gateway.chat import ChatReply, ChatUsage, Draft, DraftCitation, DraftClaim, DraftRequest, Hear
from vouch.gateway.rerank import Readable

Rule = tuple[set[str], set[str]]
EVERYONE: Rule = ({"authenticated"}, set())


@dataclass
class Probe:
    """One company for many checks. ``other`` is a second tenant with users and documents of the same names."""

    world: World
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        with self.world.catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id="other", name="Other"))
            session.flush()
            session.add(Source(tenant_id="other", id="docs", name="docs", kind="push"))

    # --- making things ------------------------------------------------------------------------------

    def name(self) -> str:
        """A word that nothing else holds."""
        return "z" + "".join("bcdfghjklm"[int(digit)] + "a" for digit in f"{next(self._numbers):03}")

    def user(self, *, tenant: str = TENANT, name: str | None = None, active: bool = True) -> str:
        user = name or f"user:{self.name()}"
        self.change(directory.put_user, user, name="U", active=active, tenant=tenant)
        return user

    def group(self, *members: str, tenant: str = TENANT, name: str | None = None) -> str:
        group = name or f"group:{self.name()}"
        self.change(directory.put_group, group, name="G", members=members, tenant=tenant)
        return group

    def change(self, function: Callable[..., int], *args: Any, tenant: str = TENANT, **kw: Any) -> int:
        with self.world.catalog.transaction(tenant) as session:
            return function(session, tenant, *args, **kw, actor="probe")

    def document(
        self, *rules: Rule, about: str = "", project: bool = False, source: str = "docs", **fields: Any
    ) -> str:
        name = self.name()
        text = f"The {about or name} is kept in the cellar. It was found in the year {next(self._numbers)}."
        document = self.world.document(name, text, allow=None, project=False, source=source, **fields)
        self.access(document, *rules)
        if project:
            self.world.projector.catch_up()
        return document

    def access(self, document: str, *rules: Rule, project: bool = False, tenant: str = TENANT) -> int | None:
        with self.world.catalog.transaction(tenant) as session:
            epoch = assign(session, tenant, {document: acl_of(rules)}, actor="probe")
        if project:
            self.world.projector.catch_up()
        return epoch

    def readable(self, user: str, *ids: str, session: Session | None = None) -> frozenset[str]:
        if session is not None:
            return twin.readable(session, TENANT, user, ids)
        with self.world.catalog.reading(TENANT) as session:
            return twin.readable(session, TENANT, user, ids)

    def set(self, sql: str, **values: Any) -> None:
        with self.world.catalog.transaction(TENANT) as session:
            session.execute(sa.text(sql), values)

    def hits(self, user: str, about: str) -> frozenset[str]:
        """What gate 1 alone lets through."""
        with self.world.catalog.reading(TENANT) as session:
            access = resolve.resolve(session, TENANT, user)
        found = search_index(self.world.services, access, about, Question(about, 50), 200).hits
        return frozenset(hit.document_id for hit in (*found.dense, *found.lexical))

    def asker(self, user: str) -> Asker:
        return Asker(TENANT, user, "key")

    @contextmanager
    def using(self, **parts: Any) -> Iterator[None]:
        before = self.world.services
        self.world.use(**parts)
        try:
            yield
        finally:
            self.world.services = before
            self.world.use()

    # --- looking at things --------------------------------------------------------------------------

    def epoch(self) -> int:
        with self.world.catalog.reading(TENANT) as session:
            return epochs.current(session, TENANT)

    def delete(self, document: str) -> None:
        with self.world.catalog.transaction(TENANT) as session:
            delete_documents(session, TENANT, "docs", [self.title(document)], "probe")

    def title(self, document: str) -> str:
        with self.world.catalog.reading(TENANT) as session:
            return session.get_one(Document, (TENANT, document)).external_id

    def text(self, document: str) -> str:
        with self.world.catalog.reading(TENANT) as session:
            found = session.execute(sa.text("SELECT text FROM chunk WHERE document_id = :d"), {"d": document})
            return str(found.scalar_one())

    def scores(self, user: str, query: str) -> tuple[int, list[float]]:
        with self.world.catalog.reading(TENANT) as session:
            access = resolve.resolve(session, TENANT, user)
        found = search_index(self.world.services, access, query, Question(query, 50, mode="lexical"), 200).hits
        seen = self.world.services.index.count(compile_filter(access), SearchFilter())
        return seen, [hit.score for hit in found.lexical]

    def search(self, user: str, about: str) -> frozenset[str]:
        hits = pipeline.search(self.world.services, self.asker(user), Question(about, 10)).hits
        return frozenset(hit.document_id for hit in hits)

    def ask(self, user: str, about: str) -> Asked:
        released, trace = pipeline.ask(
            self.world.services, self.asker(user), Question(f"Where is the {about} kept?", 8)
        )
        return Asked(released, trace)

    def key(self, scopes: Sequence[str], **kw: Any) -> Any:
        with self.world.catalog.transaction(TENANT) as session:
            return create_key(session, SECRET, TENANT, name="probe", scopes=scopes, actor="probe", **kw)

    def revoke(self, key: str) -> None:
        with self.world.catalog.transaction(TENANT) as session:
            revoke_key(session, TENANT, key, actor="probe")

    def caller(self, user: str) -> Any:
        key = self.key(["ask"], user=user)
        return authenticate(self.world.catalog, SECRET, key.secret, None)


@dataclass(frozen=True)
class Asked:
    released: Any
    trace: str


@dataclass
class Watching:
    """A reranker that keeps what it is shown, and during whose work something happens."""

    meanwhile: Callable[[], object]
    seen: list[str] = field(default_factory=list)
    name: str = "watching"
    by_vectors: bool = True

    def rerank(self, question: str, candidates: Sequence[Readable]) -> list[float]:
        self.seen += [candidate.text for candidate in candidates]
        self.meanwhile()
        return [float(-n) for n in range(len(candidates))]


@dataclass
class Writing:
    """A model that writes prose of the first passage, while something happens."""

    meanwhile: Callable[[], object]
    name: str = "writing"

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        self.meanwhile()
        first = request.passages[0]
        said = first.text.partition(".")[0]  # no whole sentence, which would be shown as the quote that it is
        claim = DraftClaim(f"It is said that {said}", (DraftCitation(first.id, said),))
        return ChatReply(Draft((claim,), insufficient=False), self.name, ChatUsage(1, 1, 1))


def acl_of(rules: Sequence[Rule]) -> Acl:
    return tuple(Clause(frozenset(allow), frozenset(deny)) for allow, deny in rules)


def refused(work: Callable[[], object]) -> None:
    """``work`` is refused, with an error of ours."""
    try:
        found = work()
    except VouchError:
        return
    raise AssertionError(f"not refused: {found!r:.200}")


def told(work: Callable[[], Any]) -> Any:
    """``work`` is not refused."""
    try:
        return work()
    except VouchError as error:
        raise AssertionError(f"refused: {error}") from error
