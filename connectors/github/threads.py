"""Issues and pull requests of one repository: which may have changed, and the text of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from connectors.forge.answers import row
from connectors.forge.repositories import MOVED
from connectors.forge.since import Since, U
from connectors.forge.spoken import MARKDOWN, bounded, title_of
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Comment, Issue, Repository, Review
from connectors.github.text import issue_text
from vouch.core.errors import NotFound
from vouch.core.types import Body, SourceAcl, Upsert


@dataclass(frozen=True, slots=True)
class Reached:
    """Up to which change the issues, their comments and the comments on changes of code were read."""

    issues: datetime | None = None
    comments: datetime | None = None
    reviews: datetime | None = None


class Threads:
    """What is named of the issues and pull requests of one repository.

    GitHub does not promise that an issue counts as updated when one of its comments is edited, so the comments are
    listed too, all of the repository at once; what they say is asked for in fetch, an issue at a time.
    """

    def __init__(self, api: Github, config: GithubConfig, repository: Repository, since: Reached) -> None:
        self._api, self._config, self._repository = api, config, repository
        self._since = since
        self.reached = since
        """Grows while :meth:`upserts` is read; the comments count as read when it is through."""

    def upserts(self, acl: SourceAcl) -> Iterator[Upsert]:
        edited: dict[int, datetime] = {}
        comments = self._api.since(self._since.comments)
        reviews = self._api.since(self._since.reviews)
        self._note(comments, "issues/comments", edited)
        if "pulls" in self._config.read:
            self._note(reviews, "pulls/comments", edited)
        issues = self._api.since(self._since.issues)
        for issue in self._told(issues, Issue, "issues", {"state": "all"}):
            late = edited.pop(issue.number, None)
            if issue.part in self._config.read:
                yield self._upsert(issue, late, acl)
            self.reached = Reached(issues.reached, self._since.comments, self._since.reviews)
        if self._since.issues is not None:
            for number, late in edited.items():
                found = issue_at(self._api, self._repository.root, number)
                if found is not None and found.part in self._config.read:
                    yield self._upsert(found, late, acl)
        self.reached = Reached(issues.reached, comments.reached, reviews.reached)

    def _told(self, since: Since, kind: type[U], path: str, params: dict[str, str]) -> Iterator[U]:
        """A list; none where issues, or pull requests, are turned off. Raises :class:`NotFound` where it is the
        repository that is gone, and where there was a beginning."""
        begun = False
        try:
            for found in since.rows(kind, f"{self._repository.root}/{path}", params):
                begun = True
                yield found
        except NotFound:
            if begun:
                raise
            self._api.rest.get(self._repository.root)

    def _note(self, since: Since, path: str, edited: dict[int, datetime]) -> None:
        """The last change of a comment, of every issue that has one."""
        for comment in self._told(since, Comment, path, {}):
            if comment.number is not None:
                before = edited.get(comment.number, comment.updated_at)
                edited[comment.number] = max(before, comment.updated_at)

    def _upsert(self, issue: Issue, late: datetime | None, acl: SourceAcl) -> Upsert:
        title = title_of(issue.title)
        # Only what is later than the issue's own time: a scan from a cursor knows no other, and says the same.
        late = late if late is not None and late > issue.updated_at else None
        seen = [issue.updated_at.isoformat(), late and late.isoformat(), issue.comments, issue.state, title]
        return Upsert(
            external_id=f"{self._repository.id}/{issue.part}/{issue.number}",
            title=title,
            uri=issue.html_url,
            fingerprint=hashlib.sha256(json.dumps(seen).encode()).hexdigest(),
            acl=acl,
            mime=MARKDOWN,
            modified_at=late or issue.updated_at,
        )


def issue_at(api: Github, root: str, number: int) -> Issue | None:
    """An issue or pull request; None where it is deleted, or has moved to another repository."""
    try:
        reply = api.rest.get(f"{root}/issues/{number}", accept=MOVED)
    except NotFound:
        return None
    return row(Issue, reply.data) if reply.status == 200 else None


def fetch_thread(api: Github, config: GithubConfig, root: str, part: str, number: int) -> Body:
    """Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    issue = issue_at(api, root, number)
    if issue is None or issue.part != part or part not in config.read:
        raise NotFound()
    comments: list[Comment] = []
    reviews: list[Review] = []
    if issue.comments:
        comments += api.every(Comment, f"{root}/issues/{number}/comments")
    if part == "pulls":
        reviews += api.every(Review, f"{root}/pulls/{number}/reviews")
        comments += api.every(Comment, f"{root}/pulls/{number}/comments")
    return bounded(issue_text(issue, comments, reviews), config.max_thread_kb)
