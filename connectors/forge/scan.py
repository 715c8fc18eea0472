"""A scan of several repositories, one after the other: how far each was read, and what is told when one fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Change, Checkpoint, Json

_CHECKPOINT_EVERY = 500


class State(BaseModel):
    """How far one repository was read. ``access``: by which rules, ``ref``: whose files. Each forge adds more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    access: str = ""
    ref: str = ""


S = TypeVar("S", bound=State)


class Cursor(BaseModel, Generic[S]):
    """What a cursor holds: the states of repositories by their numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repositories: dict[int, S] = Field(default_factory=dict)

    @classmethod
    def read(cls, cursor: Json) -> Mapping[int, S]:
        """Raises :class:`CursorExpired` for what is none."""
        try:
            return cls.model_validate(cursor).repositories
        except ValidationError as error:
            raise CursorExpired("What the last scan reached is not understood") from error


class Reading(Protocol[S]):
    """One repository while it is read. ``state`` grows with what was told."""

    state: S

    @property
    def name(self) -> str: ...

    def changes(self) -> Iterator[Change]:
        """Raises :class:`SourceRefuses` and :class:`NotFound` for what the forge does not show."""
        ...


def require_same(before: Mapping[int, State], marks: Mapping[int, str]) -> None:
    """Raises :class:`CursorExpired` when a repository is there no more, or who may read it (by its mark) is said in
    another way."""
    if any(marks.get(id) != state.access for id, state in before.items()):
        raise CursorExpired("A repository is no longer there, or is read by others")


def in_turn(readings: Mapping[int, Reading[S]], before: Mapping[int, S] | None, most: int) -> Iterator[Change]:
    """What each of them tells, and how far that reaches.

    One that the forge refuses to show, whole or in part, does not keep the others from being read: that is raised at
    the end (:class:`DocumentRejected`, ``unreached``), so that nothing counts as gone. Raises :class:`BadConfig` for
    more than ``most`` changes.
    """
    states = dict(before or {})
    refused: list[str] = []
    named = told = 0
    for id, reading in readings.items():
        try:
            for change in reading.changes():
                yield change
                named += 1
                if named > most:
                    raise BadConfig(f"There are more than {most:,} items", field="config.max_items")
                if before is not None and named - told >= _CHECKPOINT_EVERY:
                    told, states[id] = named, reading.state
                    yield _checkpoint(states)
            states[id] = reading.state
        except (SourceRefuses, NotFound) as error:
            if isinstance(error, SourceRefuses) and error.said == 401:
                raise
            refused.append(f"{reading.name}: {error.detail or 'it is no longer there'}")
    yield _checkpoint(states)
    if refused:
        raise DocumentRejected(f"Nothing counts as gone: {'; '.join(refused)[:1000]}", reason="unreached")


def _checkpoint(states: Mapping[int, State]) -> Checkpoint:
    written = {str(id): state.model_dump(mode="json", exclude_defaults=True) for id, state in states.items()}
    return Checkpoint({"repositories": written})
