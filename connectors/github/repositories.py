"""Which repositories a source reads, as they are called today."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from connectors.forge.answers import row, rows
from connectors.forge.since import PER_PAGE
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Repository
from vouch.core.errors import NotFound, SourceRefuses, Unavailable

_MOVED = (301, 302, 307, 308)
_HOPS = 3


class Repositories:
    """The repositories of one configuration."""

    def __init__(self, api: Github, config: GithubConfig) -> None:
        self._api, self._config = api, config

    def read(self) -> tuple[dict[int, Repository], list[str]]:
        """Those that are read, by number, and the names of those that are configured and cannot be seen.

        Raises :class:`SourceRefuses` when there is none at all: that is a credential that lost its rights, rather than
        everything that is gone.
        """
        found: dict[int, Repository] = {}
        missing: list[str] = []
        if self._config.repositories:
            for name in self._config.repositories:
                repository = self._named(name)
                if repository is None:
                    missing.append(name)
                else:
                    found.setdefault(repository.id, repository)
        else:
            found |= {repository.id: repository for repository in self._listed()}
        if not found:
            raise SourceRefuses("No repository can be seen with the credential.")
        wanted = {id: one for id, one in found.items() if self._reads(one)}
        return wanted, missing

    def _reads(self, repository: Repository) -> bool:
        if repository.disabled or (repository.archived and not self._config.archived):
            return False
        return not any(fnmatchcase(repository.full_name, glob) for glob in self._config.skip)

    def _named(self, name: str) -> Repository | None:
        """By its name, or by where GitHub says that it went when it was renamed or given away."""
        path = f"/repos/{name}"
        for _ in range(_HOPS):
            try:
                reply = self._api.rest.get(path, accept=_MOVED)
            except NotFound:
                return None
            if reply.status not in _MOVED:
                return row(Repository, reply.data)
            path = reply.headers.get("location", "")
        raise Unavailable(f"GitHub sends from one place to another for {name}.")

    def _listed(self) -> Iterator[Repository]:
        organisation = self._config.organisation
        if organisation is not None:
            asked: dict[str, Any] = {"type": "all", "sort": "created", "direction": "asc"}
            try:
                yield from self._api.every(Repository, f"/orgs/{quote(organisation)}/repos", asked)
            except NotFound:
                raise SourceRefuses("There is no such organisation to be seen.", said=404) from None
            return
        for reply in self._api.rest.pages("/installation/repositories", {"per_page": PER_PAGE}):
            yield from rows(Repository, reply.data.get("repositories") if isinstance(reply.data, dict) else None)
