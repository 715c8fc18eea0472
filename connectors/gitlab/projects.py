"""Which projects a source reads, as they are called today."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from connectors.forge.answers import rows
from connectors.forge.repositories import followed, gathered, is_read
from connectors.forge.since import PER_PAGE
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.rows import Project
from connectors.rest import Rest
from vouch.core.errors import NotFound, SourceRefuses


class Projects:
    """The projects of one configuration."""

    def __init__(self, rest: Rest, config: GitlabConfig) -> None:
        self._rest, self._config = rest, config

    def read(self) -> tuple[dict[int, Project], list[str]]:
        """Those that are read, by number, and the names of those that are configured and cannot be seen.

        Raises :class:`SourceRefuses` when there is none at all: that is a token that lost its rights.
        """
        group = self._config.group
        found, missing = gathered(self._config.projects, self._named, () if group is None else self._of_group(group))
        if not found:
            raise SourceRefuses("No project can be seen with the token.")
        return {id: project for id, project in found.items() if self._reads(project)}, missing

    def _reads(self, project: Project) -> bool:
        return project.going is None and is_read(self._config, project.path, archived=project.archived)

    def _named(self, name: str) -> Project | None:
        """By its path or number."""
        return followed(self._rest, Project, f"/projects/{quote(name, safe='')}")

    def _of_group(self, group: str) -> Iterator[Project]:
        asked = {
            "include_subgroups": "true", "with_shared": "false", "order_by": "id", "sort": "asc", "per_page": PER_PAGE,
        }  # fmt: skip
        try:
            for reply in self._rest.pages(f"/groups/{quote(group, safe='')}/projects", asked):
                yield from rows(Project, reply.data)
        except NotFound:
            raise SourceRefuses("There is no such group to be seen.", said=404) from None
