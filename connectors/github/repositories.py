"""Which repositories a source reads, as they are called today."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from connectors.forge.answers import rows
from connectors.forge.repositories import followed, gathered, is_read
from connectors.forge.since import PER_PAGE
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Repository
from vouch.core.errors import NotFound, SourceRefuses


class Repositories:
    """The repositories of one configuration."""

    def __init__(self, api: Github, config: GithubConfig) -> None:
        self._api, self._config = api, config

    def read(self) -> tuple[dict[int, Repository], list[str]]:
        """Those that are read, by number, and the names of those that are configured and cannot be seen.

        Raises :class:`SourceRefuses` when there is none at all: that is a credential that lost its rights, rather than
        everything that is gone.
        """
        names = self._config.repositories
        found, missing = gathered(names, self._named, () if names else self._listed())
        if not found:
            raise SourceRefuses("No repository can be seen with the credential.")
        return {id: one for id, one in found.items() if self._reads(one)}, missing

    def _reads(self, repository: Repository) -> bool:
        path, archived = repository.full_name, repository.archived
        return not repository.disabled and is_read(self._config, path, archived=archived)

    def _named(self, name: str) -> Repository | None:
        return followed(self._api.rest, Repository, f"/repos/{name}")

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
