"""One project in a scan: what is named of each of its parts, and from where the next scan goes on."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import AwareDatetime, Field

from connectors.forge import scan as forge
from connectors.forge.files import Offered
from connectors.gitlab.access import Access
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.files import Files
from connectors.gitlab.rows import Project
from connectors.gitlab.threads import Threads, Wiki
from connectors.rest import Rest
from vouch.core.errors import NotFound
from vouch.core.types import Change, Refused


class State(forge.State):
    """How far one project was read. ``commit``: that of its files, ``wiki``: fingerprints by slug."""

    commit: str | None = None
    issues: AwareDatetime | None = None
    merges: AwareDatetime | None = None
    wiki: dict[str, str] = Field(default_factory=dict)


class Reading:
    """What is named of one project. ``state`` grows while :meth:`changes` is read."""

    def __init__(self, rest: Rest, config: GitlabConfig, access: Access, project: Project, since: State) -> None:
        self._rest, self._config, self._access, self._project = rest, config, access, project
        self.name = project.path
        self._anew = since.name != self.name
        """Whether it is new, or has another name and with it everything another address."""
        self._since = since.model_copy(update={"issues": None, "merges": None}) if self._anew else since
        self.state = since.model_copy(update={"access": access.mark(project)})

    def changes(self) -> Iterator[Change]:
        """Raises :class:`SourceRefuses` and :class:`NotFound` for what GitLab does not show."""
        project, since = self._project, self._since
        reads = [part for part in self._config.read if project.level(part) != "disabled"]
        if "files" in reads:
            yield from self._files()
        if "issues" in reads:
            issues = Threads(self._rest, self._access, project, since.issues)
            for change in issues.issues(known=bool(since.name)):
                yield change
                self._reach(issues=issues.reached)
            self._reach(issues=issues.reached)
        if "merge_requests" in reads:
            merges = Threads(self._rest, self._access, project, since.merges)
            for change in merges.merges():
                yield change
                self._reach(merges=merges.reached)
            self._reach(merges=merges.reached)
        if "wiki" in reads:
            wiki = Wiki(self._rest, project, since.wiki)
            yield from wiki.changes(self._access.acl(project, "wiki"), whole=self._anew)
            self._reach(wiki=wiki.reached)
        self._reach(name=self.name)

    def _files(self) -> Iterator[Change]:
        since, files = self._since, Files(self._rest, self._config, self._project)
        whole = self._anew or since.ref != files.ref or since.commit is None
        try:
            commit = files.head()
        except NotFound:
            if self._config.ref is None:
                raise
            self._rest.get(self._project.root)  # raises where it is the project that is gone
            said = f"{self.name} has no {self._config.ref!r}"
            yield Refused(f"{self._project.id}/files", "missing", said)
            commit = None
        if whole or commit != since.commit:
            acl = self._access.acl(self._project, "files")
            yield from Offered(self._config, files).changes(since.commit, commit, acl, whole=whole)
        self._reach(commit=commit, ref=files.ref)

    def _reach(self, **reached: object) -> None:
        self.state = self.state.model_copy(update=reached)
