"""Questions while a generation of the index is built, swapped to and gone back from: none fails, none is mixed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from acl.compile import compile_payload
from ingestion.generations import build
from ingestion.generations.build import build_waiting
from ingestion.generations.recipe import Choice, recipe_by
from ingestion.services import Services as IngestionServices
from retrieval.compare import Asked, asked_questions, compare
from retrieval.openings import Openings
from retrieval.pipeline import search
from retrieval.services import Services
from retrieval.types import Question
from tests.index.world import HostProcess
from tests.retrieval.conftest import OFFICE, PARENTAL, TRAVEL
from tests.retrieval.world import SECRET, TENANT, World, open_world
from tests.scratch import scratch
from vouch.catalog import generations
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import IndexGeneration, Trace
from vouch.core.errors import Conflict, InvalidInput, NotFound
from vouch.core.ranking import ndcg
from vouch.core.settings import Settings
from vouch.core.types import AccessFilter, IndexHits, IndexQuery, SparseVector
from vouch.embedded.platform import environment
from vouch.gateway.embed import Embedder
from vouch.index.lexical import analysis_named
from vouch.index.projector import Projector
from vouch.index.protocol import Index
from vouch.index.verify import verify

ANOTHER = Choice(context="text.v1", lexical="german.v1")
WORDS_READ_OTHERWISE = Choice(lexical="german.v1")
"""Embeds nothing anew: the company's documents are written straight into the catalog, with vectors of one kind."""
WORDS = "the hotels were booked by everybody working in Berlin offices"
"""Other terms in either language, of which some are found in every document."""


@dataclass
class Heard:
    """What each thread asked of the index last."""

    by_thread: dict[int, list[tuple[str, SparseVector | None]]] = field(default_factory=dict)

    def mine(self) -> list[tuple[str, SparseVector | None]]:
        return self.by_thread.setdefault(threading.get_ident(), [])


class Listening:
    """An index of which it is known who asked what."""

    def __init__(self, index: Any, generation: str, heard: Heard) -> None:
        self._index, self._generation, self._heard = index, generation, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        self._heard.mine().append((self._generation, query.lexical))
        hits: IndexHits = self._index.search(query, access)
        return hits


@dataclass
class Two:
    """A company whose index is in a host of its own, so that any number of threads may ask it."""

    world: World
    ingestion: IngestionServices
    heard: Heard
    open: Callable[[str], Index]

    @property
    def services(self) -> Services:
        return self.world.services

    @property
    def projector(self) -> Projector:
        return self.ingestion.projector

    def make(self, choice: Choice = ANOTHER) -> str:
        with self.world.catalog.transaction(ACROSS_TENANTS) as session:
            settings = self.services.settings
            return generations.create(session, recipe_by(settings, choice), settings.embed_model, 384).id

    def built(self, choice: Choice = ANOTHER) -> str:
        made = self.make(choice)
        build_waiting(self.ingestion, enough_s=600)
        assert self.state(made) == "ready"
        return made

    def state(self, generation: str) -> str:
        with self.world.catalog.reading(ACROSS_TENANTS) as session:
            return session.get_one(IndexGeneration, generation).state

    def swap(self, to: str) -> None:
        with self.projector.alone() as session:
            self.projector.swap(session, to)

    def clean(self, generation: str) -> bool:
        self.projector.catch_up()
        with self.world.catalog.reading(ACROSS_TENANTS) as session:
            row = session.get_one(IndexGeneration, generation)
            return verify(session, self.open(generation), compile_payload, row).clean

    def search(self, words: str = WORDS, user: str = "alice") -> tuple[str, set[str]]:
        """The generation that the trace names, and the titles found. Fails where another one was asked as well, or
        the words were read in another one's way."""
        mine = self.heard.mine()
        mine.clear()
        results = search(self.services, self.world.asker(user), Question(words, 20, rerank=False))
        with self.world.catalog.reading(TENANT) as session:
            trace = session.get_one(Trace, (TENANT, results.trace_id))
            named = str(trace.data["index"]["generation"])
            row = session.get_one(IndexGeneration, named)
        assert mine == [(named, analysis_named(row.lexical).query(words))] * len(mine) and mine
        return named, {hit.title for hit in results.hits}

    def child(self, script: str) -> subprocess.Popen[str]:
        """A process of its own on the same platform."""
        env = environment(self.services.settings)
        command = [sys.executable, "-c", script]
        return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def two(catalog: Catalog, database_url: str, redis_url: str, embedder: Embedder) -> Iterator[Two]:
    with scratch() as folder:
        data = Path(folder)
        settings = Settings(
            data_dir=data, database_url=SecretStr(database_url), redis_url=SecretStr(redis_url),
            secret_key=SecretStr(SECRET),
        )  # fmt: skip
        (data / "run").mkdir()
        host = HostProcess(data / "hosted", settings.sockets / "index.sock")
        heard = Heard()
        try:
            for world in open_world(catalog, embedder, data):
                openings = Openings(settings, embedder, lambda name: Listening(host.client(name), name, heard))  # type: ignore[arg-type, return-value]
                first = Listening(host.client("g1"), "g1", heard)
                projector = Projector(catalog, host.client, compile_payload)
                world.use(settings=settings, index=first, openings=openings)
                world.projector = projector
                ingestion = IngestionServices(settings, catalog, world.services.blobs, None, None)  # type: ignore[arg-type]
                ingestion.__dict__.update(embedder=embedder, projector=projector)
                for title, text in (("Travel", TRAVEL), ("Office", OFFICE)):
                    world.document(title, text, project=False)
                world.document("Parental", PARENTAL, allow=["group:hr"])
                yield Two(world, ingestion, heard, host.client)
        finally:
            host.stop()


def test_no_question_fails_or_is_mixed_while_generations_are_built_and_swapped(two: Two) -> None:
    over, asked = threading.Event(), list[str]()
    gone: set[str] = set()
    """Titles that nobody may be shown from now on."""

    def questions() -> None:
        while not over.is_set():
            hidden = set(gone)
            generation, titles = two.search()
            assert not titles & hidden, titles & hidden
            asked.append(generation)

    pool = ThreadPoolExecutor(3)
    asking = [pool.submit(questions) for _ in range(3)]

    def answered(generation: str, times: int = 4) -> None:
        """Let some questions be asked of this generation, whatever the pace."""
        seen = len(asked)
        while asked[seen:].count(generation) < times and not any(one.done() for one in asking):
            over.wait(0.01)

    def churn(n: int) -> None:
        """Something comes, something is replaced, something is revoked, something goes."""
        kept = two.world.document(f"Kept {n}", f"Berlin hotels {n}.")
        two.world.publish(kept, f"Working hotels in Berlin {n}.")
        revoked = two.world.document(f"Revoked {n}", f"Offices in Berlin {n}.")
        two.world.readers(revoked, (), project=n % 2 == 0)
        gone.add(f"Revoked {n}")
        deleted = two.world.document(f"Deleted {n}", f"Everybody in Berlin {n}.")
        two.world.forget(deleted)
        gone.add(f"Deleted {n}")

    try:
        answered("g1")
        made = two.make(WORDS_READ_OTHERWISE)
        churn(0)
        build_waiting(two.ingestion, enough_s=600)
        assert two.state(made) == "ready", two.state(made)
        for n, to in enumerate((made, "g1", made), 1):
            churn(n)
            two.swap(to)
            answered(to)
            churn(10 + n)
            answered(to)
    finally:
        over.set()
        pool.shutdown()
    for one in asking:
        one.result()  # raises what went wrong with a question
    assert set(asked) == {"g1", made}
    assert two.clean("g1") and two.clean(made)
    generation, titles = two.search()
    assert generation == made and not titles & gone and "Kept 13" in titles


FILL = """
import sys
from ingestion.generations import build
from ingestion.services import Services
from vouch.core.ranking import ndcg
from vouch.core.settings import Settings
build.BATCH = 1
services = Services.open(Settings())
fill = services.projector.fill
def filling(*given):
    {before}
    done = fill(*given)
    {after}
    return done
services.projector.fill = filling
build.build_waiting(services, enough_s=600)
print("done", flush=True)
"""
HERE = "print('here', flush=True); sys.stdin.readline()"
SWAP = """
import sys
from ingestion.services import Services
from vouch.core.ranking import ndcg
from vouch.core.settings import Settings
services = Services.open(Settings())
with services.projector.alone() as session:
    services.projector.swap(session, "g2")
    {before}
{after}
"""


def _killed(two: Two, script: str) -> None:
    """Kill -9 at the place that the script says it is at."""
    child = two.child(script)
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "here\n"
        child.kill()


def test_a_killed_build_goes_on(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "BATCH", 1)
    two.make(WORDS_READ_OTHERWISE)
    _killed(two, FILL.format(before=HERE, after="pass"))
    _killed(two, FILL.format(before="pass", after=HERE))
    with two.world.catalog.reading(ACROSS_TENANTS) as session:
        assert session.get_one(IndexGeneration, "g2").progress["done"] == 1
    two.world.document("Meanwhile", "Hotels that came while nobody filled anything.")
    assert not build_waiting(two.ingestion, enough_s=600)
    assert two.state("g2") == "ready" and two.clean("g2")
    assert two.search()[0] == "g1"


def test_a_killed_swap_happened_or_did_not(two: Two) -> None:
    two.built(WORDS_READ_OTHERWISE)
    two.world.document("Meanwhile", "Hotels in Berlin.", project=False)
    _killed(two, SWAP.format(before=HERE, after="pass"))
    assert two.search()[0] == "g1" and (two.state("g1"), two.state("g2")) == ("active", "ready")
    _killed(two, SWAP.format(before="pass", after=HERE))
    assert (two.state("g1"), two.state("g2")) == ("retired", "active")
    generation, titles = two.search()
    assert generation == "g2" and "Meanwhile" in titles  # it was brought up to the outbox first
    assert two.clean("g1") and two.clean("g2")


def test_a_question_keeps_to_the_generation_that_it_began_with(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Swapped between the question's first look and its search: it ends where it began, the next one does not."""
    made = two.built()
    swapped: list[str] = []
    from retrieval import finding

    rewrite = finding.rewrite

    def swapping(*given: Any) -> Any:
        if not swapped:
            swapped.append(made)
            two.swap(made)
        return rewrite(*given)

    monkeypatch.setattr(finding, "rewrite", swapping)
    assert two.search()[0] == "g1"
    assert two.search()[0] == made


def test_what_two_generations_find_is_compared_and_kept(two: Two) -> None:
    made = two.built()
    for words in ("paid parental leave", "hotel costs", "hotel costs"):
        two.search(words)
    two.search("front desk", "bob")
    with two.world.catalog.reading(TENANT) as session:
        asked = asked_questions(session, TENANT, 50)
    assert {(one.user, one.query) for one in asked} == {
        ("user:alice", "paid parental leave"), ("user:alice", "hotel costs"), ("user:bob", "front desk"),
    }  # fmt: skip
    found = compare(two.services, TENANT, made, asked)
    assert (found["with"], found["questions"], found["judged"]) == ("g1", 3, 0)
    assert 0 <= found["overlap_10"] <= 1 and 0 <= found["same_first"] <= 1
    judged = [
        Asked("user:alice", "paid parental leave", {"Parental": 1}),
        Asked("user:bob", "paid parental leave", {"Parental": 1}),  # who may not read it
        Asked("user:nobody", "paid parental leave", {"Parental": 1}),
    ]
    found = compare(two.services, TENANT, made, judged)
    assert found["questions"] == 2 and found["ndcg_10"] == {"active": 0.5, "other": 0.5}
    assert (found["better"], found["worse"]) == (0, 0)
    with two.world.catalog.reading(ACROSS_TENANTS) as session:
        assert session.get_one(IndexGeneration, made).compared == found
    with pytest.raises(Conflict):
        compare(two.services, TENANT, "g1", judged)
    with pytest.raises(NotFound):
        compare(two.services, TENANT, "g9", judged)
    with pytest.raises(InvalidInput):
        compare(two.services, TENANT, made, judged[2:])


@pytest.mark.parametrize(
    ("ranking", "expected"), [(["a", "b"], 1.0), (["b", "a"], 0.8597), (["x"], 0.0), (["x", "a"], 0.4796), ([], 0.0)]
)
def test_ndcg(ranking: Sequence[str], expected: float) -> None:
    assert ndcg({"a": 2, "b": 1}, ranking, 10) == pytest.approx(expected, abs=1e-4)


def test_the_model_of_a_generation_is_looked_for_under_its_name(two: Two) -> None:
    from vouch.core.errors import ModelUnavailable

    with two.world.catalog.reading(ACROSS_TENANTS) as session:
        row = session.exec(select(IndexGeneration).where(col(IndexGeneration.id) == "g1")).one()
    other = IndexGeneration(**{**row.model_dump(), "id": "g7", "model": "another@0000.r1"})
    with pytest.raises(ModelUnavailable, match="another@0000"):
        two.services.on(other)
    assert two.services.on(row).query_vectors is two.services.query_vectors
    assert replace(two.services, openings=None).on(row).index is two.services.index
