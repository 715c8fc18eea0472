"""GitLab: files, issues, merge requests and the wiki of projects, with the readers that GitLab says they have.

Who may read what is in :mod:`connectors.gitlab.access`; each part of a project has a module. Everything goes through
the platform's one door to the outside. A project and what is in it go by their numbers, so that neither a new name nor
another group makes other documents of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from connectors.forge.scan import Cursor, in_turn, require_same
from connectors.gitlab.access import Access
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.files import fetch_file
from connectors.gitlab.projects import Projects
from connectors.gitlab.scan import Reading, State
from connectors.gitlab.threads import fetch_thread, fetch_wiki
from connectors.protocol import Membership
from connectors.rest import Rest, Token, address_of
from vouch.core.errors import NotFound
from vouch.core.types import Body, Change, Json, Refused
from vouch.outbound.door import Outbound

_ID = re.compile(r"([1-9][0-9]{0,17})/(files|issues|confidential|merge_requests|wiki)/(.+)", re.S)
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


class GitlabConnector:
    """Reads projects on GitLab: files, issues, merge requests, the wiki."""

    kind: ClassVar[str] = "gitlab"
    Config: ClassVar[type[BaseModel]] = GitlabConfig
    lists_everything: ClassVar[bool] = False
    goes_out: ClassVar[bool] = True

    def __init__(self, config: GitlabConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig`. Whether the token is good, and for what, only a scan tells."""
        self.config = config
        secret = config.token.get_secret_value() if config.token is not None else None
        token = Token(None if secret is None else f"Bearer {secret}")
        self._rest = Rest(outbound, address_of(config.base, "base", outbound), token)
        self._projects = Projects(self._rest, config)

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Project by project, what changed since the cursor. Raises as :func:`~connectors.forge.scan.in_turn` and
        :func:`~connectors.forge.scan.require_same`."""
        before = None if cursor is None else Cursor[State].read(cursor)
        access = Access(self._rest, self.config)
        found, missing = self._projects.read()
        require_same(before or {}, {id: access.mark(one) for id, one in found.items()})
        yield from (Refused(name, "missing", "There is no such project to be seen") for name in missing)
        since = before or {}
        readings = {
            id: Reading(self._rest, self.config, access, one, since.get(id, State())) for id, one in found.items()
        }
        yield from in_turn(readings, before, self.config.max_items)

    def fetch(self, external_id: str) -> Body:
        """The item as it is now. Its project is known by its number, which only a scan gives out."""
        match = _ID.fullmatch(external_id)
        if match is None:
            raise NotFound()
        root, part, rest = f"/projects/{match[1]}", match[2], match[3]
        if ("issues" if part == "confidential" else part) not in self.config.read:
            raise NotFound()
        if part == "files":
            return fetch_file(self._rest, self.config, root, rest)
        if part == "wiki":
            return fetch_wiki(self._rest, self.config, root, rest)
        if not _NUMBER.fullmatch(rest):
            raise NotFound()
        return fetch_thread(self._rest, self.config, root, part, int(rest))

    def memberships(self) -> Iterator[Membership]:
        """Who is a member of each project, and which account is which user."""
        found, _ = self._projects.read()
        yield from Access(self._rest, self.config).memberships(found.values())
