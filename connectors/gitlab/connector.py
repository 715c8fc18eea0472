"""GitLab: files, issues, merge requests and the wiki of projects, with the readers that GitLab says they have.

Who may read what is in :mod:`connectors.gitlab.access`; each part of a project has a module. Everything goes through
the platform's one door to the outside. A project and what is in it go by their numbers, so that neither a new name nor
another group makes other documents of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from connectors.forge.answers import row, rows
from connectors.forge.since import PER_PAGE
from connectors.gitlab.access import Access
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.files import fetch_file
from connectors.gitlab.rows import Project
from connectors.gitlab.scan import Reading, State, from_cursor, to_cursor
from connectors.gitlab.threads import fetch_thread, fetch_wiki
from connectors.protocol import Membership
from connectors.rest import Rest, Token, address_of
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Body, Change, Checkpoint, Json, Refused
from vouch.outbound.door import Outbound

_CHECKPOINT_EVERY = 500
_MOVED = (301, 302, 307, 308)
_HOPS = 3
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

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Project by project, what changed since the cursor.

        One that GitLab refuses to show, whole or in part, does not keep the others from being read: that is raised at
        the end (:class:`DocumentRejected`, ``unreached``), so that nothing counts as gone. Raises
        :class:`CursorExpired` when a project is there no more, or who may read it is said in another way.
        """
        before = None if cursor is None else from_cursor(cursor)
        access = Access(self._rest, self.config)
        found, missing = self._projects()
        if before is not None:
            for id, state in before.items():
                if id not in found or access.mark(found[id]) != state.access:
                    raise CursorExpired("A project is no longer there, or is read by others")
        yield from (Refused(name, "missing", "There is no such project to be seen") for name in missing)
        states = dict(before or {})
        refused: list[str] = []
        named = told = 0
        for id, project in found.items():
            reading = Reading(self._rest, self.config, access, project, states.get(id, State()))
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
                refused.append(f"{project.path}: {error.detail}")
        yield Checkpoint(to_cursor(states))
        if refused:
            raise DocumentRejected(f"Nothing counts as gone: {'; '.join(refused)[:1000]}", reason="unreached")

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
        found, _ = self._projects()
        yield from Access(self._rest, self.config).memberships(found.values())

    # -- which projects --

    def _projects(self) -> tuple[dict[int, Project], list[str]]:
        """Those that are read, by number, and the names of those that are configured and cannot be seen.

        Raises :class:`SourceRefuses` when there is none at all: that is a token that lost its rights.
        """
        found: dict[int, Project] = {}
        missing: list[str] = []
        for name in self.config.projects:
            project = self._named(name)
            if project is None:
                missing.append(name)
            else:
                found.setdefault(project.id, project)
        if self.config.group is not None:
            found |= {project.id: project for project in self._of_group(self.config.group)}
        if not found:
            raise SourceRefuses("No project can be seen with the token.")
        return {id: project for id, project in found.items() if self._reads(project)}, missing

    def _reads(self, project: Project) -> bool:
        if project.going is not None or (project.archived and not self.config.archived):
            return False
        return not any(fnmatchcase(project.path, glob) for glob in self.config.skip)

    def _named(self, name: str) -> Project | None:
        """By its path or number, or by where GitLab says that it went."""
        path = f"/projects/{quote(name, safe='')}"
        for _ in range(_HOPS):
            try:
                reply = self._rest.get(path, accept=_MOVED)
            except NotFound:
                return None
            if reply.status not in _MOVED:
                return row(Project, reply.data)
            path = reply.headers.get("location", "")
        raise Unavailable(f"GitLab sends from one place to another for {name}.")

    def _of_group(self, group: str) -> Iterator[Project]:
        asked = {
            "include_subgroups": "true", "with_shared": "false", "order_by": "id", "sort": "asc", "per_page": PER_PAGE,
        }  # fmt: skip
        try:
            for reply in self._rest.pages(f"/groups/{quote(group, safe='')}/projects", asked):
                yield from rows(Project, reply.data)
        except NotFound:
            raise SourceRefuses("There is no such group to be seen.", said=404) from None

    def _count(self, named: int) -> None:
        if named > self.config.max_items:
            raise BadConfig(f"There are more than {self.config.max_items:,} items", field="config.max_items")
