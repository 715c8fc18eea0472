"""GitHub: files, issues, pull requests, discussions and wikis of repositories, with the readers that GitHub says they
have.

How it is asked is in :mod:`connectors.github.api`, who may read what in :mod:`connectors.github.access`; each part of a
repository has a module. Everything goes through the platform's one door to the outside. A repository and what is in it
go by their numbers, so that neither a new name nor a new owner makes other documents of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from connectors.forge.scan import Cursor, in_turn, require_same
from connectors.github.access import Access
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.discussions import fetch_discussion
from connectors.github.files import fetch_file
from connectors.github.repositories import Repositories
from connectors.github.scan import Reading, State
from connectors.github.threads import fetch_thread
from connectors.github.wiki import fetch_page
from connectors.protocol import Membership
from vouch.core.errors import NotFound
from vouch.core.types import Body, Change, Json, Refused
from vouch.outbound.door import Outbound

_ID = re.compile(r"([1-9][0-9]{0,17})/(files|issues|pulls|discussions|wiki)/(.+)", re.S)
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


class GithubConnector:
    """Reads repositories on GitHub: files, issues, pull requests, discussions, wikis."""

    kind: ClassVar[str] = "github"
    Config: ClassVar[type[BaseModel]] = GithubConfig
    lists_everything: ClassVar[bool] = False
    goes_out: ClassVar[bool] = True

    def __init__(self, config: GithubConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig`. Whether the credential is good, and for what, only a scan tells."""
        self.config = config
        self._api = Github(config, outbound)
        self._access = Access(self._api, config)
        self._repositories = Repositories(self._api, config)

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Repository by repository, what changed since the cursor. Raises as :func:`~connectors.forge.scan.in_turn`
        and :func:`~connectors.forge.scan.require_same`."""
        before = None if cursor is None else Cursor[State].read(cursor)
        found, missing = self._repositories.read()
        require_same(before or {}, {id: self._access.mark(one) for id, one in found.items()})
        yield from (Refused(name, "missing", "There is no such repository to be seen") for name in missing)
        since = before or {}
        readings = {
            id: Reading(self._api, self.config, self._access, one, since.get(id, State())) for id, one in found.items()
        }
        yield from in_turn(readings, before, self.config.max_items)

    def fetch(self, external_id: str) -> Body:
        """The item as it is now. Its repository is known by its number, which only a scan gives out."""
        match = _ID.fullmatch(external_id)
        if match is None or match[2] not in self.config.read:
            raise NotFound()
        root, part, rest = f"/repositories/{match[1]}", match[2], match[3]
        if part == "files":
            return fetch_file(self._api, self.config, root, rest)
        if part == "wiki":
            return fetch_page(self._api, self.config, root, rest)
        if not _NUMBER.fullmatch(rest):
            raise NotFound()
        if part == "discussions":
            return fetch_discussion(self._api, self.config, root, int(rest))
        return fetch_thread(self._api, self.config, root, part, int(rest))

    def memberships(self) -> Iterator[Membership]:
        """Who may read each repository, and which account is which user."""
        found, _ = self._repositories.read()
        yield from self._access.memberships(found.values())
