"""A company where a person approves what is asked for benefits: Alice asks, Dave and Erin review, Bob may read none of
it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from httpx2 import Response

from acl import directory
from tests.retrieval.world import TENANT, World
from vouch.catalog.database import ACROSS_TENANTS
from vouch.core.types import Json

QUESTION = "How many weeks of paid parental leave may every parent take?"
QUOTE = "Every parent may take 20 weeks of paid parental leave in the first two years."
AHEAD = "Requests go to the people team six weeks ahead."
WORKFLOW = "benefits"


def staffed(world: World, **settings: Any) -> World:
    """The same company with its reviewers, and the workflow that takes them."""
    with world.catalog.transaction(ACROSS_TENANTS) as session:
        directory.put_user(session, TENANT, "user:erin", name="Erin", actor="test")
    world.member("hr", add=["user:dave", "user:erin"])
    world.use(settings=world.services.settings.model_copy(update={"approval_workflows": WORKFLOW, **settings}))
    return world


def asked(world: World, user: str = "alice", **body: object) -> Json:
    """What the asker is told of an answer that waits."""
    answer = world.ask(user, QUESTION, workflow=WORKFLOW, **body)
    assert answer["status"] == "awaiting_review", answer
    return answer


def review(world: World, who: str, verb: str, answer: Json, **body: object) -> Response:
    path = f"/v1/approvals/{answer['answer_id']}/{verb}"
    return world.client.post(path, json=body or None, headers=world.headers(who, "review", "act_as"))


def seen(world: World, who: str, answer: Json) -> Response:
    return world.get(f"/approvals/{answer['answer_id']}", who, "review", "act_as")


def queue(world: World, who: str, more: str = "") -> list[str]:
    response = world.get(f"/approvals{more}", who, "review", "act_as")
    assert response.status_code == 200, response.text
    return [one["answer_id"] for one in response.json()["approvals"]]


def claimed(world: World, who: str, answer: Json) -> Json:
    response = review(world, who, "claim", answer)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def own(world: World, answer: Json, user: str = "alice") -> Json:
    response = world.get(f"/answers/{answer['answer_id']}", user)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def problem(response: Response, status: int, code: str) -> Json:
    body: Json = response.json()
    assert (body["status"], body["code"]) == (status, code), body
    return body


def trail(world: World, answer: Json) -> list[str]:
    with world.catalog.reading(TENANT) as session:
        told = sa.text("SELECT action FROM audit_entry WHERE subject = :of ORDER BY seq")
        return list(session.execute(told, {"of": f"answer:{answer['answer_id']}"}).scalars())
