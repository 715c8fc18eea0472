"""What a scan of a workspace leaves for the next one: of each channel until when it was read, and what was named of it.

Slack tells no deletions. What was named of the days that are read again, and is not there any more, is gone; what is
older is found by a whole listing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.slack.text import moment
from connectors.slack.workspace import Channel
from vouch.core.errors import CursorExpired
from vouch.core.types import Json


class Read(BaseModel):
    """One channel: as what it was read, on which day last, and the threads and days named of what is read again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    access: str
    at: date
    named: tuple[str, ...]

    @classmethod
    def of(cls, channel: Channel, at: date, named: tuple[str, ...]) -> Read:
        return cls(name=channel.shown, access=channel.access, at=at, named=named)

    def require(self, channel: Channel | None) -> None:
        """Raises :class:`CursorExpired` unless the channel is what all its documents are told to be: there, of this
        name, and readable by the same."""
        if channel is None:
            raise CursorExpired(f"#{self.name} is not there any more, or not to be read")
        if (self.name, self.access) != (channel.shown, channel.access):
            raise CursorExpired(f"#{self.name} has another name, or others may read it")


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int
    team: str
    channels: dict[str, Read]
    done: frozenset[str] = frozenset()


@dataclass
class State:
    """``done``: channels that an incremental scan, interrupted since, was through with."""

    team: str
    channels: dict[str, Read] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    @classmethod
    def from_cursor(cls, cursor: Json) -> State:
        """Raises :class:`CursorExpired` for what is none."""
        try:
            kept = _Kept.model_validate(cursor)
        except ValidationError:
            raise CursorExpired("The cursor is not understood") from None
        if kept.version != 1:
            raise CursorExpired("The cursor is of another version")
        return cls(kept.team, dict(kept.channels), set(kept.done))

    def cursor(self, *, ended: bool) -> Json:
        kept = _Kept(version=1, team=self.team, channels=self.channels, done=frozenset() if ended else self.done)
        return {**kept.model_dump(mode="json"), "done": sorted(kept.done)}

    def require_same(self, team: str, offered: dict[str, Channel]) -> None:
        """Raises :class:`CursorExpired` where more than new messages is to be told: of another workspace, of a channel
        that is not there any more, or that others may read than before."""
        if self.team != team:
            raise CursorExpired("The token is of another workspace")
        for id, read in self.channels.items():
            read.require(offered.get(id))


def day_of(suffix: str) -> date:
    """The day of a document, by what its id says besides the channel."""
    return moment(suffix).date() if "." in suffix else date.fromisoformat(suffix)


def back(day: date, days: int) -> date:
    """So many days earlier, as far as there are days."""
    return day - timedelta(days=min(days, (day - date.min).days))
