"""Index generations (scope `admin`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Result

LONG_S: Final = 600.0
"""Seconds that hundreds of questions, or what is left to bring a generation up to, may take."""


class Recipe(Result):
    """What an index is made by; ``fingerprint`` is equal for equal recipes."""

    model: str
    chunker: str
    context: str
    lexical: str
    layout: str
    fingerprint: str


class Filled(Result):
    done: int
    total: int


class Generation(Result):
    """``state``: building, ready, active, retired. ``behind``: operations that it has not taken yet."""

    id: str
    state: str
    recipe: Recipe
    behind: int
    progress: Filled | None
    problem: dict[str, Any] | None
    compared: dict[str, Any] | None
    created_at: AwareDatetime | None
    ready_at: AwareDatetime | None
    activated_at: AwareDatetime | None
    retired_at: AwareDatetime | None


class GenerationList(Result):
    """The active one first. ``recipe``: what a new one would be made by; ``differs``: the parts in which the active one
    is another."""

    generations: tuple[Generation, ...]
    recipe: Recipe
    differs: tuple[str, ...]


class Swap(Result):
    """``former``: the generation that was asked until now."""

    former: str
    generation: Generation


@dataclass(frozen=True, slots=True)
class Generations:
    """`/v1/index/generations`."""

    connection: Connection

    def list(self) -> GenerationList:
        return self.connection.get(_PATH, GenerationList)

    def get(self, generation_id: str) -> Generation:
        return self.connection.get(_path(generation_id), Generation)

    def build(
        self, *, chunker: str | None = None, context: str | None = None, lexical: str | None = None
    ) -> Generation:
        """Begin a generation beside the active one; what is not given is as usual."""
        body = {"chunker": chunker, "context": context, "lexical": lexical}
        return Generation.model_validate(self.connection.send("POST", _PATH, body))

    def compare(self, generation_id: str, *, questions: int = 100) -> dict[str, Any]:
        """Figures of the active generation and another one, on what was asked last."""
        found = self.connection.send(
            "POST", f"{_path(generation_id)}/compare", {"questions": questions}, timeout_s=LONG_S
        )
        return dict(found["compared"])

    def swap(self, generation_id: str) -> Swap:
        """Make a generation the one that is asked."""
        return Swap.model_validate(self.connection.send("POST", f"{_path(generation_id)}/swap", timeout_s=LONG_S))

    def drop(self, generation_id: str) -> None:
        """Let go of one that is not asked."""
        self.connection.send("DELETE", _path(generation_id))


_PATH = "/v1/index/generations"


def _path(generation_id: str) -> str:
    return f"{_PATH}/{segment(generation_id)}"
