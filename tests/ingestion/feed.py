"""A feed that lives in the test: pages told in order, from a cursor on, with failures on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from connectors.protocol import Membership
from vouch.core.errors import CursorExpired, NotFound, Unavailable
from vouch.core.types import Body, Change, Checkpoint, Json, RawClause, Upsert


class FeedConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass
class Feed:
    """``items``: text by name, told in their order, two to a page. ``fails_before``: page and error of the next scan to
    come there. ``pages``: those that were asked for. ``silent``: items that cannot be fetched."""

    items: dict[str, str] = field(default_factory=dict)
    fails_before: list[tuple[int, BaseException]] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)


class FeedConnector:
    """A feed of the tests; from its cursor, it tells what comes after."""

    kind: ClassVar[str] = "feed"
    Config: ClassVar[type[BaseModel]] = FeedConfig
    lists_everything: ClassVar[bool] = False
    feed: ClassVar[Feed] = Feed()

    def __init__(self, config: FeedConfig) -> None:
        """There is nothing to configure."""

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        names = list(self.feed.items)
        if cursor is not None and cursor["next"] > len(names) / 2:
            raise CursorExpired("the feed was cut")
        for page in range(0 if cursor is None else cursor["next"], (len(names) + 1) // 2):
            if self.feed.fails_before and self.feed.fails_before[0][0] == page:
                raise self.feed.fails_before.pop(0)[1]
            self.feed.pages.append(page)
            for name in names[page * 2 : page * 2 + 2]:
                yield Upsert(name, name, f"feed:{name}", self.feed.items[name], (RawClause(("group:staff",)),))
            yield Checkpoint({"next": page + 1})

    def fetch(self, external_id: str) -> Body:
        self.feed.fetched.append(external_id)
        if external_id in self.feed.silent:
            raise Unavailable("the feed is away")
        if external_id not in self.feed.items:
            raise NotFound()
        return Body(self.feed.items[external_id].encode(), "text/plain")

    def memberships(self) -> Iterator[Membership]:
        yield from ()
