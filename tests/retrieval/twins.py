"""Two companies alike but for what is hidden from the asker, and requests that would tell them apart if any could.

The second has more documents, which others alone may read: near and exact duplicates of the visible ones, many times
as many, full of the words that are asked for, with the same names in other sources; some replace visible ones. It
also shares the index with another tenant, which has all of that again, under the same ids.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session

from acl import directory
from acl.assign import assign
from tests.retrieval.world import TENANT, World
from vouch.catalog import outbox
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Document, Source, Tenant
from vouch.core.types import Acl, Clause, Json

SUBJECTS = (
    "parental leave", "hotel costs", "the travel desk", "visitor badges", "the Berlin office", "remote work",
    "sick pay", "laptop orders", "password resets", "fire drills", "the pension plan", "bicycle parking",
    "team lunches", "overtime", "language courses", "the mentoring programme", "server access", "incident reports",
)  # fmt: skip
VERBS = ("is approved by", "is paid for by", "is reported to", "is booked through", "is reviewed by", "is owned by")
PEOPLE = ("the people team", "the finance team", "each manager", "the front desk", "the security team", "the founders")
RULES = ("at most {} days a year", "within {} weeks", "up to {} euros a month", "every {} months", "before {} o'clock")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
RIVAL = "rival"
STAFF, HR = Clause.of(["authenticated"]), Clause.of(["group:hr"])
HIDDEN: tuple[Acl, ...] = (
    (HR,),
    (Clause.of(["authenticated"], ["user:bob", "user:dave"]),),
    (Clause.of(["authenticated"], ["group:sales"]), Clause.of(["authenticated"], ["user:dave"])),
    (STAFF, HR),
    (STAFF, Clause.of(["authenticated", "group:hr"]), Clause.of(["authenticated", "user:x"]), HR),
    (),
)
"""Hidden from Bob and Dave; all but the last, which hides from everybody, shown to Alice."""
TOO_MANY: tuple[Acl, ...] = (
    (*(Clause.of(["authenticated", f"user:x{n}"]) for n in range(4)), HR),
    (*(Clause.of(["authenticated", f"group:x{n}"]) for n in range(6)), HR),
)
"""Hidden likewise, by clauses beyond those that the index compares: gate 2 alone decides."""


@dataclass(frozen=True)
class Paper:
    """A document to be. ``fate``: live, republished (a second version), deleted or quarantined."""

    id: str
    title: str
    text: str
    source: str
    owner: str | None
    acl: Acl
    supersedes: tuple[str, ...] = ()
    fate: str = "live"
    age: str = "fresh"
    """stale or expired: its source has it demoted or dropped."""

    @property
    def modified_at(self) -> datetime:
        return NOW + timedelta(minutes=int(self.id[:4], 16))


class Corpus:
    """Deterministic in its seed."""

    def __init__(self, seed: int, visible: int, hidden: int, acls: Sequence[Acl] = HIDDEN) -> None:
        self.rng, self.acls = random.Random(seed), acls
        self.visible: list[Paper] = []
        for n in range(visible):
            self.visible.append(self._visible(n))
        self.hidden = [self._hidden(n) for n in range(hidden)]

    def papers(self, *, with_hidden: bool) -> list[Paper]:
        """In the order of arrival: hidden ones come before, between and after the visible ones."""
        rng, papers = random.Random(1), list(self.visible)
        for paper in self.hidden if with_hidden else ():
            papers.insert(rng.randint(0, len(papers)), paper)
        return papers

    def _id(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def _visible(self, n: int) -> Paper:
        """Every seventh says what another says, so that scores tie; every ninth replaces the one before it."""
        text = self.rng.choice(self.visible).text if n % 7 == 6 else self._prose()
        acl = (STAFF,) if n % 4 else (Clause.of(["group:sales", "user:dave"]),)
        supersedes = (f"Rule {n - 1}",) if n % 9 == 8 else ()
        age = "stale" if n % 5 == 3 else "expired" if n % 8 == 5 else "fresh"
        return Paper(self._id(), f"Rule {n}", text, "docs", self._owner("user:bob"), acl, supersedes, age=age)

    def _hidden(self, n: int) -> Paper:
        rng, twin = self.rng, self.rng.choice(self.visible)
        text = (
            self._prose(),
            twin.text,
            twin.text.replace(" is ", " was ", 1),
            " ".join(rng.choice(SUBJECTS) for _ in range(rng.randint(5, 60))),
        )[n % 4]
        title, source = (twin.title, f"vault-{n}") if n % 3 == 0 else (f"Secret {n}", rng.choice(["docs", "vault"]))
        supersedes = (twin.title,) if source == "docs" and n % 2 else ()
        (fate,) = rng.choices(["live", "republished", "deleted", "quarantined"], [20, 1, 1, 1])
        owner = self._owner("user:mallory")
        age = rng.choice(["fresh", "stale", "expired"])
        return Paper(self._id(), title, text, source, owner, rng.choice(self.acls), supersedes, fate, age)

    def _owner(self, other: str) -> str | None:
        return self.rng.choice([None, "user:carol", other])

    def _prose(self) -> str:
        """One or two paragraphs."""
        rng, sentences = self.rng, []
        for _ in range(rng.randint(2, 5)):
            subject, rule = rng.choice(SUBJECTS), rng.choice(RULES).format(rng.randint(1, 30))
            sentences.append(f"{subject[0].upper()}{subject[1:]} {rng.choice(VERBS)} {rng.choice(PEOPLE)}, {rule}.")
        cut = rng.randint(1, len(sentences))
        return "\n\n".join(" ".join(part) for part in (sentences[:cut], sentences[cut:]) if part)


def fill(world: World, papers: Sequence[Paper], *, rival: bool) -> None:
    """Write and project ``papers`` in their order; ``rival`` has everything again in another tenant."""
    with world.catalog.transaction(TENANT) as session:
        directory.put_group(session, TENANT, "group:sales", name="Sales", members=["user:bob"], actor="test")
    for source in sorted({paper.source for paper in papers} - {"docs"}):
        world.source(source, in_search={"stale": "demote", "expired": "drop"})
    with world.catalog.transaction(TENANT) as session:
        session.get_one(Source, (TENANT, "docs")).in_search = {"stale": "demote", "expired": "drop"}
    for paper in papers:
        world.document(
            paper.title, paper.text, allow=None, source=paper.source, supersedes=paper.supersedes,
            document_id=paper.id, owner=paper.owner, modified_at=paper.modified_at, project=False,
        )  # fmt: skip
        with world.catalog.transaction(TENANT) as session:
            assign(session, TENANT, {paper.id: paper.acl or None}, actor="test")
            document = session.get_one(Document, (TENANT, paper.id))
            document.stale_after_s = 1 if paper.age == "stale" else None
            document.expire_after_s = 1 if paper.age == "expired" else None
        _meet_its_fate(world, paper)
    if rival:
        with world.catalog.transaction(ACROSS_TENANTS) as session:
            _copy_to_rival(session)
    world.projector.catch_up()


def _meet_its_fate(world: World, paper: Paper) -> None:
    if paper.fate == "republished":
        world.publish(paper.id, f"{paper.text}\n\nSo says its second version.", project=False)
    elif paper.fate != "live":
        with world.catalog.transaction(TENANT) as session:
            session.get_one(Document, (TENANT, paper.id)).state = paper.fate
            session.flush()
            outbox.append(session, TENANT, "remove", [paper.id])


def _copy_to_rival(session: Session) -> None:
    session.add(Tenant(id=RIVAL, name="Rival"))
    session.flush()
    for table in ("source", "acl", "clause", "document", "document_version", "chunk", "embedding"):
        columns = session.execute(
            sa.text("SELECT string_agg(column_name, ', ') FROM information_schema.columns"
                    " WHERE table_schema = 'public' AND table_name = :t AND column_name <> 'tenant_id'"),
            {"t": table},
        ).scalar_one()  # fmt: skip
        session.execute(
            sa.text(
                f"INSERT INTO {table} (tenant_id, {columns}) SELECT :r, {columns} FROM {table} WHERE tenant_id = :t"
            ),
            {"r": RIVAL, "t": TENANT},
        )
    live = session.execute(
        sa.text("SELECT id, current_version FROM document WHERE tenant_id = :r AND state = 'live'"), {"r": RIVAL}
    ).all()
    for document_id, version in live:
        outbox.append(session, RIVAL, "write", [document_id], version)


# --- what is asked -----------------------------------------------------------------------------------


def requests(corpus: Corpus, seed: int) -> Iterator[tuple[str, Json]]:
    """Searches and questions without end: path and body."""
    rng = random.Random(seed)
    papers = corpus.visible + corpus.hidden
    while True:
        body: Json = {"limit": rng.choice([1, 3, 10, 20, 40])}
        if rng.random() < 0.6:
            body["filter"] = _filter(rng, papers)
        if rng.random() < 0.25:
            conversation = {"conversation_id": f"about {rng.randint(1, 20)}"} if rng.random() < 0.5 else {}
            yield "/ask", {"question": _words(rng, papers), **body, **conversation}
        else:
            mode = rng.choice(["hybrid", "hybrid", "dense", "lexical"])
            said = _words(rng, papers) if rng.random() < 0.6 else _said(rng, papers)
            if rng.random() < 0.4:
                body["facets"] = ["source", "type", "owner", "language", "year", "freshness"]
            if rng.random() < 0.1 and mode != "lexical":
                body["like"] = {"document_id": rng.choice(papers).id}
            yield "/search", {"query": said, "mode": mode, "rerank": rng.random() < 0.5, **body}


def _words(rng: random.Random, papers: Sequence[Paper]) -> str:
    paper = rng.choice(papers)
    return rng.choice(
        [
            paper.title,
            paper.text[:300],
            rng.choice(paper.text.split(".")) or "the",
            f"“{paper.text[:80]}”",
            f"Who must approve {rng.choice(SUBJECTS)}?",
            f"How many days of {rng.choice(SUBJECTS)} may I take?",
            f"{rng.choice(SUBJECTS)} {rng.choice(SUBJECTS)} {rng.choice(PEOPLE)}",
            rng.choice(SUBJECTS),
            "the of and",
            "zygote quasar",
            " ",
        ]
    )


def _said(rng: random.Random, papers: Sequence[Paper]) -> str:
    """In the query language: phrases of what is there or hidden, what is left out, filters."""
    paper = rng.choice(papers)
    words = paper.text.split()
    at = rng.randrange(max(1, len(words) - 4))
    terms = [
        f'"{" ".join(words[at : at + rng.randint(1, 4)])}"',
        f"-{rng.choice(SUBJECTS).split()[-1]}",
        f'-"{rng.choice(VERBS)}"',
        f"{rng.choice(['', '-'])}source:{paper.source}",
        f"owner:{paper.owner or 'nobody'}",
        f"{rng.choice(['before', 'after'])}:{paper.modified_at:%Y-%m-%d}",
        rng.choice(["type:txt", "type:pdf", "lang:en"]),
        rng.choice(SUBJECTS),
        rng.choice(SUBJECTS),
    ]
    return " ".join(rng.sample(terms, rng.randint(1, 4)))


def _filter(rng: random.Random, papers: Sequence[Paper]) -> Json:
    paper = rng.choice(papers)
    given: list[tuple[str, Any]] = [
        ("source", [paper.source]),
        ("source", ["docs", "vault", "nothing-of-the-kind"]),
        ("owner", [paper.owner or "user:nobody"]),
        ("mime", ["text/plain"]),
        ("language", ["en"]),
        ("modified_after", paper.modified_at.isoformat()),
        ("modified_before", paper.modified_at.isoformat()),
    ]
    return dict(rng.sample(given, rng.randint(1, 2)))
