"""Questions told to a collector: what it is told, what it is never told, and that no question waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from retrieval import export, otlp
from retrieval.export import Exporter, Told
from retrieval.pipeline import find
from retrieval.types import Question
from tests.retrieval.collecting import Collector, collecting, told
from tests.retrieval.world import World, open_world
from vouch.catalog.database import Catalog
from vouch.core.errors import IndexUnavailable
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder
from vouch.gateway.fake_chat import MODEL, FakeChat
from vouch.gateway.gateway import Gateway

TITLE, TEXT = "Hospitality", "Hotel costs are reimbursed up to 140 euros per night."
QUESTION = "Up to how much are hotel costs reimbursed per night?"
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{THEIRS}-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(export, "FLUSH_S", 600.0)
    monkeypatch.setattr(otlp, "PATIENCE_S", 600)


@pytest.fixture
def world(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    for world in open_world(catalog, embedder, tmp_path):
        world.document(TITLE, TEXT)
        yield world


@contextmanager
def telling(world: World) -> Iterator[Collector]:
    """What is asked in the block is with the collector after it."""
    with collecting() as collector:
        exporter = Exporter.open(Settings(otlp_endpoint=collector.url))
        assert exporter is not None
        world.use(exporter=exporter)
        try:
            yield collector
        finally:
            exporter.close()


@contextmanager
def chatting(world: World, folder: Path, *behaviours: str) -> Iterator[None]:
    """By a model that is down, and then by one that behaves so."""
    with FakeChat("server_error") as down, FakeChat(*behaviours) as up:
        file = folder / "models.toml"
        file.write_text(
            f'[models.first]\nprovider = "azure"\nmodel = "gone"\nurl = "{down.url}"\nkey = {{ env = "K" }}\n'
            "retries = 0\n"
            f'[models.second]\nprovider = "openai"\nmodel = "asked-for"\nurl = "{up.url}"\nprice = {{ input = 2 }}\n'
        )
        gateway = Gateway.open(Settings(models=file))
        world.use(gateway=gateway)
        try:
            yield
        finally:
            gateway.close()


def _spans(outcome: str) -> float:
    return REGISTRY.get_sample_value("vouch_otlp_spans_total", {"outcome": outcome}) or 0.0


def test_each_try_of_a_model_is_a_span_by_the_conventions(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", "sk-0123456789")
    with telling(world) as collector, chatting(world, tmp_path, "honest"):
        answer = world.ask("alice", QUESTION)
    root, *below = collector.of(answer["trace_id"])
    assert set(collector.paths) == {"/v1/traces"}
    assert {span.trace_id for span in (root, *below)} == {UUID(answer["trace_id"]).bytes}
    assert root.span_id == UUID(answer["trace_id"]).bytes[8:] and root.parent_span_id == b""
    assert root.name == "vouch ask" and told(root)["vouch.outcome"] == "answer"
    assert told(root)["vouch.profile"] == "routes" and len(told(root)["vouch.settings"]) == 16
    assert told(root)["vouch.candidates"] == 1 and told(root)["vouch.generation"] == "g1"
    steps = [span for span in below if "vouch.step" in told(span)]
    walk = world.get(f"/traces/{answer['trace_id']}", None, "admin").json()["walk"]
    assert [span.name for span in steps] == [step["name"] for step in walk]
    for span, step in zip(steps, walk, strict=True):
        assert span.parent_span_id == root.span_id
        assert (span.start_time_unix_nano - root.start_time_unix_nano) / 1e6 == pytest.approx(step["at_ms"], abs=0.1)
        assert (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6 == pytest.approx(step["ms"], abs=0.1)
    (generating,) = [span for span in steps if span.name == "generate"]
    failed, wrote = [span for span in below if "vouch.step" not in told(span)]
    assert {failed.parent_span_id, wrote.parent_span_id} == {generating.span_id}
    assert (failed.name, failed.status.code, failed.kind) == ("chat gone", 2, 3)
    assert told(failed) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "azure.ai.openai", "gen_ai.request.model": "gone",
        "vouch.writer": "first", "vouch.outcome": "server_error", "error.type": "server_error",
    }  # fmt: skip
    usage = answer["usage"]
    assert wrote.name == "chat asked-for" and wrote.status.code == 0
    assert told(wrote) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "asked-for",
        "gen_ai.response.model": MODEL, "gen_ai.usage.input_tokens": usage["input_tokens"],
        "gen_ai.usage.output_tokens": usage["output_tokens"], "vouch.writer": "second", "vouch.outcome": "wrote",
        "vouch.cost": usage["cost"], "vouch.currency": "USD",
    }  # fmt: skip
    assert len({span.span_id for span in (root, *below)}) == len(below) + 1


def test_no_word_of_content_is_told(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what was asked, found, quoted or rejected, nor who asked: of a search, an abstention, a lie, a failure."""
    monkeypatch.setenv("K", "sk-0123456789")
    with telling(world) as collector:
        world.search("alice", "zebra hotel", filter={"owner": ["user:carol"]})
        (hit,) = world.search("alice", QUESTION)
        world.ask("alice", "Which zebra is reimbursed?", conversation_id="zebra-talk", workflow="zebra-flow")
        with chatting(world, tmp_path, "altered_quote"):
            world.ask("alice", QUESTION)
        world.post("/search", "alice", query="zebra source:nowhere")
    assert len(collector.bodies) >= 1
    every = b"".join(collector.bodies)
    for word in (
        "zebra",
        "Zebra",
        "hotel",
        "Hotel",
        TITLE,
        "140",
        "alice",
        "carol",
        hit["document_id"],
        hit["external_id"],
    ):
        assert word.encode() not in every, word
    assert b"vouch.rejected" in every and b"vouch.abstention.reason" in every


def test_the_embedded_answerer_is_told_as_what_it_is(world: World) -> None:
    with telling(world) as collector:
        answer = world.ask("alice", QUESTION)
        searched = world.post("/search", "alice", query="hotel").json()["trace_id"]
    (extract,) = [span for span in collector.of(answer["trace_id"]) if "vouch.writer" in told(span)]
    assert extract.name == "extract extractive" and told(extract)["gen_ai.provider.name"] == "vouch"
    assert extract.kind == 1 and collector.of(searched)[0].name == "vouch search"


def test_the_callers_span_is_the_parent_where_it_says_one(world: World) -> None:
    with telling(world) as collector:
        ids = []
        for stream, header in ((False, PARENT), (True, PARENT), (False, "00-nonsense-01"), (False, None)):
            headers = world.headers("alice") | ({"traceparent": header} if header else {})
            body = {"question": QUESTION, "stream": stream}
            said = world.client.post("/v1/ask", json=body, headers=headers).text
            ids.append(said.rpartition('"trace_id":"')[2][:36])
    for trace_id in ids[:2]:
        root, *below = collector.of(trace_id)
        assert {span.trace_id.hex() for span in (root, *below)} == {THEIRS}
        assert root.parent_span_id.hex() == "00f067aa0ba902b7" and root.span_id == UUID(trace_id).bytes[8:]
    for trace_id in ids[2:]:
        root = collector.of(trace_id)[0]
        assert root.trace_id == UUID(trace_id).bytes and root.parent_span_id == b""


def test_a_question_that_failed_is_told_with_its_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def __getattr__(self, name: str) -> object:
            raise IndexUnavailable("The index cannot be reached.")

    with telling(world) as collector:
        world.use(index=Away())
        assert world.post("/search", "alice", query="hotel").status_code == 503
    root, *below = collector.spans
    assert told(root)["error.type"] == "index_unavailable" and root.status.code == 2
    assert [span.name for span in below] == ["resolve", "rewrite", "search"]


def test_what_only_measures_is_not_told(world: World) -> None:
    with telling(world) as collector:
        find(world.services, world.asker("alice"), Question(QUESTION, 5))
    assert collector.bodies == []


def test_a_collector_that_hangs_delays_nobody_and_what_finds_no_room_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "FLUSH_S", 0.01)
    sending, going_on = threading.Event(), threading.Event()
    sent: list[Told] = []

    def hang(batch: Sequence[Told]) -> bool:
        sending.set()
        going_on.wait()
        sent.extend(batch)
        return True

    exporter = Exporter(hang, room=2)
    world.use(exporter=exporter)
    before = _spans("dropped")
    world.ask("alice", QUESTION)
    sending.wait()
    for _ in range(4):  # two wait, and two find no room
        assert world.ask("alice", QUESTION)["kind"] == "answer"
    exporter.close()
    each = 1 + 13 + 1
    assert _spans("dropped") - before == 2 * each
    assert not sent, "the process does not wait for it to the end"
    going_on.set()
    monkeypatch.setattr(export, "FLUSH_S", 600.0)
    exporter.close()
    assert len(sent) == 3


def test_a_collector_that_refuses_or_is_not_there_fails_no_question(world: World) -> None:
    before = _spans("failed"), _spans("sent")
    with telling(world) as collector:
        collector.status = 400
        assert world.ask("alice", QUESTION)["kind"] == "answer"
    assert (_spans("failed") - before[0], _spans("sent") - before[1]) == (15, 0)

    def broken(_: Sequence[Told]) -> bool:
        raise RuntimeError

    exporter = Exporter(broken)
    world.use(exporter=exporter)
    world.ask("alice", QUESTION)
    exporter.close()
    assert _spans("failed") - before[0] == 30


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://c.example.org", "https://u:p@c.example.org", ""])
def test_an_endpoint_that_is_no_plain_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="otlp_endpoint"):
        Settings(otlp_endpoint=endpoint)


def test_without_an_endpoint_nothing_is_told() -> None:
    assert Exporter.open(Settings()) is None
