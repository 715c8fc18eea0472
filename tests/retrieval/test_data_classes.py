"""Which model is shown what: by the class of the sources whose documents an answer would be written from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from retrieval.export import Attempt
from retrieval.generate import Writers, generate
from retrieval.pack import Packed, pack, packable
from retrieval.profiles.aside import Aside
from retrieval.profiles.profile import Profiles
from retrieval.repair import repair
from retrieval.reuse.asked import evidence_hash
from retrieval.settle import Checks, Settling
from retrieval.texts import Texts
from retrieval.types import Freshness, Hit, Passage, Rewritten, Scores
from tests.retrieval.conftest import PARENTAL
from tests.retrieval.reusing import HOTEL, LEAVE, kind, missed, written
from tests.retrieval.world import TENANT, World
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.spending import Payer
from vouch.core.deadline import Deadline
from vouch.core.settings import Settings
from vouch.core.types import Json, Span
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway

MODELS = """
[models.cloud]
provider = "openai"
url = "{cloud}"
model = "m-cloud"
retries = 0
data_classes = ["public"]
[models.broad]
provider = "openai"
url = "{cloud}"
model = "m-cloud"
data_classes = ["public", "unclassified"]
[models.house]
provider = "openai"
url = "{house}"
model = "m-house"
retries = 0
[[routes]]
workflows = ["strict"]
models = ["cloud"]
last_resort = false
[[routes]]
workflows = ["resort"]
models = ["cloud"]
[[routes]]
workflows = ["broad"]
models = ["broad"]
[[routes]]
workflows = ["routed"]
data_classes = ["public", "internal"]
models = ["house"]
[[routes]]
workflows = ["routed"]
models = ["extractive"]
[[routes]]
models = ["cloud", "house"]
"""
PROFILES = """
[profiles.cloudy]
writers = ["cloud"]
"""


@pytest.fixture
def models() -> Iterator[dict[str, FakeChat]]:
    with FakeChat() as cloud, FakeChat() as house:
        yield {"cloud": cloud, "house": house}


@pytest.fixture
def world(world: World, models: dict[str, FakeChat], tmp_path: Path) -> Iterator[World]:
    (tmp_path / "models.toml").write_text(MODELS.format(**{name: one.url for name, one in models.items()}))
    (tmp_path / "profiles.toml").write_text(PROFILES)
    gateway = Gateway.open(Settings(models=tmp_path / "models.toml"))
    profiles, aside = Profiles.open(Settings(profiles=tmp_path / "profiles.toml"), gateway), Aside()
    settings = world.services.settings.model_copy(update={"reuse": "off"})
    world.use(gateway=gateway, profiles=profiles, aside=aside, settings=settings)
    yield world
    aside.close()
    gateway.close()


def classify(world: World, data_class: str | None, source: str = "docs") -> None:
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE source SET data_class = :c WHERE id = :s"), {"c": data_class, "s": source})


def tried(answer: Json) -> list[tuple[str, str]]:
    return [(one["writer"], one["outcome"]) for one in answer["usage"].get("attempts", ())]


def shadowed_by(world: World, profile: str, workflow: str = "") -> None:
    """The embedded answerer's answers, with a shadow beside each."""
    body = {"stable": "extractive", "workflow": workflow, "shadow": {"profile": profile, "percent": 100}}
    response = world.client.put("/v1/releases", headers=world.headers(None, "admin"), json=body)
    assert response.status_code == 200, response.text


def shadows(world: World) -> list[str]:
    """What they came to, once all are done."""
    assert world.services.aside is not None
    world.services.aside.finish()
    with world.catalog.reading(TENANT) as session:
        return list(session.execute(sa.text("SELECT outcome FROM shadow_run ORDER BY at")).scalars())


# --- a model's classes ------------------------------------------------------------------------------


def test_a_model_is_shown_its_classes_alone_from_the_next_question_on(
    world: World, models: dict[str, FakeChat]
) -> None:
    for others in (None, "internal", "publicity"):
        classify(world, others)
        answer = world.ask("bob", HOTEL)
        assert tried(answer) == [("cloud", "data_class"), ("house", "wrote")] and answer["made_by"]["model"]
    assert not models["cloud"].received and len(models["house"].received) == 3
    classify(world, "public")
    assert world.ask("bob", HOTEL)["usage"]["writer"].startswith("chat:cloud:")
    assert len(models["cloud"].received) == 1


def test_sources_without_a_class_are_a_class_that_has_to_be_named(world: World, models: dict[str, FakeChat]) -> None:
    assert world.ask("bob", HOTEL, workflow="broad")["usage"]["writer"].startswith("chat:broad:")
    classify(world, "internal")
    assert tried(world.ask("bob", HOTEL, workflow="broad")) == [("broad", "data_class"), ("extractive", "wrote")]
    assert len(models["cloud"].received) == 1


def test_sentences_are_shown_to_nobody_and_need_no_class(world: World, models: dict[str, FakeChat]) -> None:
    classify(world, "secret")
    answer = world.ask("bob", HOTEL, workflow="resort")
    assert tried(answer) == [("cloud", "data_class"), ("extractive", "wrote")] and "140 euros" in answer["text"]
    assert not models["cloud"].received


def test_where_nobody_may_be_shown_it_that_is_said_and_nothing_is_sent_or_charged(
    world: World, models: dict[str, FakeChat]
) -> None:
    for asked in ({"workflow": "strict"}, {"profile": "cloudy"}):
        response = world.post("/ask", "bob", question=HOTEL, **asked)
        told = response.json()
        assert (response.status_code, told["code"], told["reason"]) == (503, "model_unavailable", "data_class")
        assert "140" not in response.text
    with world.catalog.reading(TENANT) as session:
        calls = session.execute(sa.text("SELECT outcome, input_tokens, cost FROM model_call")).all()
    assert [tuple(one) for one in calls] == [("data_class", 0, 0)] * 2
    assert not models["cloud"].received


def test_one_passage_that_it_may_not_be_shown_is_enough_and_only_for_who_may_read_it(
    world: World, models: dict[str, FakeChat]
) -> None:
    classify(world, "public")
    world.source("people", data_class="personal")
    world.document("Pay", "Hotel costs of staff at home are 99 euros per night.", allow=("group:hr",), source="people")
    assert tried(world.ask("alice", HOTEL)) == [("cloud", "data_class"), ("house", "wrote")]
    assert not models["cloud"].received
    answer = world.ask("bob", HOTEL)
    assert not tried(answer) and answer["usage"]["writer"].startswith("chat:cloud:")


def test_a_model_is_not_told_the_class(world: World, models: dict[str, FakeChat]) -> None:
    classify(world, "kept-in-house")
    world.ask("bob", HOTEL)
    (sent,) = models["house"].received
    assert "140 euros" in str(sent.body) and "kept-in-house" not in str(sent.body)
    assert "data_class" not in str(sent.body)


# --- wherever else a model is asked -----------------------------------------------------------------


def test_a_draft_is_mended_by_no_model_that_may_not_be_shown_its_evidence(
    world: World, models: dict[str, FakeChat]
) -> None:
    models["cloud"].behave("altered_quote")
    texts, digest = Texts(world.services.blobs, TENANT), world.services.blobs.put(TENANT, PARENTAL.encode())
    fresh = Freshness("fresh", None, None)
    passage = Passage(
        1, "d", "d", 1, "T", "", Span(0, len(PARENTAL)), PARENTAL, (), (), 1.0, None, fresh, None, "public"
    )
    heard: list[Attempt] = []
    in_time = Deadline.of(60)
    writers = Writers(("cloud",), in_time, Payer(TENANT, "", "", (), "", ""), in_time, heard.append)
    settling = Settling(Checks(world.services.embedder), texts, Packed((passage,), {1: digest}, frozenset()))
    settling.settle(generate(world.services, Rewritten(LEAVE, "none"), [passage], writers))
    assert settling.so_far.failed and len(models["cloud"].received) == 1
    repair(world.services, LEAVE, [replace(passage, data_class="personal")], writers, settling)
    assert [one.outcome for one in heard] == ["wrote", "data_class"] and len(models["cloud"].received) == 1
    repair(world.services, LEAVE, [passage], writers, settling)
    assert len(models["cloud"].received) == 2


def test_a_shadow_is_shown_no_more_than_an_answer(world: World, models: dict[str, FakeChat]) -> None:
    classify(world, "personal")
    shadowed_by(world, "cloudy")
    assert world.ask("bob", HOTEL)["usage"]["writer"] == "extractive"
    assert shadows(world) == ["data_class"] and not models["cloud"].received
    classify(world, "public")
    world.ask("bob", HOTEL)
    assert shadows(world) == ["data_class", "wrote"] and len(models["cloud"].received) == 1


def test_a_shadow_takes_the_route_of_its_evidence(world: World, models: dict[str, FakeChat]) -> None:
    shadowed_by(world, "routes", "routed")
    for data_class, asked in (("personal", 0), ("internal", 1)):
        classify(world, data_class)
        world.ask("bob", HOTEL, workflow="routed")
        assert shadows(world)[-1] == "wrote" and len(models["house"].received) == asked


# --- a route's classes ------------------------------------------------------------------------------


def test_a_route_fits_where_all_of_the_evidence_is_of_its_classes(world: World, models: dict[str, FakeChat]) -> None:
    def writer(user: str) -> str:
        return str(world.ask(user, HOTEL, workflow="routed")["usage"]["writer"])

    assert writer("bob") == "extractive"  # no class is none of the route's
    classify(world, "internal")
    assert writer("bob").startswith("chat:house:")
    world.source("people", data_class="personal")
    world.document("Pay", "Hotel costs of staff at home are 99 euros per night.", allow=("group:hr",), source="people")
    assert writer("alice") == "extractive" and writer("bob").startswith("chat:house:")
    classify(world, "public", "people")
    assert writer("alice").startswith("chat:house:")


TEXT = "One thing.\n\nAnother thing.\n\nSomething else."
SPANS = (Span(0, 10), Span(12, 26), Span(28, 43))


def hit(blobs: Blobs, document: str, part: int, data_class: str | None, after: str | None = None) -> Hit:
    return Hit(
        document_id=document, external_id=document, version=1, ordinal=part, source_id="s", title="T", uri="",
        mime="", span=SPANS[part], text=SPANS[part].of(TEXT), text_digest=blobs.put("t", TEXT.encode()), place="",
        places=(), heading_path=(), scores=Scores(fused=1.0), score=1.0, data_class=data_class,
        freshness=Freshness("fresh", None, None, after),
    )  # fmt: skip


def test_what_may_be_packed_is_what_counts_and_nothing_else(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    first, again = hit(blobs, "a", 0, "public"), hit(blobs, "b", 0, "public")
    other, last = hit(blobs, "c", 1, "internal"), hit(blobs, "d", 2, "personal")
    hits = [first, again, other, last]  # the second says what the first says, and gives its place to the third
    assert packable(hits, 2) == {"public", "internal"} and packable(hits, 1) == {"public"}
    assert packable(hits, 8) == {"public", "internal", "personal"} and packable([], 8) == frozenset()
    assert packable([hit(blobs, "a", 0, None), other], 8) == {"unclassified", "internal"}
    old = hit(blobs, "a", 0, "personal", after="c")
    for outdated in (False, True):  # asked as well, where its successor does not answer
        packed = pack(Texts(blobs, "t"), [old, other, again], 2, outdated=outdated)
        shown = {passage.data_class for passage in packed.passages}
        assert shown <= packable([old, other, again], 2) and ("personal" in shown) == outdated


# --- given again ------------------------------------------------------------------------------------


def test_an_answer_from_what_was_of_another_class_is_not_given_again(world: World) -> None:
    alike = "Could you tell me how many weeks of paid parental leave may a parent take, please?"
    chat = written(world, "near")
    world.ask("alice", LEAVE)
    assert kind(world.ask("alice", LEAVE)) == "exact" and kind(world.ask("alice", alike)) == "near"
    for data_class, question in (("internal", LEAVE), ("personal", alike)):
        classify(world, data_class)
        answer = world.ask("alice", question)
        assert (kind(answer), missed(world, "alice", answer)) == (None, "unknown")
    classify(world, None)
    assert kind(world.ask("alice", LEAVE)) == "exact" and chat.calls == 3


def test_evidence_of_another_class_is_other_evidence(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    packed = [pack(Texts(blobs, "t"), [hit(blobs, "a", 0, one)], 8) for one in ("public", "internal", None, "public")]
    hashes = [evidence_hash(one) for one in packed]
    assert hashes[0] == hashes[3] and len(set(hashes)) == 3


def test_an_answer_before_which_a_model_was_passed_over_for_the_class_is_given_again(
    world: World, models: dict[str, FakeChat]
) -> None:
    world.use(settings=world.services.settings.model_copy(update={"reuse": "exact"}))
    classify(world, "internal")
    assert tried(world.ask("bob", HOTEL)) == [("cloud", "data_class"), ("house", "wrote")]
    assert kind(world.ask("bob", HOTEL)) == "exact" and len(models["house"].received) == 1
