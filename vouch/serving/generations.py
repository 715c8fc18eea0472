"""What both services show of an index generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, Field

from vouch.catalog.generations import recipe_of
from vouch.catalog.tables import IndexGeneration
from vouch.core.clock import rfc3339
from vouch.core.recipe import Recipe


class RecipeOut(BaseModel):
    """`fingerprint`: equal for equal recipes."""

    model: str
    chunker: str
    context: str
    lexical: str
    layout: str
    fingerprint: str

    @classmethod
    def of(cls, recipe: Recipe) -> RecipeOut:
        return cls(**asdict(recipe), fingerprint=recipe.fingerprint)


class Progress(BaseModel):
    """Documents written of all that were there."""

    done: int
    total: int


class GenerationOut(BaseModel):
    id: str
    state: Literal["building", "ready", "active", "retired"]
    recipe: RecipeOut
    behind: int = Field(description="Operations of the outbox that it has not taken yet.")
    progress: Progress | None = Field(description="How far it has been filled; null where it was there from the start.")
    problem: dict[str, Any] | None = Field(description="What stands in its way: `detail`, `at`.")
    compared: dict[str, Any] | None = Field(description="What the last comparison with the active one found.")
    created_at: str | None
    ready_at: str | None
    activated_at: str | None
    retired_at: str | None


class GenerationsOut(BaseModel):
    """`recipe`: what a new generation would be made by. `differs`: the parts in which the active one is another."""

    generations: list[GenerationOut]
    recipe: RecipeOut
    differs: list[str]

    @classmethod
    def of(cls, rows: Sequence[IndexGeneration], last: int, usual: Recipe) -> GenerationsOut:
        """``rows`` with the active one first."""
        differs = recipe_of(rows[0]).differs(usual) if rows else ()
        return cls(generations=[shown(row, last) for row in rows], recipe=RecipeOut.of(usual), differs=list(differs))


class Swapped(BaseModel):
    """`former`: the generation that was asked until now, which is kept."""

    former: str
    generation: GenerationOut


def shown(row: IndexGeneration, last: int) -> GenerationOut:
    """``last``: the outbox's newest number."""
    done = row.progress.get("done")
    return GenerationOut.model_validate(
        {
            "id": row.id,
            "state": row.state,
            "recipe": RecipeOut.of(recipe_of(row)),
            "behind": max(0, last - row.applied_seq),
            "progress": None if done is None else {"done": done, "total": row.progress["total"]},
            "problem": row.problem,
            "compared": row.compared,
            **{name: rfc3339(getattr(row, name)) for name in ("created_at", "ready_at", "activated_at", "retired_at")},
        }
    )
