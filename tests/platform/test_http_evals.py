"""Evaluation sets on the running platform: run by the process that answers, and seen by administrators alone."""

from __future__ import annotations

from typing import Any

from tests.platform.conftest import Platform, problem
from tests.platform.objects import holding, key
from vouch.client import Client, EvalRun

PATH = "/v1/evals/sets"


def question(source: str, external_id: str, text: str) -> dict[str, Any]:
    return {"id": external_id, "text": text, "documents": [{"source_id": source, "external_id": external_id}]}


def test_a_set_is_given_run_and_read_again(platform: Platform) -> None:
    source = platform.source("evals")
    platform.pushed(source, "leave.md", "Everybody has 27 days of leave in a year.", "group:staff")
    platform.pushed(source, "travel.md", "Hotels cost 140 euros at most for each night.", "user:bob")
    asked = [question(source, "leave.md", "days of leave"), question(source, "travel.md", "what hotels cost")]
    secret = platform.http.headers["Authorization"].removeprefix("Bearer ")
    with Client(str(platform.http.base_url), secret) as vouch:
        made = vouch.evals.create("mine", "user:alice", asked, "0 4 * * 1")
        assert (made.user, made.questions, made.latest) == ("user:alice", 2, None) and made.next_at is not None
        problem(
            platform.http.post(PATH, json={"name": "mine", "user": "user:bob", "questions": asked}), 409, "conflict"
        )
        run = _ended(platform, vouch, made.id, vouch.evals.start(made.id).id)
        assert (run.state, run.questions, run.missing) == ("succeeded", 2, 1), run.problem
        assert run.measured is not None and run.measured["leave.md"]["success_5"] == 1.0
        assert run.measured["travel.md"]["recall_100"] == 0.0  # it is bob's, and alice asks
        assert run.generation and set(run.recipe) == {"model", "chunker", "context", "lexical", "layout"}
        vouch.evals.change(made.id, baseline=run.id, schedule=None)
        platform.pushed(source, "travel.md", "Hotels cost 150 euros at most for each night.", "user:bob", "user:alice")
        again = _ended(platform, vouch, made.id, vouch.evals.start(made.id).id)
        (drift,) = again.drift
        assert (again.missing, drift.run_id, drift.verdict, drift.won) == (0, run.id, "too_few", 1)
        assert [one.id for one in vouch.evals.runs(made.id)] == [again.id, run.id]
        (listed,) = vouch.evals.sets()
        assert (listed.baseline, listed.schedule) == (run.id, None) and listed.latest and listed.latest.id == again.id
        for told in (platform.ok("GET", PATH), platform.ok("GET", f"{PATH}/{made.id}/runs/{again.id}")):
            assert "hotels" not in str(told) and "euros" not in str(told)
        vouch.evals.delete(made.id)
        problem(platform.http.get(f"{PATH}/{made.id}"), 404, "not_found")


def _ended(platform: Platform, vouch: Client, set_id: str, run_id: str) -> EvalRun:
    def look() -> EvalRun | None:
        found = vouch.evals.run(set_id, run_id)
        return found if found.state in ("succeeded", "failed") else None

    run: EvalRun = platform.until(look)
    return run


def test_what_is_wrong_with_a_set_is_named(platform: Platform) -> None:
    good = {"name": "wrong", "user": "user:alice", "questions": [question("s", "d", "why")]}
    for given, field in (
        ({"user": "group:staff"}, "user"),
        ({"schedule": "1m"}, "schedule"),
        ({"questions": good["questions"] * 2}, "questions"),
        ({"questions": []}, "questions"),
        ({"mode": "telepathy"}, "mode"),
    ):
        body = platform.http.post(PATH, json={**good, **given})
        assert body.status_code == 422 and body.json()["field"] == field, body.text


def test_drift_is_told_to_those_alone_who_may_see_it(platform: Platform) -> None:
    hook = {"url": "https://hooks.invalid/x", "events": ["eval.drift"]}
    with holding(platform, key(platform, "sources")) as theirs:
        problem(theirs.http.post("/v1/webhooks", json=hook), 403, "forbidden")
        mine = theirs.ok("POST", "/v1/webhooks", json={**hook, "events": ["job.ended"]})["id"]
        problem(theirs.http.patch(f"/v1/webhooks/{mine}", json={"events": ["eval.drift"]}), 403, "forbidden")
    assert platform.ok("PATCH", f"/v1/webhooks/{mine}", json={"events": ["eval.drift"]})["events"] == ["eval.drift"]
    with holding(platform, key(platform, "sources")) as theirs:
        problem(theirs.http.patch(f"/v1/webhooks/{mine}", json={"url": "https://hooks.invalid/y"}), 403, "forbidden")
    assert 'vouch_eval_sets{drift="worse"}' in platform.http.get("/metrics").text
