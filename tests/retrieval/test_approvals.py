"""An answer that a person approves first: who is told what of it, before, meanwhile and after."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY

from acl.caller import Caller
from ingestion import metrics
from ingestion.reports.staleness import staleness
from retrieval.approval import needs_approval
from retrieval.types import Abstention, Question, Released
from tests.retrieval.reviewing import (
    QUESTION,
    QUOTE,
    WORKFLOW,
    asked,
    claimed,
    own,
    problem,
    queue,
    review,
    seen,
    staffed,
    trail,
)
from tests.retrieval.test_answers import chatting
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.retention import forget
from vouch.catalog.tables import Feedback
from vouch.core import clock
from vouch.core.types import Json


@pytest.fixture
def world(world: World) -> World:
    return staffed(world)


# --- before -----------------------------------------------------------------------------------------------------------


def test_nothing_of_it_is_told_before_a_person_has_decided(world: World) -> None:
    answer = asked(world, conversation_id="c1")
    empty: Json = {"text": "", "claims": [], "citations": [], "notices": [], "abstention": None}
    assert answer | empty == answer
    kept = own(world, answer)
    assert kept | empty == kept and (kept["status"], kept["reason"]) == ("awaiting_review", None)
    assert world.get(f"/answers/{answer['answer_id']}/citations", "alice").json()["citations"] == []
    (question,) = world.get("/conversations/c1", "alice").json()["questions"]
    assert (question["question"], question["status"]) == (QUESTION, "awaiting_review")
    trace = world.get(f"/traces/{answer['trace_id']}", "alice")
    assert trace.json()["answer"] is None and trace.json()["rejected"] == []
    problem(world.post(f"/answers/{answer['answer_id']}/feedback", "alice", helpful=True), 409, "conflict")
    assert world.get("/evals/proposals?asked=true", "alice").json()["proposals"] == []
    for response in (str(answer), str(kept), trace.text):
        assert QUOTE not in response


def test_it_is_no_use_of_a_document_and_proposes_nothing_before_it_is_released(world: World) -> None:
    answer = asked(world)
    with world.catalog.transaction(TENANT) as session:  # as no route lets it be said
        session.add(Feedback(tenant_id=TENANT, answer_id=answer["answer_id"], user_id="user:alice", helpful=True))

    def uses() -> int:
        with world.catalog.reading(TENANT) as session:
            reader = Caller(TENANT, "key", frozenset({"reports"}), None)
            return sum(one.questions for one in staleness(session, reader, None, limit=10).documents)

    def proposed() -> list[str]:
        found = world.get("/evals/proposals?asked=true", "alice").json()["proposals"]
        return [one["question"] for one in found]

    assert (uses(), proposed()) == (0, [])
    claimed(world, "dave", answer)
    assert review(world, "dave", "release", answer, version=1).status_code == 200
    assert (uses(), proposed()) == (1, [QUESTION])


def test_a_stream_ends_with_the_same_and_holds_no_more(world: World) -> None:
    body = {"question": QUESTION, "workflow": WORKFLOW, "stream": True}
    response = world.client.post("/v1/ask", json=body, headers=world.headers("alice"))
    events = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    assert set(events) == {"step", "answer"} and events[-1] == "answer"
    assert '"status":"awaiting_review"' in response.text.replace(" ", "") and QUOTE not in response.text


def test_what_needs_nobody_is_told_at_once(world: World) -> None:
    assert world.ask("alice", QUESTION)["status"] == "released"
    assert world.ask("alice", QUESTION, workflow="another")["text"].startswith(QUOTE)
    refused = world.ask("alice", "Which submarine does the navy recommend?", workflow=WORKFLOW)
    assert (refused["kind"], refused["status"]) == ("abstention", "released")
    assert queue(world, "dave") == []


def _released(writer: str, abstention: Abstention | None = None) -> Released:
    return Released("a", "", (), (), (), abstention, 0, {"writer": writer}, frozenset(), {})


@pytest.mark.parametrize(
    ("workflows", "workflow", "writer", "by_profile", "why"),
    [
        ({"benefits"}, "benefits", "extractive", False, "workflow"),
        ({"benefits"}, "another", "chat:m:answer.v1", False, None),
        ({"benefits"}, None, "chat:m:answer.v1", False, None),
        ({"*"}, None, "chat:m:answer.v1", False, "model"),
        ({"*"}, "benefits", "extractive", False, None),
        ({"*", "benefits"}, "benefits", "extractive", False, "workflow"),
        (set(), None, "extractive", True, "profile"),
        (set(), None, "chat:m:answer.v1", False, None),
    ],
)
def test_who_says_that_a_person_has_to(
    workflows: set[str], workflow: str | None, writer: str, by_profile: bool, why: str | None
) -> None:
    question = Question("?", 8, workflow=workflow)
    assert needs_approval(workflows, question, _released(writer), by_profile=by_profile) == why
    abstained = _released(writer, Abstention("no_evidence", ""))
    assert needs_approval(workflows, question, abstained, by_profile=by_profile) is None


def test_prose_of_a_model_waits_and_sentences_of_a_document_do_not(world: World) -> None:
    staffed_settings = world.services.settings.model_copy(update={"approval_workflows": "*"})
    world.use(settings=staffed_settings)
    assert world.ask("alice", QUESTION)["status"] == "released"
    with chatting(world, "honest"):
        world.use(settings=staffed_settings)
        answer = world.ask("alice", QUESTION)
    assert (answer["status"], answer["text"]) == ("awaiting_review", "")
    assert seen(world, "dave", answer).json()["why"] == "model"


# --- the queue --------------------------------------------------------------------------------------------------------


def test_a_reviewer_sees_what_was_asked_and_what_would_be_said(world: World) -> None:
    answer = asked(world)
    assert queue(world, "dave") == [answer["answer_id"]]
    found = seen(world, "dave", answer).json()
    assert (found["question"], found["asked_by"], found["why"]) == (QUESTION, "user:alice", "workflow")
    assert found["text"] == f"{QUOTE} [1]" and found["citations"][0]["quote"] == QUOTE
    assert (found["status"], found["version"], found["original"]) == ("awaiting_review", 1, None)
    assert "approval.read" in trail(world, answer)


def test_who_may_not_read_all_of_it_or_asked_for_it_sees_as_much_as_of_nothing(world: World) -> None:
    answer = asked(world)
    never = {"answer_id": f"{answer['answer_id'][:-4]}none"}
    for who in ("bob", "alice"):
        assert queue(world, who) == []
        for verb, body in (
            ("claim", {}),
            ("release", {"version": 1}),
            ("reject", {"version": 1, "reason": "no"}),
            ("edit", {"version": 1, "claims": [{"text": QUOTE, "citations": [1]}]}),
        ):
            there, absent = (review(world, who, verb, one, **body) for one in (answer, never))
            assert (there.status_code, there.text) == (absent.status_code, absent.text)
            assert there.status_code == 404
        assert seen(world, who, answer).text == seen(world, who, never).text
    for path in ("/approvals", f"/approvals/{answer['answer_id']}"):
        assert world.get(path, "dave", "ask", "admin", "act_as").status_code == 403
    assert queue(world, "dave") == [answer["answer_id"]]


def test_one_document_of_many_that_may_not_be_read_hides_it(world: World) -> None:
    """Prose is made from all that the model was shown, so all of it counts."""
    world.document("Leave for carers", "Carers may take 10 weeks of unpaid parental leave.", allow=("user:alice",))
    settings = world.services.settings
    with chatting(world, "paraphrased"):
        world.use(settings=settings)
        answer = asked(world)
    assert queue(world, "dave") == [] and seen(world, "dave", answer).status_code == 404


def test_the_queue_is_paged_oldest_first_and_told_by_state(world: World) -> None:
    answers = [asked(world)["answer_id"] for _ in range(3)]
    found, cursor = [], ""
    while True:
        page = world.get(f"/approvals?limit=1{cursor}", "dave", "review", "act_as").json()
        found += [one["answer_id"] for one in page["approvals"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == answers
    assert world.get("/approvals?cursor=xx", "dave", "review", "act_as").status_code == 422
    first = {"answer_id": answers[0]}
    claimed(world, "dave", first)
    assert review(world, "dave", "reject", first, version=1, reason="Outdated.").status_code == 200
    assert queue(world, "dave") == answers[1:] and queue(world, "dave", "?state=rejected") == answers[:1]
    assert queue(world, "dave", "?state=released") == []


def test_how_many_wait_and_how_long_is_a_figure_to_alert_on(world: World) -> None:
    names = ("vouch_approvals_waiting", "vouch_approval_oldest_waiting_seconds")

    def figures() -> list[float | None]:
        with world.catalog.reading(ACROSS_TENANTS) as session:
            metrics.read(session)
        return [REGISTRY.get_sample_value(name) for name in names]

    assert figures() == [0, 0]
    answer = asked(world)
    with clock.frozen(clock.now() + timedelta(hours=1)):
        waiting, oldest = figures()
    assert waiting == 1 and oldest is not None and 3590 < oldest < 3660
    claimed(world, "dave", answer)
    assert review(world, "dave", "reject", answer, version=1, reason="No.").status_code == 200
    assert figures() == [0, 0]


def test_it_is_forgotten_with_its_answer(world: World) -> None:
    asked(world)
    with world.catalog.transaction(TENANT) as session:
        assert forget(session, TENANT, clock.now() + timedelta(days=1), 100).answers == 1
        assert session.execute(sa.text("SELECT count(*) FROM approval")).scalar_one() == 0
