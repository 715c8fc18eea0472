"""Non-interference: what an asker may not read changes nothing of what they are shown.

Each request is made in two companies that differ in hidden documents alone, through the HTTP interface, with the real
embedder and the real index. Ids, order, scores to the last bit, counts, errors, abstentions, notices, freshness,
usage, traces and the number of statements and index searches that it took: all equal. What remains is the fourth digit
of a few of the engine's lexical scores, whose noise comes of the order in which words first came to the index
(`vouch/index/settle.py`): it is counted, held to its bound, and taken out where it arises, so that all that is made of
the scores has to be equal without exception.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.conftest import fresh_database
from tests.retrieval.twins import SUBJECTS, TOO_MANY, Corpus, fill, requests
from tests.retrieval.world import World, open_world
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.core.settings import Settings
from vouch.core.types import AccessFilter, IndexHit, IndexHits, IndexQuery, Json
from vouch.gateway.embed import Embedder
from vouch.gateway.rerank_document import DocumentReranker, Signals
from vouch.index.protocol import Index

SEED = 77
OWN = frozenset({"trace_id", "answer_id", "ms", "at_ms", "created_at"})
"""What no two requests have in common."""
ASKERS = ("bob", "dave")
LAST_DIGIT = 0.001
"""Of a lexical score of four significant digits, at most, relative to it."""
MOST_NOISE = 0.001
"""Share of the index's lexical scores that may differ so."""


class WatchedIndex:
    """Passes everything on; its side counts and keeps what it found."""

    def __init__(self, index: Index, side: Side) -> None:
        self._index, self._side = index, side

    def search(self, query: IndexQuery, access: AccessFilter) -> IndexHits:
        return self._side.searched(self._index.search(query, access))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)


@dataclass
class Side:
    """One of the twins. ``spent``: statements and index searches of the last request; ``found``: what each of these
    found by words. ``other``: who was asked the same just before, if anyone; lexical scores that differ from theirs
    in the last digit are counted in ``noise`` and become theirs."""

    world: World
    other: Side | None = None
    spent: Counter[str] = field(default_factory=Counter)
    found: list[tuple[IndexHit, ...]] = field(default_factory=list)
    noise: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for user in (*ASKERS, "alice"):
            self.world.headers(user)
        with self.world.catalog.transaction(ACROSS_TENANTS) as session:  # the minute's mark of use is the clock's doing
            session.execute(sa.text("UPDATE api_key SET last_used_at = now() + interval '1 day'"))
        self.world.use(index=WatchedIndex(self.world.services.index, self))
        sa.event.listen(self.world.catalog.engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self.spent["statements"] += 1

    def searched(self, hits: IndexHits) -> IndexHits:
        nth, lexical = self.spent["searches"], hits.lexical
        if self.other is not None and nth < len(self.other.found):
            given = {_key(hit): hit.score for hit in self.other.found[nth]}
            settled = (replace(hit, score=self._settled(hit.score, given.get(_key(hit)))) for hit in lexical)
            lexical = tuple(sorted(settled, key=lambda hit: (-hit.score, *_key(hit))))
        self.spent["searches"] += 1
        self.found.append(lexical)
        return replace(hits, lexical=lexical)

    def _settled(self, score: float, other: float | None) -> float:
        self.noise["compared"] += other is not None
        if other is None or score == other or abs(score - other) > 1.1 * LAST_DIGIT * score:
            return score
        self.noise["differed"] += 1
        return other

    def shown(self, method: str, path: str, user: str, body: Json | None = None) -> tuple[Any, ...]:
        """All that the asker sees, and what it cost; the body itself last."""
        self.spent.clear()
        self.found.clear()
        response = self.world.client.request(method, f"/v1{path}", json=body, headers=self.world.headers(user))
        given = response.json() if response.content else None
        headers = {k: v for k, v in response.headers.items() if k != "content-length"}
        return response.status_code, headers, dict(self.spent), _without_own(given), given


def _key(hit: IndexHit) -> tuple[str, int, int]:
    return hit.document_id, hit.version, hit.ordinal


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_own(one) for key, one in value.items() if key not in OWN}
    return [_without_own(one) for one in value] if isinstance(value, list) else value


def _first_difference(one: Any, other: Any, at: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next(_first_difference(one[k], other[k], f"{at}.{k}") for k in one if one[k] != other[k])
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(_first_difference(a, b, f"{at}[{n}]") for n, (a, b) in pairs if a != b)
    return f"{at}: {one!r} is not {other!r}"


@dataclass
class Twins:
    corpus: Corpus
    without: Side
    with_hidden: Side

    def same(
        self, method: str, path: str | tuple[str, str], user: str, body: Json | None = None, *, cost: bool = True
    ) -> tuple[Json, Json]:
        """The two bodies, which differ in nothing but their own ids."""
        left, right = (path, path) if isinstance(path, str) else path
        *a, one = self.without.shown(method, left, user, body)
        *b, other = self.with_hidden.shown(method, right, user, body)
        if not cost:
            a[2] = b[2]
        assert a == b, f"{user} {method} {path} {body}: {_first_difference(a, b)}"
        return one, other


@pytest.fixture(
    scope="module",
    params=[(SEED, 45, 150), pytest.param((SEED + 1, 90, 1_800), marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def twins(
    request: pytest.FixtureRequest,
    servers: Settings,
    migrated: str,
    embedder: Embedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Twins]:
    seed, visible, hidden = request.param
    print(f"seed {seed}: {visible} visible and {hidden} hidden documents")
    yield from _twins(Corpus(seed, visible, hidden), (servers, migrated), embedder, tmp_path_factory.mktemp("twins"))


def _twins(corpus: Corpus, database: tuple[Settings, str], embedder: Embedder, folder: Path) -> Iterator[Twins]:
    with fresh_database(*database) as one, fresh_database(*database) as other:
        catalogs = [Catalog(url, audit_key=b"of the tests") for url in (one, other)]
        worlds = [open_world(catalog, embedder, folder / str(n)) for n, catalog in enumerate(catalogs)]
        without, with_hidden = (next(world) for world in worlds)
        fill(without, corpus.papers(with_hidden=False), rival=False)
        fill(with_hidden, corpus.papers(with_hidden=True), rival=True)
        with_hidden.use(query_vectors=without.services.query_vectors)
        side = Side(without)
        yield Twins(corpus, side, Side(with_hidden, side))
        for world in worlds:
            next(world, None)
        for catalog in catalogs:
            catalog.close()


def test_what_is_hidden_changes_nothing(twins: Twins) -> None:
    queries = 300 if len(twins.corpus.hidden) < 1_000 else 10_000
    kinds: Counter[str] = Counter()
    for n, (path, body) in enumerate(islice(requests(twins.corpus, SEED), queries)):
        user = ASKERS[n % 2]
        one, other = twins.same("POST", path, user, body)
        kinds[f"{path} {one.get('kind', one.get('code', len(one.get('hits', ())) > 0))}"] += 1
        kinds["counted"] += bool((one.get("matched") or {}).get("documents"))
        kinds["listed"] += bool(one.get("hits")) and one["hits"][0]["scores"]["fused"] == 0
        kinds["like"] += "like" in body and bool(one.get("hits"))
        if "trace_id" not in one or (path == "/search" and n % 3):
            continue
        told = twins.same("GET", (f"/traces/{one['trace_id']}", f"/traces/{other['trace_id']}"), user)[0]
        kinds.update(name for name in ("demoted", "dropped") if told[name])
        if path == "/ask":
            for rest in ("", "/citations"):
                twins.same("GET", (f"/answers/{one['answer_id']}{rest}", f"/answers/{other['answer_id']}{rest}"), user)
            if one["conversation_id"]:
                twins.same("GET", f"/conversations/{one['conversation_id']}", user)
    print(dict(kinds), "lexical scores", dict(twins.with_hidden.noise))
    assert twins.with_hidden.noise["differed"] <= MOST_NOISE * twins.with_hidden.noise["compared"]
    assert kinds["/search True"] > queries / 3 and kinds["/ask answer"] > queries / 50
    assert kinds["demoted"] > queries / 10 and kinds["dropped"] > queries / 10
    assert kinds["/ask abstention"] and kinds["/search False"] and kinds["/search question_empty"]
    assert kinds["counted"] > queries / 10 and kinds["listed"] and kinds["like"] and kinds["/search not_found"]
    _bites(twins)


@pytest.fixture
def twins_behind_gate_two(servers: Settings, migrated: str, embedder: Embedder, tmp_path: Path) -> Iterator[Twins]:
    corpus = Corpus(SEED + 2, 60, 80, acls=TOO_MANY)
    yield from _twins(corpus, (servers, migrated), embedder, tmp_path)


def test_what_gate_two_alone_hides_takes_no_place(twins_behind_gate_two: Twins) -> None:
    """Documents that the index lets through push nothing out of a ranking. They take more searches, and they count in
    the IDF, so the dense arm is compared."""
    twins = twins_behind_gate_two
    searches = (request for request in requests(twins.corpus, SEED) if request[0] == "/search")
    for n, (path, body) in enumerate(islice(searches, 80)):
        one, other = twins.same("POST", path, ASKERS[n % 2], {**body, "mode": "dense"}, cost=False)
        if "trace_id" in one:
            traces = f"/traces/{one['trace_id']}", f"/traces/{other['trace_id']}"
            twins.same("GET", traces, ASKERS[n % 2], cost=False)
    assert twins.with_hidden.world.search("alice", "Secret parental leave", limit=40)
    _bites(twins)


def test_probing_for_a_document_tells_nothing(twins: Twins) -> None:
    """Its exact title, a quote of it, its id, its owner, its source; explanations and lists want other scopes."""
    for n, paper in enumerate(twins.corpus.hidden[:20]):
        user = ASKERS[n % 2]
        twins.same("POST", "/search", user, {"query": paper.title})
        twins.same("POST", "/search", user, {"query": paper.text[:200], "filter": {"source": [paper.source]}})
        twins.same("POST", "/ask", user, {"question": f"Is it true that “{paper.text[:200]}”?"})
        twins.same("POST", "/search", user, {"query": paper.text[:50], "filter": {"owner": ["user:mallory"]}})
        for rest in ("", "/text", "/text?version=2"):
            twins.same("GET", f"/documents/{paper.id}{rest}", user)
        twins.same("GET", f"/access/explain?user=user:{user}&document={paper.id}", user)


def test_what_a_document_is_raised_by_is_seen_by_its_asker(twins: Twins) -> None:
    """The document reranker goes by a candidate's title and its document's other candidates, by words that few hold,
    and by the candidates that it is near to."""
    sides = twins.without.world, twins.with_hidden.world
    usual = [world.services.reranker for world in sides]
    for world in sides:
        world.use(reranker=DocumentReranker(Signals(0.5, 1.0, 0.5, 1.0, 0.8)))
    raised = 0
    try:
        for n, paper in enumerate(twins.corpus.visible[:12]):
            one, _ = twins.same("POST", "/search", ASKERS[n % 2], {"query": paper.title, "limit": 30})
            raised += any(hit["scores"]["rerank"] > hit["scores"]["fused"] for hit in one["hits"])
    finally:
        for world, reranker in zip(sides, usual, strict=True):
            world.use(reranker=reranker)
    assert raised > 8


def test_what_a_word_is_read_as_is_a_word_that_its_asker_sees(twins: Twins) -> None:
    """A word that no hit holds is read as one of the hits; those of hidden documents put nobody right."""
    read = 0
    for n, subject in enumerate(SUBJECTS):
        slipped = subject[:-2] + subject[-1]
        one, _ = twins.same("POST", "/search", ASKERS[n % 2], {"query": slipped, "limit": 10})
        read += bool(one["read_as"])
    assert read > 5
    hidden = {"query": "vaullt secrret", "limit": 10, "mode": "lexical"}
    assert twins.same("POST", "/search", "bob", hidden)[0]["read_as"] == []


def _bites(twins: Twins) -> None:
    """Alice may read most of it, and sees other things: the comparison is not blind."""
    differ = 0
    for path, body in islice(requests(twins.corpus, SEED), 40):
        *a, _ = twins.without.shown("POST", path, "alice", body)
        *b, _ = twins.with_hidden.shown("POST", path, "alice", body)
        differ += a != b
    assert differ > 15
