"""Who has claimed an answer decides it, once, by what they and its asker may read at that moment."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.retrieval.reviewing import QUOTE, asked, claimed, own, problem, review, seen, staffed, trail
from tests.retrieval.world import TENANT, World
from vouch.core import clock


@pytest.fixture
def world(world: World) -> World:
    return staffed(world)


# --- claims -----------------------------------------------------------------------------------------------------------


def test_of_reviewers_who_claim_at_once_one_gets_it(world: World) -> None:
    answer = asked(world)
    for who in ("dave", "erin"):
        world.headers(who, "review", "act_as")  # the key is made before they race
    barrier, told = threading.Barrier(2), {}

    def race(who: str) -> None:
        barrier.wait()
        told[who] = review(world, who, "claim", answer)

    racing = [threading.Thread(target=race, args=(who,)) for who in ("dave", "erin")]
    for one in racing:
        one.start()
    for one in racing:
        one.join()
    assert sorted(response.status_code for response in told.values()) == [200, 409]
    (loser,) = (who for who, response in told.items() if response.status_code == 409)
    (winner,) = {"dave", "erin"} - {loser}
    assert problem(told[loser], 409, "already_claimed")["claimed_until"]
    problem(review(world, loser, "release", answer, version=1), 409, "already_claimed")
    assert seen(world, loser, answer).json()["claimed_by"] == f"user:{winner}"


def test_a_claim_runs_out_and_passes_on(world: World) -> None:
    answer = asked(world)
    problem(review(world, "dave", "release", answer, version=1), 409, "not_claimed")
    now = clock.now()
    with clock.frozen(now):
        claimed(world, "dave", answer)
    with clock.frozen(now + timedelta(minutes=29)):
        problem(review(world, "erin", "claim", answer), 409, "already_claimed")
    with clock.frozen(now + timedelta(minutes=30)):
        assert seen(world, "erin", answer).json()["claimed_by"] is None
        problem(review(world, "dave", "release", answer, version=1), 409, "not_claimed")
        claimed(world, "erin", answer)
        problem(review(world, "dave", "release", answer, version=1), 409, "already_claimed")
        assert review(world, "erin", "release", answer, version=1).status_code == 200


# --- deciding ---------------------------------------------------------------------------------------------------------


def test_released_it_is_read_as_any_answer_and_said_twice_it_is_released_once(world: World) -> None:
    answer = asked(world, conversation_id="c1")
    claimed(world, "dave", answer)
    for _ in range(2):
        response = review(world, "dave", "release", answer, version=1)
        assert response.status_code == 200 and response.json()["decided_by"] == "user:dave"
    kept = own(world, answer)
    assert (kept["status"], kept["edited"], kept["text"]) == ("released", False, f"{QUOTE} [1]")
    assert kept["citations"][0]["quote"] == QUOTE
    assert world.get(f"/traces/{answer['trace_id']}", "alice").json()["answer"]["text"] == kept["text"]
    assert world.get("/conversations/c1", "alice").json()["questions"][0]["status"] == "released"
    assert world.post(f"/answers/{answer['answer_id']}/feedback", "alice", helpful=True).status_code == 204
    assert trail(world, answer).count("approval.release") == 1
    (notice,) = world.get("/notifications", "alice").json()["notifications"]
    assert (notice["kind"], notice["detail"]) == ("answer.released", {"answer": answer["answer_id"]})
    assert world.get("/notifications", "dave").json()["notifications"] == []
    problem(review(world, "erin", "claim", answer), 409, "already_decided")
    problem(review(world, "dave", "reject", answer, version=1, reason="Late."), 409, "already_decided")
    replayed = world.get(f"/answers/{answer['answer_id']}/replay", None, "admin").json()
    assert (replayed["then"], replayed["now"], replayed["reasons"]) == ("allowed", "allowed", [])


def test_rejected_it_stays_closed_and_the_asker_is_told_why(world: World) -> None:
    answer = asked(world)
    claimed(world, "dave", answer)
    for reason in ("", "  ", "x" * 1001, "\u200b"):
        assert review(world, "dave", "reject", answer, version=1, reason=reason).status_code == 422
    assert review(world, "dave", "reject", answer, version=1, reason="Of last year.").status_code == 200
    kept = own(world, answer)
    assert (kept["status"], kept["reason"], kept["text"], kept["citations"]) == ("rejected", "Of last year.", "", [])
    assert world.get(f"/traces/{answer['trace_id']}", "alice").json()["answer"] is None
    problem(review(world, "dave", "release", answer, version=1), 409, "already_decided")
    assert trail(world, answer)[-2:] == ["approval.reject", "answer.read"]


def test_of_reviewers_who_decide_at_once_one_decides(world: World) -> None:
    """Both hold the claim by turns: the first one's has run out for nobody but the clock."""
    answer = asked(world)
    claimed(world, "dave", answer)
    barrier, told = threading.Barrier(2), {}

    def decide(verb: str, **body: object) -> None:
        barrier.wait()
        told[verb] = review(world, "dave", verb, answer, version=1, **body)

    racing = [
        threading.Thread(target=decide, args=("release",)),
        threading.Thread(target=decide, args=("reject",), kwargs={"reason": "No."}),
    ]
    for one in racing:
        one.start()
    for one in racing:
        one.join()
    assert sorted(response.status_code for response in told.values()) == [200, 409]
    (won,) = (verb for verb, response in told.items() if response.status_code == 200)
    assert own(world, answer)["status"] == {"release": "released", "reject": "rejected"}[won]


def test_a_reviewer_who_loses_access_after_the_claim_decides_nothing(world: World) -> None:
    answer = asked(world)
    claimed(world, "dave", answer)
    world.member("hr", remove=["user:dave"])
    for verb, body in (("release", {}), ("reject", {"reason": "No."}), ("claim", None)):
        given = {} if body is None else {"version": 1, **body}
        assert review(world, "dave", verb, answer, **given).status_code == 404
    assert own(world, answer)["status"] == "awaiting_review"


def test_an_asker_who_loses_access_reads_nothing_released_or_not(world: World) -> None:
    answer = asked(world)
    claimed(world, "dave", answer)
    world.member("hr", remove=["user:alice"])
    path = f"/answers/{answer['answer_id']}"
    waiting, never = world.get(path, "alice"), world.get(f"{path[:-4]}none", "alice")
    assert (waiting.status_code, waiting.text) == (never.status_code, never.text)
    assert review(world, "dave", "release", answer, version=1).status_code == 200
    assert world.get(path, "alice").status_code == 404
    world.member("hr", add=["user:alice"])
    assert own(world, answer)["text"] == f"{QUOTE} [1]"


def test_what_is_released_is_proved_by_the_access_of_its_release(world: World) -> None:
    answer = asked(world)
    world.member("hr", add=["user:bob"])  # another epoch
    claimed(world, "dave", answer)
    assert review(world, "dave", "release", answer, version=1).status_code == 200
    with world.catalog.reading(TENANT) as session:
        row = session.execute(
            sa.text("SELECT a.epoch, t.authz_epoch FROM answer a JOIN tenant t ON t.id = a.tenant_id WHERE a.id = :id"),
            {"id": answer["answer_id"]},
        ).one()
    assert row.epoch == row.authz_epoch
    replayed = world.get(f"/answers/{answer['answer_id']}/replay", None, "admin").json()
    assert (replayed["then"], replayed["reasons"]) == ("allowed", [])


def test_a_decision_that_cannot_be_logged_is_not_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asked(world)
    claimed(world, "dave", answer)

    def full(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("retrieval.approvals.decide.record", full)
        with pytest.raises(OSError, match="full"):
            review(world, "dave", "release", answer, version=1)
    kept = own(world, answer)
    assert (kept["status"], kept["text"]) == ("awaiting_review", "")
    assert review(world, "dave", "release", answer, version=1).status_code == 200
