"""The contract of the index, run on every backend. A real server joins in when VOUCH_TEST_QDRANT_URL names one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from tests.contracts.oracle import Oracle, assert_ranking
from tests.index.world import ALICE, DIMENSIONS, EVERYONE, NOBODY, HostProcess, asker, point, readers, unit
from tests.scratch import scratch
from vouch.core.errors import InvalidInput
from vouch.core.types import AccessFilter, AccessPayload, IndexHit, IndexQuery, Point, SearchFilter, SparseVector
from vouch.index.edge import EdgeIndex
from vouch.index.fingerprint import fingerprint
from vouch.index.lexical import analysis_named, query_vector
from vouch.index.protocol import Index, IndexOp, RemoveVersions, SetAccess, StoredPoint, UpsertPoints
from vouch.index.qdrant import QdrantIndex, connect

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect:UserWarning", "ignore:Local mode performs exact:UserWarning"
)

NAMES = ["edge", "host", "qdrant-local", *(["qdrant-server"] if os.environ.get("VOUCH_TEST_QDRANT_URL") else [])]
MINUTE = 60


@dataclass
class Backend:
    """``open`` gives one generation, the same one again under the same name; ``close`` lets go of it."""

    open: Callable[[str], Index]
    close: Callable[[Index], None]


def _edge(folder: Path) -> Backend:
    def close(index: Index) -> None:
        assert isinstance(index, EdgeIndex)
        index.close()

    return Backend(lambda generation: EdgeIndex(folder / generation, generation), close)


def _qdrant(client: QdrantClient) -> Backend:
    return Backend(lambda generation: QdrantIndex(client, generation), lambda index: None)


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, Backend]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(scratch()))
        host = HostProcess(folder / "hosted", folder / "index.sock")
        stack.callback(host.stop)
        found = {
            "edge": _edge(folder / "edge"),
            "host": Backend(host.client, lambda index: None),
            "qdrant-local": _qdrant(QdrantClient(":memory:")),
        }
        if "qdrant-server" in NAMES:
            found["qdrant-server"] = _qdrant(
                connect(os.environ["VOUCH_TEST_QDRANT_URL"], os.environ.get("VOUCH_TEST_QDRANT_API_KEY"))
            )
        yield found


@pytest.fixture(params=NAMES)
def backend(request: pytest.FixtureRequest, backends: dict[str, Backend]) -> Backend:
    return backends[request.param]


@pytest.fixture
def index(backend: Backend) -> Iterator[Index]:
    opened = backend.open(f"g-{uuid.uuid4().hex[:12]}")
    yield opened
    backend.close(opened)


def write(index: Index, *ops: IndexOp, upto: int = 1) -> None:
    index.apply(ops, upto=upto)


def put(index: Index, *points: Point, upto: int = 1) -> None:
    write(index, UpsertPoints(points), upto=upto)


def seen(index: Index, access: AccessFilter = ALICE, where: SearchFilter | None = None) -> set[str]:
    """Documents that both the dense arm and the count admit."""
    where = where or SearchFilter()
    hits = index.search(IndexQuery(unit(0), None, 100, where), access).dense
    assert len(hits) == index.count(access, where)
    return {hit.document_id for hit in hits}


def lexical(index: Index, words: str, access: AccessFilter = ALICE, limit: int = 100) -> tuple[IndexHit, ...]:
    return index.search(IndexQuery(None, query_vector(words), limit), access).lexical


def stored(index: Index, *, batch: int = 1000) -> list[StoredPoint]:
    return [found for page in index.scan(batch=batch) for found in page]


# --- writing -------------------------------------------------------------------------------------------


def test_a_new_index_is_empty(index: Index) -> None:
    state = index.state()
    assert (state.points, state.applied_seq) == (0, 0)
    assert stored(index) == []
    assert seen(index) == set()
    assert lexical(index, "anything") == ()


def test_what_is_recorded_survives_closing(backend: Backend) -> None:
    name = f"g-{uuid.uuid4().hex[:12]}"
    index = backend.open(name)
    put(index, point("a", "budget"), upto=7)
    backend.close(index)
    index = backend.open(name)
    state = index.state()
    assert (state.generation, state.points, state.applied_seq) == (name, 1, 7)
    assert seen(index) == {"a"}
    backend.close(index)


def test_the_number_is_recorded_as_given(index: Index) -> None:
    write(index, RemoveVersions("acme", "a"), upto=4)
    assert index.state().applied_seq == 4
    put(index, point("a"), upto=9)
    write(index, upto=3)
    assert (index.state().points, index.state().applied_seq) == (1, 3)


def test_applying_again_changes_nothing(index: Index) -> None:
    ops: list[IndexOp] = [
        UpsertPoints((point("a", "one", version=1), point("a", "two", version=2), point("b", "three"))),
        SetAccess("acme", ("b",), readers(["user:bob"])),
        RemoveVersions("acme", "a", (1,)),
    ]
    index.apply(ops, upto=3)
    before = stored(index)
    index.apply(ops, upto=3)
    assert stored(index) == before
    assert len(before) == 2


def test_an_upsert_replaces_the_whole_point(index: Index) -> None:
    put(index, point("a", "salary review", mime="text/html", access=EVERYONE))
    put(index, replace(point("a", mime="text/plain"), dense=unit(5)))
    assert lexical(index, "salary") == ()
    assert seen(index, where=SearchFilter(mime=("text/html",))) == set()
    assert [s.fingerprint for s in stored(index)] == [fingerprint(replace(point("a"), dense=unit(5)))]


def test_more_than_one_batch(index: Index) -> None:
    put(index, *(point("long", f"word{n}", ordinal=n) for n in range(600)))
    assert index.state().points == 600
    assert [hit.ordinal for hit in lexical(index, "word577")] == [577]
    write(index, SetAccess("acme", (*(f"d{n}" for n in range(600)), "long"), NOBODY))
    assert index.count(ALICE, SearchFilter()) == 0


def test_remove_versions(index: Index) -> None:
    cases: list[tuple[tuple[int, ...] | None, set[int]]] = [
        ((1,), {2, 3}),
        ((1, 3), {2}),
        (None, set()),
        ((), {1, 2, 3}),
    ]
    for versions, left in cases:
        put(index, *(point("a", version=v, ordinal=o) for v in (1, 2, 3) for o in (0, 1)), point("b", version=1))
        write(index, RemoveVersions("acme", "a", versions))
        assert {s.version for s in stored(index) if s.document_id == "a"} == left
        assert index.state().points == 2 * len(left) + 1


def test_set_access_changes_the_named_documents_alone(index: Index) -> None:
    put(index, point("a", ordinal=0), point("a", ordinal=1), point("b"), point("c"))
    write(index, SetAccess("acme", ("a", "c"), readers(["user:bob"], deny=["user:eve"])))
    assert seen(index) == {"b"}
    assert seen(index, asker("user:bob")) == {"a", "c"}
    assert seen(index, asker("user:bob", "user:eve")) == set()
    write(index, SetAccess("acme", (), NOBODY))
    assert seen(index) == {"b"}


def _bent(**changes: object) -> Point:
    return replace(point("bad", "text"), **changes)  # type: ignore[arg-type]


def test_a_malformed_point_is_refused(index: Index) -> None:
    malformed = {
        "other length": _bent(dense=unit(1, DIMENSIONS + 1)),
        "not of unit length": _bent(dense=unit(1) * np.float32(2)),
        "not a number": _bent(dense=np.full(DIMENSIONS, np.nan, np.float32)),
        "no vector": _bent(dense=np.zeros(0, np.float32)),
        "terms not ascending": _bent(lexical=SparseVector((2, 1), (1.0, 1.0))),
        "more weights than terms": _bent(lexical=SparseVector((1,), (1.0, 2.0))),
        "infinite weight": _bent(lexical=SparseVector((1,), (float("inf"),))),
        "term too large": _bent(lexical=SparseVector((2**32,), (1.0,))),
        "no UUID": _bent(id="not-an-id"),
        "too few slots": _bent(access=AccessPayload((("user:a",),), ())),
        "everyone in the first slot": _bent(access=readers(["*"])),
        "deny everyone": _bent(access=readers(["user:a"], deny=["*"])),
    }
    put(index, point("good"))
    for what, bad in malformed.items():
        with pytest.raises(InvalidInput):
            put(index, bad, upto=2)
            pytest.fail(f"accepted: {what}")
    assert [s.document_id for s in stored(index)] == ["good"]
    assert index.state().applied_seq == 1


def test_malformed_access_is_refused(index: Index) -> None:
    put(index, point("a"))
    with pytest.raises(InvalidInput):
        write(index, SetAccess("acme", ("a",), readers(["*"])))
    assert seen(index, asker("user:bob")) == set()


# --- who may see what ----------------------------------------------------------------------------------


def test_every_clause_must_admit(index: Index) -> None:
    put(
        index,
        point("one", access=readers(["user:alice"])),
        point("two", access=readers(["user:alice"], ["group:hr"])),
        point("four", access=readers(["user:alice"], ["group:hr"], ["group:board", "group:it"], ["authenticated"])),
    )
    assert seen(index, asker("user:alice")) == {"one"}
    assert seen(index, asker("user:alice", "group:hr")) == {"one", "two"}
    assert seen(index, asker("user:alice", "group:hr", "group:it", "authenticated")) == {"one", "two", "four"}
    assert seen(index, asker("user:alice", "group:hr", "group:it")) == {"one", "two"}
    assert seen(index, asker("user:alice", "group:hr", "authenticated")) == {"one", "two"}
    assert seen(index, asker("group:hr", "group:it", "authenticated")) == set()


def test_a_deny_wins(index: Index) -> None:
    put(
        index,
        point("a", access=readers(["group:staff"], deny=["user:mallory"])),
        point("b", access=readers(["user:mallory"])),
    )
    assert seen(index, asker("group:staff", "user:bob")) == {"a"}
    assert seen(index, asker("group:staff", "user:mallory")) == {"b"}


def test_nobody_means_nobody(index: Index) -> None:
    put(index, point("a", "secret", access=NOBODY))
    assert seen(index) == set()
    assert lexical(index, "secret") == ()


def test_without_principals_nothing_is_visible(index: Index) -> None:
    put(index, point("a", "secret"))
    assert seen(index, asker()) == set()
    assert lexical(index, "secret", asker()) == ()


def test_the_filler_of_unused_slots_is_no_principal(index: Index) -> None:
    put(index, point("a", "secret", access=NOBODY))
    for question in (
        lambda: index.search(IndexQuery(unit(0), query_vector("secret"), 5), asker("*")),
        lambda: index.count(asker("*", "user:alice"), SearchFilter()),
    ):
        with pytest.raises(InvalidInput):
            question()


def test_tenants_do_not_meet(index: Index) -> None:
    put(index, point("same", "budget"), point("same", "budget", tenant="globex"), point("own", tenant="globex"))
    assert seen(index) == {"same"}
    assert len(lexical(index, "budget")) == 1
    write(index, SetAccess("acme", ("own",), NOBODY), RemoveVersions("acme", "own"), RemoveVersions("acme", "same"))
    assert seen(index) == set()
    assert seen(index, asker("authenticated", tenant="globex")) == {"same", "own"}


# --- what is asked -------------------------------------------------------------------------------------


def test_search_filters(index: Index) -> None:
    put(
        index,
        point("a", "plan", source_id="wiki", modified_at=MINUTE),
        point("b", "plan", source_id="drive", mime="application/pdf", owner="user:dave", modified_at=2 * MINUTE),
        point("c", "plan", source_id="drive", language="de", modified_at=3 * MINUTE),
        point("hidden", "plan", source_id="drive", access=NOBODY),
    )
    at, later = (datetime.fromtimestamp(2 * MINUTE + more, UTC) for more in (0, 0.5))
    for where, expected in (
        (SearchFilter(source=("wiki",)), {"a"}),
        (SearchFilter(source=("wiki", "drive")), {"a", "b", "c"}),
        (SearchFilter(mime=("application/pdf",)), {"b"}),
        (SearchFilter(language=("de",)), {"c"}),
        (SearchFilter(owner=("user:dave",)), {"b"}),
        (SearchFilter(source=("drive",), language=("en",)), {"b"}),
        (SearchFilter(modified_after=at), {"b", "c"}),
        (SearchFilter(modified_before=at), {"a"}),
        (SearchFilter(modified_after=later), {"c"}),
        (SearchFilter(modified_before=later), {"a", "b"}),
        (SearchFilter(owner=("user:nobody",)), set()),
    ):
        assert seen(index, where=where) == expected, where
        hits = index.search(IndexQuery(None, query_vector("plan"), 10, where), ALICE).lexical
        assert {hit.document_id for hit in hits} == expected, where


def test_a_time_without_a_zone_is_refused(index: Index) -> None:
    put(index, point("a"))
    with pytest.raises(InvalidInput):
        index.count(ALICE, SearchFilter(modified_after=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_the_best_come_first_and_no_more_than_asked(index: Index) -> None:
    put(index, *(point("a", "tea " * (n + 1), ordinal=n) for n in range(9)))
    target = point("a", ordinal=4).dense
    hits = index.search(IndexQuery(target, query_vector("tea"), 3), ALICE)
    assert hits.dense[0].ordinal == 4
    assert hits.dense[0].score == pytest.approx(1.0, abs=1e-5)
    assert [hit.ordinal for hit in hits.lexical] == [8, 7, 6]
    for arm in (hits.dense, hits.lexical):
        assert len(arm) == 3
        assert [hit.score for hit in arm] == sorted((hit.score for hit in arm), reverse=True)


def test_equal_scores_have_one_order(index: Index) -> None:
    same = unit(3)
    put(index, *(point(d, "tea", ordinal=o, dense=same) for d in ("b", "a") for o in (1, 0)))
    hits = index.search(IndexQuery(same, query_vector("tea"), 10), ALICE)
    expected = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert [(hit.document_id, hit.ordinal) for hit in hits.dense] == expected
    assert [(hit.document_id, hit.ordinal) for hit in hits.lexical] == expected


def test_only_the_given_parts_are_searched(index: Index) -> None:
    put(index, point("a", "tea"))
    only_dense = index.search(IndexQuery(unit(1), None, 5), ALICE)
    assert (len(only_dense.dense), only_dense.lexical) == (1, ())
    only_words = index.search(IndexQuery(None, query_vector("tea"), 5), ALICE)
    assert (only_words.dense, len(only_words.lexical)) == ((), 1)
    nothing = index.search(IndexQuery(None, query_vector("the of and"), 5), ALICE)
    assert (nothing.dense, nothing.lexical) == ((), ())


def test_words_that_nobody_wrote_find_nothing(index: Index) -> None:
    put(index, point("a", "tea"), point("b", "of the"))
    assert lexical(index, "zebra") == ()


def test_hidden_documents_do_not_change_what_is_seen(index: Index) -> None:
    put(index, point("a", "merger budget"), point("b", "budget budget"), point("c", "holiday"))
    before = lexical(index, "merger budget holiday")
    assert [hit.document_id for hit in before] == ["a", "c", "b"]
    hidden = [point(f"h{n}", "merger holiday secret", access=NOBODY) for n in range(20)]
    denied = [point(f"d{n}", "merger", access=readers(["authenticated"], deny=["user:alice"])) for n in range(20)]
    others = [point(f"o{n}", "merger holiday", tenant="globex") for n in range(20)]
    put(index, *hidden, *denied, *others)
    assert lexical(index, "merger budget holiday") == before
    assert lexical(index, "secret") == ()
    assert len(lexical(index, "merger", asker("user:bob", "authenticated"))) == 21


def test_narrowing_does_not_change_scores(index: Index) -> None:
    put(index, point("a", "merger plan", mime="text/html"), point("b", "merger"), point("c", "holiday"))
    everything = {hit.document_id: hit.score for hit in lexical(index, "merger plan")}
    query = IndexQuery(None, query_vector("merger plan"), 5, SearchFilter(mime=("text/html",)))
    assert {h.document_id: h.score for h in index.search(query, ALICE).lexical} == {"a": everything["a"]}


def test_removed_documents_leave_the_statistics(index: Index) -> None:
    put(index, point("a", "merger budget"), point("b", "budget"))
    before = lexical(index, "merger budget")
    put(index, *(point("gone", "merger", ordinal=n) for n in range(30)))
    write(index, RemoveVersions("acme", "gone"))
    assert lexical(index, "merger budget") == before


def test_points_without_words_are_not_in_the_statistics(index: Index) -> None:
    put(index, point("a", "merger budget"), point("b", "budget"))
    before = lexical(index, "merger budget")
    put(index, *(point("image", "", ordinal=n) for n in range(30)))
    assert lexical(index, "merger budget") == before


def test_the_plan_says_how_and_nothing_of_what_is_hidden(index: Index) -> None:
    put(index, point("a"), *(point(f"h{n}", access=NOBODY) for n in range(5)))
    plan = index.search(IndexQuery(unit(0), None, 5), ALICE).plan
    assert plan["dense"] == {"mode": "exact"}
    assert set(plan) == {"backend", "dense", "lexical"}


# --- verification --------------------------------------------------------------------------------------


def test_scan_gives_back_what_was_written(index: Index) -> None:
    points = [
        point("a", "first things", ordinal=0),
        point("a", "", ordinal=1, access=readers(["user:a"], ["group:b", "group:c"], deny=["user:d"])),
        point("b", "naïve café", tenant="globex", version=3, access=NOBODY, modified_at=0),
    ]
    put(index, *points)
    expected = [
        StoredPoint(p.id, p.tenant, p.document_id, p.version, p.ordinal, p.access, fingerprint(p))
        for p in sorted(points, key=lambda p: p.id)
    ]
    assert stored(index) == expected
    assert stored(index, batch=1) == expected
    assert stored(index, batch=2) == expected


def test_corruption_shows_in_the_fingerprint(index: Index) -> None:
    true = point("a", "first things")
    for corrupted in (
        replace(true, dense=unit(99)),
        replace(true, lexical=SparseVector((), ())),
        replace(true, lexical=SparseVector((7,), (1.0,))),
        replace(true, lexical=replace(true.lexical, values=tuple(2 * v for v in true.lexical.values))),
        replace(true, mime="text/html"),
        replace(true, modified_at=5),
        replace(true, source_id="wiki"),
    ):
        put(index, corrupted)
        assert stored(index)[0].fingerprint != fingerprint(true), corrupted
    put(index, true)
    assert stored(index)[0].fingerprint == fingerprint(true)


def test_a_small_index_needs_no_compaction(index: Index) -> None:
    put(index, point("a"))
    assert index.maintain() is False
    assert seen(index) == {"a"}


def test_generations_are_apart(backend: Backend) -> None:
    first, second = (backend.open(f"g-{uuid.uuid4().hex[:12]}") for _ in range(2))
    put(first, point("a"), upto=5)
    assert (second.state().points, second.state().applied_seq) == (0, 0)
    assert seen(second) == set()
    backend.close(first)
    backend.close(second)


def test_two_generations_hold_the_same_documents_in_their_own_way(backend: Backend) -> None:
    """Vectors of another length, words of other weight; an operation on one does nothing to the other."""
    old, new = (backend.open(f"g-{uuid.uuid4().hex[:12]}") for _ in range(2))
    words = {old: analysis_named("english.v1"), new: analysis_named("german.v1")}
    lengths = {old: DIMENSIONS, new: DIMENSIONS // 2}

    def asked(index: Index) -> tuple[set[str], set[str]]:
        query = IndexQuery(unit(0, lengths[index]), words[index].query("Häuser houses"), 10)
        hits = index.search(query, ALICE)
        return {hit.document_id for hit in hits.dense}, {hit.document_id for hit in hits.lexical}

    for index, length in lengths.items():
        points = [
            point(name, dense=unit(n, length), lexical=words[index].document("Haus house"))
            for n, name in enumerate(("gone", "hidden", "kept"))
        ]
        put(index, *points, upto=3)
        assert asked(index) == ({"gone", "hidden", "kept"},) * 2
    for index, other in ((old, new), (new, old)):
        before = asked(other)
        write(index, RemoveVersions("acme", "gone"), SetAccess("acme", ("hidden",), NOBODY), upto=5)
        assert asked(index) == ({"kept"},) * 2
        assert asked(other) == (before if other is new else ({"kept"},) * 2)
        assert index.state().applied_seq == 5
    for index in lengths:
        with pytest.raises(InvalidInput):  # nothing of one can be written to the other
            put(index, point("kept", dense=unit(1, DIMENSIONS * 3 // 2 - lengths[index])))
        backend.close(index)


def test_a_generation_has_a_plain_name(backend: Backend) -> None:
    for name in ("", "../up", "Upper", "a/b", "x" * 64):
        with pytest.raises(InvalidInput):
            backend.open(name)


# --- generated -----------------------------------------------------------------------------------------

PRINCIPALS = ["user:a", "user:b", "group:x", "group:y"]
some = st.lists(st.sampled_from(PRINCIPALS), max_size=3, unique=True).map(tuple)
one_or_more = st.lists(st.sampled_from(PRINCIPALS), min_size=1, max_size=3, unique=True).map(tuple)
documents = st.sampled_from(["d1", "d2", "d3", "d4"])


@st.composite
def accesses(draw: st.DrawFn) -> AccessPayload:
    slots = [draw(some), *draw(st.lists(one_or_more, max_size=3))]
    return readers(*slots, deny=draw(st.lists(st.sampled_from(PRINCIPALS), max_size=1)))


@st.composite
def words(draw: st.DrawFn) -> SparseVector:
    terms = draw(st.dictionaries(st.integers(1, 6), st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.1875]), max_size=5))
    return SparseVector(tuple(sorted(terms)), tuple(terms[t] for t in sorted(terms)))


@st.composite
def points(draw: st.DrawFn) -> Point:
    return point(
        draw(documents),
        version=draw(st.integers(1, 2)),
        ordinal=draw(st.integers(0, 3)),
        dense=unit(draw(st.integers(0, 50))),
        lexical=draw(words()),
        access=draw(accesses()),
        mime=draw(st.sampled_from(["m1", "m2"])),
        modified_at=draw(st.integers(0, 5)),
    )


removals = st.one_of(st.none(), st.lists(st.integers(1, 2), max_size=2, unique=True).map(tuple))
operations = st.lists(
    st.one_of(
        st.lists(points(), min_size=1, max_size=12).map(lambda found: UpsertPoints(tuple(found))),
        st.builds(SetAccess, st.just("acme"), st.lists(documents, max_size=2, unique=True).map(tuple), accesses()),
        st.builds(RemoveVersions, st.just("acme"), documents, removals),
    ),
    min_size=1,
    max_size=5,
)
filters = st.builds(
    SearchFilter,
    mime=st.sampled_from([(), ("m1",), ("m1", "m2")]),
    modified_after=st.one_of(st.none(), st.integers(0, 5).map(lambda s: datetime.fromtimestamp(s, UTC))),
    modified_before=st.one_of(st.none(), st.integers(0, 5).map(lambda s: datetime.fromtimestamp(s, UTC))),
)
queries = st.builds(
    IndexQuery,
    dense=st.integers(0, 50).map(unit),
    lexical=words(),
    limit=st.sampled_from([1, 3, 50]),
    where=filters,
)
askers = st.lists(st.sampled_from(PRINCIPALS), max_size=4, unique=True).map(lambda found: asker(*found))


@pytest.fixture(scope="module")
def generated(backends: dict[str, Backend]) -> Iterator[dict[str, Index]]:
    name = f"g-{uuid.uuid4().hex[:12]}"
    opened = {which: backends[which].open(name) for which in NAMES}
    yield opened
    for which, index in opened.items():
        backends[which].close(index)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(ops=operations, asked=st.lists(st.tuples(queries, askers), min_size=1, max_size=6))
def test_all_backends_agree_with_brute_force(
    generated: dict[str, Index], ops: list[IndexOp], asked: list[tuple[IndexQuery, AccessFilter]]
) -> None:
    oracle = Oracle()
    oracle.apply(ops)
    for index in generated.values():
        index.apply([*(RemoveVersions("acme", document) for document in ("d1", "d2", "d3", "d4")), *ops], upto=1)
        assert {s.id: s.fingerprint for s in stored(index)} == {p.id: fingerprint(p) for p in oracle.points.values()}
    for query, access in asked:
        for index in generated.values():
            hits = index.search(query, access)
            assert_ranking(hits.dense, oracle.dense(query, access), query.limit)
            assert_ranking(hits.lexical, oracle.lexical(query, access), query.limit)
            assert index.count(access, query.where) == oracle.count(access, query.where)
