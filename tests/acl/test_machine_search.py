"""The oracle against search: a real index with a real projector, both gates, and answers read again.

A check is one user and one document: found among the hits, or not. Every document fits every query and the limit is
beyond their number, so what is found must be exactly what may be read. While the index lags, it must be what may be
read and what the index knew already could be.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from acl.caller import Asker
from retrieval import pipeline
from retrieval.answers import read_answer
from retrieval.types import Question
from tests.acl import operations, twin
from tests.acl.operations import History, Names
from tests.acl.oracle import Clauses, Refused, World
from tests.retrieval.world import TENANT, open_world
from tests.retrieval.world import World as Company
from vouch.catalog import epoch as epochs
from vouch.catalog.database import Catalog
from vouch.core.errors import NotFound, Unauthenticated
from vouch.gateway.embed import Embedder

NAMES = Names.of(users=8, groups=9, documents=40)
CHANGES = tuple(one for one in operations.OPERATIONS if one is not operations.publish)
QUERY = "lighthouse of the harbour"


class Searched:
    """A company that changes, its index, and what the oracle says of both."""

    def __init__(self, company: Company, rng: Random) -> None:
        self.company, self.rng = company, rng
        world = NAMES.world(rng)
        twin.lay(company.catalog, TENANT, replace(world, documents={}))
        for name, document in world.documents.items():
            company.document(
                name, self._text(name), allow=None, source=document.source, document_id=name, project=False
            )
        twin.lay(company.catalog, TENANT, world)
        with company.catalog.reading(TENANT) as session:
            self.history = History(epochs.current(session, TENANT), world)
        self.versions = dict.fromkeys(NAMES.documents, 1)
        self.indexed: dict[str, tuple[int, Clauses | None]] = {}
        self.answers: list[tuple[str, str, frozenset[str]]] = []
        self.deleted: set[str] = set()
        self.catch_up()

    @property
    def world(self) -> World:
        return self.history.newest

    def catch_up(self) -> None:
        self.company.projector.catch_up()
        there = {name: one for name, one in self.world.documents.items() if one.state != "deleted"}
        self.indexed = {name: (self.versions[name], one.acl) for name, one in there.items()}

    def change(self) -> None:
        gone = [name for name, one in self.world.documents.items() if one.state != "live"]
        if len(gone) > 5 or (gone and self.rng.random() < 0.3):
            self._publish(self.rng.choice(gone))
            return
        operation = self.rng.choice(CHANGES)
        try:
            with self.company.catalog.transaction(TENANT) as session:
                epoch, effect = operation(session, TENANT, NAMES, self.rng)
        except NotFound:
            return
        if epoch is not None:
            self.history.record(epoch, effect)
            self.deleted |= {name for name, one in self.world.documents.items() if one.state == "deleted"}

    def sweep(self, *, lagging: bool) -> tuple[int, int]:
        """Every user searches. Returns the checks made and how many of them found something."""
        found_in_all = 0
        for user in NAMES.users:
            allowed = self.world.readable(user)
            found = self._found(user)
            assert found <= allowed, (user, found - allowed)
            assert found >= (self._known(user) & allowed if lagging else allowed), (user, allowed - found)
            found_in_all += len(found)
        self._read_again()
        return len(NAMES.users) * len(NAMES.documents), found_in_all

    def ask(self) -> None:
        """Someone asks, and keeps the answer."""
        user = self.rng.choice(NAMES.users)
        if self.world.readable(user):
            released, _ = pipeline.ask(self.company.services, Asker(TENANT, user, "key"), Question(QUERY, 10))
            assert released.inputs <= self.world.readable(user)
            if released.inputs:
                self.answers.append((user, released.id, released.inputs))

    def _read_again(self) -> None:
        """Answers by their askers and by others: while all that they were made from may be read."""
        for asker, answer_id, inputs in self.answers[-12:]:
            for user in NAMES.users:
                may = user == asker and self.world.readable_together(user, inputs)
                try:
                    read_answer(self.company.catalog, Asker(TENANT, user, "key"), answer_id)
                    assert may, (user, answer_id)
                except (NotFound, Unauthenticated):
                    assert not may or inputs & self.deleted, (user, answer_id)

    def _found(self, user: str) -> frozenset[str]:
        mode = self.rng.choice(("hybrid", "dense", "lexical"))
        question = Question(QUERY, 50, mode=mode, rerank=self.rng.random() < 0.3)
        try:
            hits = pipeline.search(self.company.services, Asker(TENANT, user, "key"), question).hits
        except Unauthenticated:
            return frozenset()
        return frozenset(hit.document_id for hit in hits)

    def _known(self, user: str) -> frozenset[str]:
        """What the index, as it stands, must let through to the user of today."""
        try:
            principals = self.world.principals(user)
        except Refused:
            return frozenset()
        return frozenset(
            name
            for name, (version, acl) in self.indexed.items()
            if version == self.versions[name] and World.permitted(principals, acl)
        )

    def _publish(self, name: str) -> None:
        self.versions[name] = self.company.publish(name, self._text(name), project=False)
        with self.company.catalog.transaction(TENANT) as session:
            epoch = epochs.bump(session, TENANT, kind="test", subject="test", actor="test")
        document = replace(self.world.documents[name], state="live")
        self.history.record(epoch, lambda world: world.put("documents", name, document))

    @staticmethod
    def _text(name: str) -> str:
        return f"The lighthouse of the harbour is written of in {name}. Its lamp was lit on day {name[1:]} of the year."


@pytest.fixture
def company(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[Company]:
    yield from open_world(catalog, embedder, tmp_path)


@pytest.mark.parametrize(
    "wanted", [pytest.param(2_000, id="2,000 checks"), pytest.param(20_000, id="20,000 checks", marks=pytest.mark.slow)]
)
def test_search_finds_exactly_what_may_be_read(company: Company, wanted: int) -> None:
    seed = secrets.randbelow(10**6)
    print(f"\nseed {seed}")
    searched = Searched(company, Random(seed))
    checks = found = behind = 0
    while checks < wanted:
        lagging = searched.rng.random() < 0.5
        for _ in range(searched.rng.randint(1, 6)):
            searched.change()
        if not lagging:
            searched.catch_up()
        made, hits = searched.sweep(lagging=lagging)
        checks, found, behind = checks + made, found + hits, behind + made * lagging
        searched.ask()
    print(
        f"{checks} checks, {found} found, {behind} while the index lagged; {len(searched.answers)} answers read again:"
        " 0 differences"
    )
    assert 0.02 < found / checks < 0.98
