"""A wiki that lives in the test: documents, groups of its own, and failures on demand, behind the real protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from connectors.protocol import Membership
from vouch.core.errors import NotFound
from vouch.core.types import Body, Change, Checkpoint, Json, RawClause, Upsert


class WikiConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str = "main"
    issuer: str | None = "wiki"


@dataclass
class Site:
    """``pages``: text by name; ``readers``: whom each page allows; ``groups``: (group, member) as the wiki tells them;
    ``fails``: raised after everything that the listing, or the reading of groups, has to tell."""

    pages: dict[str, str] = field(default_factory=dict)
    readers: tuple[str, ...] = ("group:wiki/readers",)
    groups: list[tuple[str, str]] = field(default_factory=list)
    fails: Exception | None = None
    groups_fail: Exception | None = None
    scans: int = 0


class WikiConnector:
    """A wiki of the tests."""

    kind: ClassVar[str] = "wiki"
    Config: ClassVar[type[BaseModel]] = WikiConfig
    lists_everything: ClassVar[bool] = True
    sites: ClassVar[dict[str, Site]] = {}

    def __init__(self, config: WikiConfig) -> None:
        self.site = self.sites.setdefault(config.site, Site())

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        self.site.scans += 1
        for name, text in sorted(self.site.pages.items()):
            yield Upsert(name, name, f"wiki:{name}", text, (RawClause(self.site.readers),))
        if self.site.fails is not None:
            raise self.site.fails
        yield Checkpoint({})

    def fetch(self, external_id: str) -> Body:
        if external_id not in self.site.pages:
            raise NotFound()
        return Body(self.site.pages[external_id].encode(), "text/plain")

    def memberships(self) -> Iterator[Membership]:
        yield from (Membership(*pair) for pair in self.site.groups)
        if self.site.groups_fail is not None:
            raise self.site.groups_fail
