"""A generation of the index beside another: filled from the catalog, kept up with it, verified, swapped to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from acl.compile import compile_filter, compile_payload
from acl.resolve import resolve
from ingestion import push
from ingestion.generations import build
from ingestion.generations.build import build_waiting
from ingestion.generations.empty import empty_removed
from ingestion.generations.recipe import Choice, recipe_by
from ingestion.work import run_stages
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog import generations
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Document, IndexGeneration, Source
from vouch.core import clock
from vouch.core.errors import BadConfig, Conflict, IndexUnavailable, ModelUnavailable, NotFound
from vouch.core.types import Body, Clause, IndexQuery, Matrix
from vouch.gateway.embed import Embedder
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import analysis_named
from vouch.index.projector import Projector
from vouch.index.protocol import Index, RemoveVersions
from vouch.index.verify import Difference, verify

STAFF = (Clause(frozenset({"group:staff"})),)
OTHER = Choice(context="text.v1", lexical="german.v1", chunker="structure-short.v1")
"""Differs from the usual in everything that does not need another model."""
LONG = "\n\n".join(
    f"## Part {n}\n\n" + " ".join(f"Section {n} names budget {n}{m} for rooms." for m in range(25)) for n in range(4)
)


class Shards:
    """The generations' indexes, in this process; each may be made to fail."""

    def __init__(self, folder: Path, first: EdgeIndex) -> None:
        self.folder, self.opened, self.broken = folder, {"g1": first}, set[str]()

    def open(self, generation: str) -> Index:
        if generation not in self.opened:
            self.opened[generation] = EdgeIndex(self.folder / generation, generation)
        if generation in self.broken:
            raise IndexUnavailable("broken for the test")
        return self.opened[generation]


@pytest.fixture
def shards(walk: Walk, tmp_path: Path) -> Iterator[Shards]:
    shards = Shards(tmp_path / "generations", walk.index)
    projector = Projector(walk.services.catalog, shards.open, compile_payload)
    projector.index = shards.open  # type: ignore[method-assign]
    walk.services.__dict__["projector"] = projector
    yield shards
    for index in shards.opened.values():
        if index is not walk.index:
            index.close()


def make(walk: Walk, choice: Choice = OTHER) -> str:
    recipe = recipe_by(walk.services.settings, choice)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        settings = walk.services.settings
        return generations.create(session, recipe, choice.embed_model or settings.embed_model, 384).id


def row(walk: Walk, generation: str) -> IndexGeneration:
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        return session.get_one(IndexGeneration, generation)


def swap(walk: Walk, to: str) -> str:
    with walk.services.projector.alone() as session:
        return walk.services.projector.swap(session, to)[0]


def compared(walk: Walk, shards: Shards, generation: str) -> Difference:
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        return verify(session, shards.open(generation), compile_payload, session.get_one(IndexGeneration, generation))


def found(walk: Walk, shards: Shards, generation: str, words: str) -> set[str]:
    """External ids that one generation finds by words, whatever gate 2 would say."""
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        access = compile_filter(resolve(session, TENANT, "user:alice"))
        query = analysis_named(session.get_one(IndexGeneration, generation).lexical).query(words)
        hits = shards.open(generation).search(IndexQuery(None, query, 50), access).lexical
        names = sa.select(sa.column("external_id")).select_from(sa.table("document"))
        return {session.execute(names.where(sa.column("id") == hit.document_id)).scalar_one() for hit in hits}


def pushed(walk: Walk, source: Source, external_id: str, text: str, acl: Any = STAFF) -> None:
    body = Body(text.encode(), "text/markdown")
    job, _ = push.push(walk.services, source, push.Pushed(external_id, body, acl=acl), actor="test")
    assert walk.finish(job)["state"] == "succeeded"


@pytest.fixture
def source(walk: Walk, shards: Shards) -> Source:
    """Three documents, of which one is long."""
    source = walk.add_source("api", "push")
    for name, text in (("elbe", "The Elbe floods in spring."), ("oder", "The Oder is dry."), ("long", LONG)):
        pushed(walk, source, name, text)
    return source


def test_a_generation_is_filled_verified_and_swapped_to(walk: Walk, shards: Shards, source: Source) -> None:
    before = walk.scalar("SELECT count(*) FROM embedding")
    made = make(walk)
    assert made == "g2" and row(walk, "g2").state == "building"
    with pytest.raises(Conflict):
        swap(walk, "g2")
    assert not build_waiting(walk.services, enough_s=60)
    ready = row(walk, "g2")
    assert (ready.state, ready.problem, ready.progress["done"]) == ("ready", None, 3)
    assert compared(walk, shards, "g2").clean and walk.verify().clean
    short, usual = (len({s.id for page in shards.open(g).scan() for s in page}) for g in ("g2", "g1"))
    assert short > usual > 3  # it cuts in another way
    assert walk.scalar("SELECT count(*) FROM embedding") != before
    assert swap(walk, "g2") == "g1"
    assert [row(walk, g).state for g in ("g1", "g2")] == ["retired", "active"]
    with pytest.raises(Conflict):
        swap(walk, "g2")
    assert swap(walk, "g1") == "g2"  # and back
    assert [row(walk, g).state for g in ("g1", "g2")] == ["active", "retired"]


class Mirrored:
    """Another model, as far as vectors go: the same texts are near each other, and none is near the first one's."""

    name, max_tokens = "mirrored@0123.r1", 256

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.dimensions, self.texts = embedder, embedder.dimensions, list[str]()

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.texts += texts
        vectors: Matrix = self._embedder.embed(texts)[:, ::-1].copy()
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [2 * tokens for tokens in self._embedder.count_tokens(texts)]


def test_another_model_cuts_and_embeds_for_itself_and_nothing_twice(walk: Walk, shards: Shards, source: Source) -> None:
    model = Mirrored(walk.services.embedder)
    walk.services._embedders[model.name] = model
    usual = recipe_by(walk.services.settings)
    recipe = replace(usual, model=model.name, chunker=f"structure.v1@{model.name}")
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        generations.create(session, recipe, "elsewhere", model.dimensions)
    build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready" and compared(walk, shards, "g2").clean
    points = {g: shards.open(g).state().points for g in ("g1", "g2")}
    assert points["g2"] > points["g1"]  # by its own tokens, of which there are twice as many
    assert sorted(model.texts) == sorted(set(model.texts))
    pushed(walk, source, "again", LONG)  # under another title, so in another context
    pushed(walk, source, "elbe", "The Elbe floods in spring, they say.")
    assert sorted(model.texts) == sorted(set(model.texts))
    query = walk.services.embedder.embed(["Which river floods?"])[0]
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        access = compile_filter(resolve(session, TENANT, "user:alice"))
    plain, mirrored = (
        shards.open(g).search(IndexQuery(vector, None, 1), access).dense[0]
        for g, vector in (("g1", query), ("g2", query[::-1].copy()))
    )
    assert plain.document_id == mirrored.document_id and abs(plain.score - mirrored.score) < 1e-3
    assert swap(walk, "g2") == "g1"


def test_what_happens_meanwhile_happens_to_every_generation(walk: Walk, shards: Shards, source: Source) -> None:
    """Before it is filled, amid that, when it is ready, and to the one that is kept."""
    make(walk)
    pushed(walk, source, "new", "The Havel is new.")
    pushed(walk, source, "elbe", "The Elbe is low.")
    push.remove(walk.services, source, "oder", actor="test")
    walk.drain()
    assert found(walk, shards, "g2", "Havel") == {"new"}  # written twice, though nothing is filled yet
    build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready"
    assert found(walk, shards, "g2", "Oder spring") == set() and found(walk, shards, "g2", "low") == {"elbe"}
    for to in ("g2", "g1", "g2"):
        swap(walk, to)
        pushed(walk, source, "new", f"The Havel saw {to}.")
        push.set_access(walk.services, source, "elbe", None, actor="test")
        walk.drain()
        for generation in ("g1", "g2"):
            assert compared(walk, shards, generation).clean, (to, generation)
            assert found(walk, shards, generation, f"Havel {to}") == {"new"}
            assert found(walk, shards, generation, "Elbe") == set()
        push.set_access(walk.services, source, "elbe", STAFF, actor="test")
        push.remove(walk.services, source, "long", actor="test")
        walk.drain()
        assert not any(found(walk, shards, generation, "budget") for generation in ("g1", "g2"))
        assert all(found(walk, shards, generation, "Elbe") == {"elbe"} for generation in ("g1", "g2"))
        pushed(walk, source, "long", LONG)


def test_filling_goes_on_where_a_dead_worker_left_it(
    walk: Walk, shards: Shards, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written, and not noted: it is written once more. Noted: it is not."""
    monkeypatch.setattr(build, "BATCH", 1)
    make(walk)
    assert build_waiting(walk.services, enough_s=0)  # one batch
    assert row(walk, "g2").progress["done"] == 1

    class Killed(BaseException):
        pass

    index = shards.open("g2")
    whole = index.apply

    def dies(*given: Any, **named: Any) -> None:
        whole(*given, **named)
        raise Killed

    monkeypatch.setattr(index, "apply", dies)
    with pytest.raises(Killed):
        build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").progress["done"] == 1
    monkeypatch.setattr(index, "apply", whole)
    walk.scalar("SELECT 1")
    embedded = walk.scalar("SELECT max(created_at) FROM embedding WHERE created_at < now()")
    assert not build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready" and row(walk, "g2").progress["done"] == 3
    assert compared(walk, shards, "g2").clean and embedded is not None


def test_an_index_that_is_lost_while_it_is_filled_is_filled_from_the_beginning(
    walk: Walk, shards: Shards, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "BATCH", 1)
    make(walk)
    build_waiting(walk.services, enough_s=0)
    lost = shards.opened.pop("g2")
    lost.close()
    shards.folder = tmp_path / "elsewhere"
    build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready" and compared(walk, shards, "g2").clean


def test_a_version_embedded_before_the_generation_was_made_is_in_it(walk: Walk, shards: Shards, source: Source) -> None:
    body = Body(b"The Spree was on its way.", "text/plain")
    job, _ = push.push(walk.services, source, push.Pushed("spree", body, acl=STAFF), actor="test")
    ready = "SELECT id FROM stage WHERE job_id = :j AND state = 'ready' AND name <> 'publish'"
    while stage := walk.scalar(ready, j=job):
        run_stages(walk.services, [str(stage)])
    make(walk)
    build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready"
    assert walk.finish(job)["state"] == "succeeded"
    assert compared(walk, shards, "g2").clean and found(walk, shards, "g2", "Spree") == {"spree"}


def test_one_that_cannot_be_written_to_holds_nothing_up_and_is_not_swapped_to(
    walk: Walk, shards: Shards, source: Source
) -> None:
    make(walk)
    build_waiting(walk.services, enough_s=60)
    shards.broken.add("g2")
    pushed(walk, source, "new", "The Havel is new.")
    assert found(walk, shards, "g1", "Havel") == {"new"}
    with pytest.raises(IndexUnavailable):
        swap(walk, "g2")
    assert row(walk, "g1").state == "active"
    shards.broken.clear()
    swap(walk, "g2")  # catches up first
    assert found(walk, shards, "g2", "Havel") == {"new"}


def test_one_whose_model_is_gone_holds_nothing_up_and_is_filled_again(
    walk: Walk, shards: Shards, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(walk)
    build_waiting(walk.services, enough_s=60)
    ours = type(walk.services).embedder_of

    def missing(services: Any, generation: IndexGeneration) -> Any:
        if generation.id == "g2":
            raise ModelUnavailable("gone for the test")
        return ours(services, generation)

    with monkeypatch.context() as patched:
        patched.setattr(type(walk.services), "embedder_of", missing)
        with pytest.raises(ModelUnavailable):  # the chunker counts its tokens
            walk.services.embedder_of(row(walk, "g2"))
        pushed(walk, source, "new", "The Havel is new.")
        assert found(walk, shards, "g1", "Havel") == {"new"} and found(walk, shards, "g2", "Havel") == set()
        put_back = row(walk, "g2")
        assert put_back.state == "building" and put_back.problem is not None
        with pytest.raises(Conflict):
            swap(walk, "g2")
    assert not build_waiting(walk.services, enough_s=60)  # not so soon
    assert row(walk, "g2").state == "building"
    with clock.frozen(clock.now() + timedelta(minutes=2)):
        build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready" and row(walk, "g2").problem is None
    assert compared(walk, shards, "g2").clean and found(walk, shards, "g2", "Havel") == {"new"}


def test_a_stray_or_missing_point_is_put_right_before_it_is_ready(walk: Walk, shards: Shards, source: Source) -> None:
    make(walk)
    index = shards.open("g2")
    build_waiting(walk.services, enough_s=0)
    points = [point for page in index.scan() for point in page]
    index.apply([RemoveVersions(TENANT, points[0].document_id)], upto=index.state().applied_seq)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE index_generation SET state = 'building' WHERE id = 'g2'"))
    assert not compared(walk, shards, "g2").clean
    build_waiting(walk.services, enough_s=60)
    assert row(walk, "g2").state == "ready" and compared(walk, shards, "g2").clean


def test_one_at_a_time_and_none_twice(walk: Walk, shards: Shards, source: Source) -> None:
    with pytest.raises(Conflict):
        make(walk, Choice())  # what is active is of this recipe
    make(walk)
    with pytest.raises(Conflict):
        make(walk, Choice(context="text.v1"))
    for choice in (Choice(context="none"), Choice(lexical="klingon.v1"), Choice(chunker="x"), Choice(chunker="x@y")):
        with pytest.raises(BadConfig):
            recipe_by(walk.services.settings, choice)


def test_a_dropped_one_goes_with_all_that_it_alone_needed(walk: Walk, shards: Shards, source: Source) -> None:
    make(walk)
    build_waiting(walk.services, enough_s=60)
    services = walk.services
    dropped: list[str] = []
    object.__setattr__(services, "drop", dropped.append)
    with pytest.raises(Conflict), services.catalog.transaction(ACROSS_TENANTS) as session:
        generations.drop(session, "g1")
    with services.catalog.transaction(ACROSS_TENANTS) as session:
        generations.drop(session, "g2")
    with pytest.raises(NotFound):
        swap(walk, "g2")
    assert empty_removed(services) == [] and dropped == []  # a question may still be asking it
    with clock.frozen(clock.now() + timedelta(minutes=6)):
        assert empty_removed(services) == ["g2"]
        assert empty_removed(services) == []
    assert dropped == ["g2"]
    assert walk.scalar("SELECT string_agg(DISTINCT chunker, ',') FROM chunk") == "structure.v1"
    assert walk.verify().clean  # and the vectors of the model that both share are there
    assert make(walk) == "g3"  # no name is used twice
    build_waiting(walk.services, enough_s=60)
    assert row(walk, "g3").state == "ready"
    with services.catalog.reading(ACROSS_TENANTS) as session:
        assert session.exec(sa.select(sa.func.count()).select_from(Document)).scalar() == 3  # type: ignore[call-overload]
