"""A company whose answers a model writes, one that counts how often it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
from prometheus_client import REGISTRY

from tests.retrieval.world import TENANT, World
from vouch.core.errors import ModelUnavailable
from vouch.core.types import Json
from vouch.gateway.chat import ChatReply, ChatUsage, Draft, DraftCitation, DraftClaim, DraftRequest, Hear
from vouch.gateway.fake_chat import turned
from vouch.gateway.gateway import Gateway

LEAVE = "How many weeks of paid parental leave may a parent take?"
HOTEL = "Up to how much are hotel costs reimbursed per night?"

SURELY = ("surely", "indeed", "plainly", "truly", "certainly")


@dataclass
class CountingChat:
    """Says of the sentence with most of the question's words that it is so, each time in other words."""

    name: str = "counting"
    asked: list[str] = field(default_factory=list)
    verbatim: bool = False
    insufficient: bool = False
    misquotes: bool = False
    down: bool = False

    @property
    def calls(self) -> int:
        return len(self.asked)

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        if self.down:
            raise ModelUnavailable("The chat model is down.", reason="server_error")
        self.asked.append(request.question)
        words = set(request.question.lower().rstrip("?").split())
        lines = [(one.id, line) for one in request.passages for line in one.text.split("\n\n")]
        passage, line = max(lines, key=lambda one: len(words & set(one[1].lower().rstrip(".").split())))
        said = line if self.verbatim else f"It is {SURELY[self.calls % len(SURELY)]} so: {turned(line)}"
        claims = [DraftClaim(said, (DraftCitation(passage, line),))]
        if self.misquotes:
            claims.append(DraftClaim("Nothing of this is true.", (DraftCitation(passage, "Nothing of this."),)))
        draft = Draft(tuple(claims), insufficient=self.insufficient)
        return ChatReply(draft, self.name, ChatUsage(100, 10, 1))


def written(world: World, reuse: Literal["off", "exact", "near"], **behaviour: Any) -> CountingChat:
    """The model that writes from now on."""
    chat = CountingChat(**behaviour)
    settings = world.services.settings.model_copy(update={"reuse": reuse})
    world.use(gateway=Gateway.of(chat), settings=settings)
    return chat


def kind(answer: Json) -> str | None:
    """Of an answer that was given again; None for one that was written for this question."""
    found: str | None = answer["usage"].get("reused")
    return found


def missed(world: World, user: str, answer: Json) -> str | None:
    """Why nothing earlier was given."""
    reuse = world.get(f"/traces/{answer['trace_id']}", user).json()["reuse"]
    assert reuse.get("kind") is None
    found: str | None = reuse.get("missed")
    return found


def kept(world: World, tenant: str = TENANT) -> int:
    with world.catalog.reading(tenant) as session:
        return int(session.execute(sa.text("SELECT count(*) FROM answer_reuse")).scalar_one())


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"vouch_{name}_total", labels) or 0.0
