"""One repository in a scan: what is named of each of its parts, and from where the next scan goes on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from pydantic import AwareDatetime, Field

from connectors.forge import scan as forge
from connectors.forge.files import Offered
from connectors.forge.since import OVERLAP
from connectors.github.access import Access
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.discussions import Discussions
from connectors.github.files import Files
from connectors.github.rows import Repository
from connectors.github.threads import Reached, Threads
from connectors.github.wiki import Wiki, marks
from vouch.core import clock
from vouch.core.errors import NotFound
from vouch.core.types import Change, Refused, SourceAcl


class State(forge.State):
    """How far one repository was read. ``push``: the last one to any of its branches, ``tree``: that of its files,
    ``wiki``: the commit of its wiki, if there is one, ``pages``: what was told of that, by path."""

    push: AwareDatetime | None = None
    tree: str | None = None
    issues: AwareDatetime | None = None
    comments: AwareDatetime | None = None
    reviews: AwareDatetime | None = None
    discussions: AwareDatetime | None = None
    wiki: str | None = None
    pages: dict[str, str] = Field(default_factory=dict)


class Reading:
    """What is named of one repository. ``state`` grows while :meth:`changes` is read."""

    def __init__(self, api: Github, config: GithubConfig, access: Access, repository: Repository, since: State) -> None:
        self._api, self._config, self._access, self._repository = api, config, access, repository
        self._ref = config.ref or repository.default_branch
        self.name = repository.full_name
        self._anew = since.name != self.name
        """Whether it is new, or has another name and with it everything another address."""
        self._since = State(tree=since.tree, ref=since.ref, pages=since.pages) if self._anew else since
        self.state = since.model_copy(update={"access": access.mark(repository)})

    def changes(self) -> Iterator[Change]:
        """Raises :class:`SourceRefuses` and :class:`NotFound` for what GitHub does not show."""
        if "files" in self._config.read:
            yield from self._files()
        if {"issues", "pulls"} & set(self._config.read):
            yield from self._threads()
        if "discussions" in self._config.read and self._repository.has_discussions:
            discussions = Discussions(self._api, self._repository, self._since.discussions)
            yield from discussions.upserts(self._acl)
            self._reach(discussions=discussions.reached)
        if "wiki" in self._config.read:
            yield from self._wiki()
        self._reach(name=self.name)

    def _files(self) -> Iterator[Change]:
        """Nothing, without a question, while nobody has pushed."""
        since, pushed = self._since, self._repository.pushed_at
        whole = self._anew or since.ref != self._ref or since.tree is None
        if pushed is not None and since.push == pushed and not whole:
            return
        files = Files(self._api, self._config, self._repository)
        try:
            tree = files.head()
        except NotFound:
            if self._config.ref is None:
                raise
            self._require_there()
            said = f"{self.name} has no {self._config.ref!r}"
            yield Refused(f"{self._repository.id}/files", "missing", said)
            tree = None
        if whole or tree != since.tree:
            yield from Offered(self._config, files).changes(since.tree, tree, self._acl, whole=whole)
        # Times are told by the second: one that is hardly past may be that of a push to come.
        settled = pushed is not None and pushed < clock.now() - OVERLAP
        self._reach(push=pushed if settled else None, tree=tree, ref=self._ref)

    def _threads(self) -> Iterator[Change]:
        since = self._since
        threads = Threads(
            self._api, self._config, self._repository, Reached(since.issues, since.comments, since.reviews)
        )
        for change in threads.upserts(self._acl):
            yield change
            self._reach(issues=threads.reached.issues)
        reached = threads.reached
        self._reach(issues=reached.issues, comments=reached.comments, reviews=reached.reviews)

    def _wiki(self) -> Iterator[Change]:
        """Nothing, after one question, while it is at the commit that was told."""
        wiki, since = Wiki(self._api, self._config, self._repository), self._since
        tip = wiki.tip()
        at = tip.commit if tip is not None else ""
        if at != since.wiki:
            listed = wiki.listed(tip)
            yield from wiki.changes(listed, since.pages, self._acl, whole=self._anew)
            self._reach(wiki=at, pages=marks(listed))

    def _require_there(self) -> None:
        self._api.rest.get(self._repository.root)

    def _reach(self, **reached: object) -> None:
        self.state = self.state.model_copy(update=reached)

    @cached_property
    def _acl(self) -> SourceAcl:
        return self._access.acl(self._repository)
