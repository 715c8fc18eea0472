"""Rules and their numbers: who is admitted, what lies on disk, what is kept between two questions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st

from tests.index.world import ALICE, EVERYONE, NOBODY, asker, point, readers, unit
from vouch.core.errors import IndexUnavailable, InvalidInput
from vouch.core.types import ANYONE, AccessFilter, AccessPayload, IndexQuery, SearchFilter
from vouch.index import edge, rules
from vouch.index.edge import EdgeIndex
from vouch.index.edge_model import edge_filter
from vouch.index.filters import AnyOf, Conditions, admits
from vouch.index.payload import RULE
from vouch.index.protocol import SetAccess, UpsertPoints
from vouch.index.rules import Rule, Rules

NAMES = ["user:a", "user:b", "group:x", "group:y"]
names = st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)
slots = st.tuples(names, *[st.one_of(st.just((ANYONE,)), names)] * 3)
payloads = st.builds(AccessPayload, slots, names)
known = st.lists(st.tuples(st.sampled_from(["acme", "globex"]), payloads), max_size=8)
askers = st.builds(lambda found, tenant: asker(*found, tenant=tenant), names, st.sampled_from(["acme", "globex"]))


def admitted(found: Rules, access: AccessFilter) -> set[int]:
    conditions = found.visible(access)
    if conditions is None:
        return set()
    (condition,) = conditions.must
    assert isinstance(condition, AnyOf) and condition.field == RULE
    return {int(number) for number in condition.values}


def sees(access: AccessFilter, rule: Rule) -> bool:
    """What a point carries, compared field by field as a server does it."""
    tenant, payload = rule
    first, *others = map(set, payload.allow)
    return (
        tenant == access.tenant
        and bool(first & access.principals)
        and all(slot & (access.principals | {ANYONE}) for slot in others)
        and not set(payload.deny) & access.principals
    )


@given(earlier=known, later=known, who=st.lists(askers, min_size=1, max_size=4))
def test_numbers_admit_whom_the_fields_would(
    tmp_path_factory: pytest.TempPathFactory, earlier: list[Rule], later: list[Rule], who: list[AccessFilter]
) -> None:
    path = tmp_path_factory.mktemp("rules") / "rules.jsonl"
    found = Rules(path)
    for some in (earlier, later):  # whoever has asked before is compared with what is new
        found.add(some)
        for access in who:
            wanted = {
                found.number(*rule) for rule in {*earlier, *(later if some is later else ())} if sees(access, rule)
            }
            assert admitted(found, access) == admitted(Rules(path), access) == wanted


def test_each_rule_is_written_once_and_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "rules.jsonl"
    first, second = ("acme", EVERYONE), ("acme", readers(["user:bob"], ["group:x"], deny=["user:naïve"]))
    found = Rules(path)
    found.add([first, second, first])
    found.add([second, ("globex", EVERYONE)])
    assert len(path.read_text().splitlines()) == 3
    again = Rules(path)
    for rule in (first, second, ("globex", EVERYONE)):
        assert again.number(*rule) == found.number(*rule)
        assert again.access(rule[0], again.number(*rule)) == rule[1]


def test_a_line_that_was_cut_off_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "rules.jsonl"
    Rules(path).add([("acme", EVERYONE)])
    whole = path.read_text()
    path.write_text(whole + '["acme", [["user:b')
    found = Rules(path)
    assert path.read_text() == whole
    found.add([("acme", NOBODY)])
    assert Rules(path).number("acme", NOBODY) == 1


@pytest.mark.parametrize(
    "line", ["", "[]", "{", '["acme", [["*"], ["*"], ["*"], ["*"]], []]', '["acme", [["user:a"]], []]']
)
def test_a_line_that_is_no_rule_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "rules.jsonl").write_text(line + "\n" + json.dumps(["acme", EVERYONE.allow, []]) + "\n")
    with pytest.raises((IndexUnavailable, InvalidInput)):
        Rules(tmp_path / "rules.jsonl")


def test_what_would_admit_somebody_by_accident_gets_no_number(tmp_path: Path) -> None:
    found = Rules(tmp_path / "rules.jsonl")
    with pytest.raises(InvalidInput):
        found.add([("acme", EVERYONE), ("acme", readers([ANYONE]))])
    assert not (tmp_path / "rules.jsonl").exists() and not admitted(found, ALICE)


def test_the_filler_is_nobody(tmp_path: Path) -> None:
    found = Rules(tmp_path / "rules.jsonl")
    found.add([("acme", EVERYONE)])
    with pytest.raises(InvalidInput):
        found.visible(asker(ANYONE, "user:alice"))
    assert found.visible(asker()) is None


def test_what_is_kept_for_askers_has_a_bound_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "KEPT", 12)
    found = Rules(tmp_path / "rules.jsonl")
    found.add(("acme", readers([f"user:{n % 5}"], deny=[f"group:{n}"])) for n in range(20))
    for n in (*range(5), *range(5)):
        assert admitted(found, asker(f"user:{n}", "authenticated")) == {n, n + 5, n + 10, n + 15}
    assert len(found._admitted) == 2


# --- in an index ---------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path) -> Iterator[EdgeIndex]:
    with closing(EdgeIndex(tmp_path, "g1")) as opened:
        yield opened


def seen(index: EdgeIndex, access: AccessFilter = ALICE) -> set[str]:
    return {hit.document_id for hit in index.search(IndexQuery(unit(0), None, 100), access).dense}


def test_a_rule_that_cannot_be_written_is_given_to_no_point(
    index: EdgeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full amid the line; when it no longer is, nothing is left of that."""
    index.apply([UpsertPoints((point("a"),))], upto=1)
    before = (tmp_path / "rules.jsonl").read_bytes()

    def full(_: int) -> None:
        raise OSError("no space left on device")

    for op in (UpsertPoints((point("b", access=readers(["user:bob"])),)), SetAccess("acme", ("a",), NOBODY)):
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="no space"):
                index.apply([op], upto=2)
        assert (tmp_path / "rules.jsonl").read_bytes() == before
        assert (index.state().points, seen(index)) == (1, {"a"})
    index.apply([SetAccess("acme", ("a",), NOBODY)], upto=2)
    assert not seen(index)


def test_who_was_told_their_numbers_is_told_new_ones(index: EdgeIndex) -> None:
    index.apply([UpsertPoints((point("a"), point("b", access=NOBODY)))], upto=1)
    assert seen(index) == {"a"}
    index.apply([SetAccess("acme", ("b",), readers(["user:alice"])), SetAccess("acme", ("a",), NOBODY)], upto=2)
    assert seen(index) == {"b"}


def test_numbers_hold_after_a_compaction_and_a_restart(tmp_path: Path) -> None:
    mine, others = readers(["user:alice"]), readers(["user:bob"])
    points = tuple(point(f"d{n}", access=(mine, others, EVERYONE)[n % 3]) for n in range(1_500))
    with closing(EdgeIndex(tmp_path, "g1")) as index:
        index.apply([UpsertPoints(points)], upto=1)
        index.apply([UpsertPoints(points[:1_200])], upto=2)
        assert index.maintain() is True
        assert index.count(ALICE, SearchFilter()) == 1_000
    with closing(EdgeIndex(tmp_path, "g1")) as again:
        assert again.count(ALICE, SearchFilter()) == 1_000
        assert again.count(asker("user:bob"), SearchFilter()) == 500
        assert {s.id: s.access for page in again.scan() for s in page} == {p.id: p.access for p in points}


@pytest.mark.parametrize("number", [None, -1, 7, "0", True, 1.0])
def test_a_number_that_means_nothing_admits_nobody_and_shows_in_verification(index: EdgeIndex, number: object) -> None:
    index.apply([UpsertPoints((point("a"), point("b"), point("c", tenant="globex", access=NOBODY)))], upto=1)
    assert index._shard is not None
    wanted = edge_filter(Conditions((AnyOf("document_id", ("b",)),)))
    index._shard.update(qdrant_edge.UpdateOperation.set_payload_by_filter(wanted, {RULE: number}))
    assert "b" not in seen(index)
    found = {stored.document_id: stored.access for page in index.scan() for stored in page}
    assert found["a"] == EVERYONE and found["b"] != EVERYONE


def test_a_number_of_another_tenant_shows_in_verification(tmp_path: Path) -> None:
    found = Rules(tmp_path / "rules.jsonl")
    found.add([("acme", EVERYONE), ("globex", NOBODY)])
    assert found.access("acme", 0) == EVERYONE
    assert found.access("globex", 0) not in (EVERYONE, NOBODY)


def test_points_without_their_rules_are_unavailable(tmp_path: Path) -> None:
    with closing(EdgeIndex(tmp_path, "g1")) as index:
        index.apply([UpsertPoints((point("a"),))], upto=5)
    (tmp_path / "rules.jsonl").unlink()
    with pytest.raises(IndexUnavailable):
        EdgeIndex(tmp_path, "g1")


def test_an_index_of_an_earlier_version_is_as_good_as_lost(tmp_path: Path) -> None:
    """The projector sees that nothing was applied, and writes everything from the catalog."""
    with closing(EdgeIndex(tmp_path, "g1")) as index:
        index.apply([UpsertPoints((point("a"),))], upto=5)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    (tmp_path / "rules.jsonl").unlink()
    for _ in range(2):
        with closing(EdgeIndex(tmp_path, "g1")) as index:
            assert (index.state().points, index.state().applied_seq, seen(index)) == (0, 0, set())
    with closing(EdgeIndex(tmp_path, "g1")) as index:
        index.apply([UpsertPoints((point("a"),))], upto=6)
    with closing(EdgeIndex(tmp_path, "g1")) as index:
        assert (index.state().applied_seq, seen(index)) == (6, {"a"})


def test_a_count_is_kept_until_something_is_written(index: EdgeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[int] = []
    monkeypatch.setattr(index, "_choose", lambda points, visible: noted.append(visible()) or edge.plan.EXACT)
    index.apply([UpsertPoints(tuple(point(f"d{n}") for n in range(8)))], upto=1)
    seen(index)
    with monkeypatch.context() as broken:
        broken.setattr(index, "_points", lambda conditions: pytest.fail("counted again"))
        seen(index)
    index.apply([SetAccess("acme", ("d1",), NOBODY)], upto=2)
    seen(index)
    seen(index, asker("user:stranger", "authenticated"))
    seen(index, asker("user:stranger"))
    assert noted == [8, 8, 7, 7]


def test_admits_is_what_it_says() -> None:
    assert admits(EVERYONE, frozenset({"authenticated"}))
    assert not admits(NOBODY, frozenset({"authenticated"}))
    assert not admits(readers(["authenticated"], deny=["user:a"]), frozenset({"authenticated", "user:a"}))
    assert not admits(readers(["authenticated"], ["group:x"]), frozenset({"authenticated"}))
