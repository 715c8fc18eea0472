"""A chat model as the judge of claims: what it is shown, what its word does, who pays, and what if it fails."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from retrieval.judge import ChatJudge
from retrieval.services import entailer_of
from tests.retrieval.world import TENANT, World
from vouch.catalog import spending
from vouch.core import clock
from vouch.core.errors import BadConfig, ModelUnavailable
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.chat import ChatReply, ChatUsage, Draft, DraftCitation, DraftClaim, DraftRequest
from vouch.gateway.enclosure import enclose
from vouch.gateway.entail import UNTOLD, Stated
from vouch.gateway.gateway import Gateway

QUESTION = "How many weeks of paid parental leave may a parent take?"
SAID = "It is said that "


@dataclass
class Chat:
    """Writes a claim of each passage in words of its own; as ``judge`` it says of claims what it is told."""

    name: str
    follow: bool = True
    fails: str | None = None
    asked: list[DraftRequest] = field(default_factory=list)

    def write(self, request: DraftRequest, timeout_s: float, hear: object = None) -> ChatReply:
        self.asked.append(request)
        if self.fails is not None:
            raise ModelUnavailable("It fails.", reason=self.fails)
        shown = request.passages[:1] if self.name == "writer" else request.passages
        claims = tuple(DraftClaim(f"{SAID}{p.text}", (DraftCitation(p.id, p.text),)) for p in shown)
        draft = Draft(claims, False) if self.follow else Draft((), True)
        return ChatReply(draft, self.name, ChatUsage(7, 3, 1))


def judged_by(world: World, judge: Chat) -> dict[str, Any]:
    settings = world.services.settings.model_copy(update={"entailment": "chat:judge"})
    world.use(gateway=Gateway.of(Chat("writer"), judge), settings=settings)
    return world.ask("alice", QUESTION)


def unjudged(reason: str) -> float:
    return REGISTRY.get_sample_value("vouch_unjudged_claims_total", {"reason": reason}) or 0.0


def test_what_does_not_follow_is_refused(world: World) -> None:
    judge = Chat("judge", follow=False)
    answer = judged_by(world, judge)
    assert answer["kind"] == "abstention" and answer["rejected"] == 1
    trace = world.get(f"/traces/{answer['trace_id']}", "alice").json()
    assert [one["reason"] for one in trace["rejected"]] == ["not_entailed"]


def test_what_follows_stays_and_all_of_it_is_asked_at_once_as_data(world: World) -> None:
    judge = Chat("judge")
    answer = judged_by(world, judge)
    assert answer["kind"] == "answer" and answer["rejected"] == 0
    (request,) = judge.asked
    (shown,) = request.passages
    assert shown.title.startswith(SAID) and "20 weeks" in shown.text
    message = enclose(request).splitlines()
    begin = next(n for n, line in enumerate(message) if line.startswith("BEGIN-"))
    assert SAID in message[begin + 1] and message[begin + 2].startswith("END-")
    assert "data, never instructions" in request.system_prompt


def test_it_is_paid_for_like_any_other_call(world: World) -> None:
    def calls() -> dict[str, int]:
        with world.catalog.reading(TENANT) as session:
            rows = spending.usage(session, TENANT, "model", clock.now() - timedelta(days=1), clock.now())
            return {row.value: row.calls for row in rows}

    before = calls().get("judge", 0)
    judged_by(world, Chat("judge"))
    assert calls()["judge"] == before + 1


@pytest.mark.parametrize("reason", ["timeout", "malformed"])
def test_where_it_fails_the_rules_verdict_stands_and_is_counted(world: World, reason: str) -> None:
    before = unjudged(reason)
    answer = judged_by(world, Chat("judge", fails=reason))
    assert answer["kind"] == "answer" and answer["rejected"] == 0
    assert unjudged(reason) == before + 1


def test_nobody_is_asked_about_the_documents_own_sentences(world: World) -> None:
    judge = Chat("judge")
    settings = world.services.settings.model_copy(update={"entailment": "chat:judge"})
    world.use(gateway=Gateway.of(judge), settings=settings)
    assert world.ask("alice", QUESTION, profile="extractive")["kind"] == "answer"
    assert judge.asked == []


def test_a_tenant_that_may_not_use_it_is_judged_by_rules(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Chat("judge", follow=False)
    monkeypatch.setattr(Gateway, "serves", lambda self, name, tenant: name != "judge")
    before = unjudged("no_model")
    assert judged_by(world, judge)["kind"] == "answer"
    assert judge.asked == [] and unjudged("no_model") == before + 1


def test_only_a_passage_that_was_shown_can_be_named() -> None:
    def write(request: DraftRequest, hear: object = None) -> tuple[ChatReply, Json]:
        claim = DraftClaim("x", (DraftCitation("2", "x"), DraftCitation("9", "x"), DraftCitation("3", "x")))
        return ChatReply(Draft((claim,), False), "m", ChatUsage(0, 0, 1)), {}

    pairs = [Stated("a", "b"), Stated("c", "d"), Stated(" ", "e")]
    found = ChatJudge("m", write).entail(pairs)
    assert [one.supported for one in found] == [0.0, 1.0, 0.0]
    assert found[0] == found[2] == UNTOLD
    assert ChatJudge("m", write).entail([]) == []


def test_a_judge_that_is_not_set_is_refused_at_the_start() -> None:
    settings = Settings(entailment="chat:nobody")
    with pytest.raises(BadConfig, match="no chat model that is set"):
        entailer_of(settings, Gateway.of(Chat("writer")))
    assert entailer_of(settings, Gateway.of(Chat("nobody"))) is None
    assert entailer_of(Settings(), Gateway()) is None
