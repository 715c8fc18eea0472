"""GitHub: files, issues, pull requests and discussions of repositories, with the readers that GitHub says they have.

How it is asked is in :mod:`connectors.github.api`, who may read what in :mod:`connectors.github.access`; each part of a
repository has a module. Everything goes through the platform's one door to the outside. A repository and what is in it
go by their numbers, so that neither a new name nor a new owner makes other documents of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from connectors.github.access import Access
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.discussions import fetch_discussion
from connectors.github.files import fetch_file
from connectors.github.repositories import Repositories
from connectors.github.scan import Reading, State, from_cursor, to_cursor
from connectors.github.threads import fetch_thread
from connectors.protocol import Membership
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import Body, Change, Checkpoint, Json, Refused
from vouch.outbound.door import Outbound

_CHECKPOINT_EVERY = 500
_ID = re.compile(r"([1-9][0-9]{0,17})/(files|issues|pulls|discussions)/(.+)", re.S)
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


class GithubConnector:
    """Reads repositories on GitHub: files, issues, pull requests, discussions."""

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
        """Repository by repository, what changed since the cursor.

        One that GitHub refuses to show, whole or in part, does not keep the others from being read: that is raised at
        the end (:class:`DocumentRejected`, ``unreached``), so that nothing counts as gone. Raises
        :class:`CursorExpired` when a repository is there no more, or who may read it is said in another way.
        """
        before = None if cursor is None else from_cursor(cursor)
        found, missing = self._repositories.read()
        if before is not None:
            for id, state in before.items():
                if id not in found or self._access.mark(found[id]) != state.access:
                    raise CursorExpired("A repository is no longer there, or is read by others")
        yield from (Refused(f"{name}", "missing", "There is no such repository to be seen") for name in missing)
        states = dict(before or {})
        refused: list[str] = []
        named = told = 0
        for id, repository in found.items():
            reading = Reading(self._api, self.config, self._access, repository, states.get(id, State()))
            try:
                for change in reading.changes():
                    yield change
                    named += 1
                    self._count(named)
                    if before is not None and named - told >= _CHECKPOINT_EVERY:
                        told, states[id] = named, reading.state
                        yield Checkpoint(to_cursor(states))
                states[id] = reading.state
            except (SourceRefuses, NotFound) as error:
                if isinstance(error, SourceRefuses) and error.said == 401:
                    raise
                refused.append(f"{repository.full_name}: {error.detail or 'it is no longer there'}")
        yield Checkpoint(to_cursor(states))
        if refused:
            raise DocumentRejected(f"Nothing counts as gone: {'; '.join(refused)[:1000]}", reason="unreached")

    def fetch(self, external_id: str) -> Body:
        """The item as it is now. Its repository is known by its number, which only a scan gives out."""
        match = _ID.fullmatch(external_id)
        if match is None or match[2] not in self.config.read:
            raise NotFound()
        root, part, rest = f"/repositories/{match[1]}", match[2], match[3]
        if part == "files":
            return fetch_file(self._api, self.config, root, rest)
        if not _NUMBER.fullmatch(rest):
            raise NotFound()
        if part == "discussions":
            return fetch_discussion(self._api, self.config, root, int(rest))
        return fetch_thread(self._api, self.config, root, part, int(rest))

    def memberships(self) -> Iterator[Membership]:
        """Who may read each repository, and which account is which user."""
        found, _ = self._repositories.read()
        yield from self._access.memberships(found.values())

    def _count(self, named: int) -> None:
        if named > self.config.max_items:
            raise BadConfig(f"There are more than {self.config.max_items:,} items", field="config.max_items")
