"""Discussions of one repository, which GitHub tells by GraphQL alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, Field

from connectors.forge.answers import Row, Text, row
from connectors.forge.since import OVERLAP
from connectors.forge.spoken import MARKDOWN, Said, bounded, on, thread, title_of, who
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Repository
from vouch.core.errors import NotFound, Unavailable
from vouch.core.types import Body, SourceAcl, Upsert

_MOST_PAGES = 2000
_LIST = """
query Discussions(
  $id: ID!, $first: Int!, $after: String, $field: DiscussionOrderField!, $direction: OrderDirection!
) {
  node(id: $id) { ... on Repository {
    discussions(first: $first, after: $after, orderBy: {field: $field, direction: $direction}) {
      pageInfo { hasNextPage endCursor }
      nodes {
        number title url updatedAt isAnswered closed
        comments(last: 50) { totalCount nodes { updatedAt replies(last: 1) { totalCount nodes { updatedAt } } } }
      }
    }
  } }
}
"""
_ONE = """
query Discussion($id: ID!, $number: Int!, $after: String) {
  node(id: $id) { ... on Repository {
    discussion(number: $number) {
      number title body createdAt isAnswered closed author { login } category { name }
      comments(first: 50, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes {
          id body createdAt isAnswer author { login }
          replies(first: 50) {
            pageInfo { hasNextPage endCursor }
            nodes { body createdAt author { login } }
          }
        }
      }
    }
  } }
}
"""
_REPLIES = """
query Replies($id: ID!, $after: String) {
  node(id: $id) { ... on DiscussionComment {
    replies(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { body createdAt author { login } }
    }
  } }
}
"""


class _PageInfo(Row):
    more: bool = Field(alias="hasNextPage")
    end: Text | None = Field(None, alias="endCursor")


class _Author(Row):
    login: Text


class _Spoken(Row):
    body: Text
    at: AwareDatetime = Field(alias="createdAt")
    author: _Author | None = None

    @property
    def login(self) -> str | None:
        return self.author.login if self.author is not None else None


class _Replies(Row):
    page: _PageInfo = Field(alias="pageInfo")
    nodes: tuple[_Spoken, ...]


class _Comment(_Spoken):
    id: Text
    answer: bool = Field(alias="isAnswer")
    replies: _Replies


class _Comments(Row):
    page: _PageInfo = Field(alias="pageInfo")
    nodes: tuple[_Comment, ...]


class _Category(Row):
    name: Text


class _Discussion(_Spoken):
    number: int
    title: Text
    answered: bool | None = Field(None, alias="isAnswered")
    closed: bool = False
    category: _Category | None = None
    comments: _Comments


class _Listed(Row):
    number: int = Field(ge=1)
    title: Text
    url: Text
    updated_at: AwareDatetime = Field(alias="updatedAt")
    answered: bool | None = Field(None, alias="isAnswered")
    closed: bool = False
    comments: dict[str, Any]


class _List(Row):
    page: _PageInfo = Field(alias="pageInfo")
    nodes: tuple[_Listed, ...]


class Discussions:
    """What is named of the discussions of one repository."""

    def __init__(self, api: Github, repository: Repository, since: datetime | None) -> None:
        self._api, self._repository, self._since = api, repository, since
        self.reached = since

    def upserts(self, acl: SourceAcl) -> Iterator[Upsert]:
        """Those that changed since, newest first, or all in the order in which they were opened."""
        newest = next(self._listed("UPDATED_AT", "DESC", first=1), None)
        if newest is None:
            return
        oldest = None if self._since is None else self._since - OVERLAP
        ordered = ("CREATED_AT", "ASC") if oldest is None else ("UPDATED_AT", "DESC")
        seen: set[int] = set()
        for found in self._listed(*ordered):
            if oldest is not None and found.updated_at < oldest:
                break
            if found.number not in seen:
                seen.add(found.number)
                yield self._upsert(found, acl)
        self.reached = max(newest.updated_at, self._since or newest.updated_at)

    def _listed(self, field: str, direction: str, first: int = 50) -> Iterator[_Listed]:
        after: str | None = None
        for _ in range(_MOST_PAGES):
            asked = {"id": self._repository.node_id, "first": first, "after": after}
            data = self._api.graphql(_LIST, **asked, field=field, direction=direction)
            page = row(_List, _below(data, "discussions"))
            yield from page.nodes
            if not page.page.more:
                return
            after = page.page.end
        raise Unavailable("The pages of GitHub do not end.")

    def _upsert(self, found: _Listed, acl: SourceAcl) -> Upsert:
        title = title_of(found.title)
        seen = [found.updated_at.isoformat(), title, found.answered, found.closed, found.comments]
        return Upsert(
            external_id=f"{self._repository.id}/discussions/{found.number}",
            title=title,
            uri=found.url,
            fingerprint=hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest(),
            acl=acl,
            mime=MARKDOWN,
            modified_at=found.updated_at,
        )


def fetch_discussion(api: Github, config: GithubConfig, root: str, number: int) -> Body:
    """Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    if "discussions" not in config.read:
        raise NotFound()
    repository = row(Repository, api.rest.get(root).data)
    first: _Discussion | None = None
    said: list[Said] = []
    after: str | None = None
    for _ in range(_MOST_PAGES):
        data = api.graphql(_ONE, id=repository.node_id, number=number, after=after)
        told = _below(data, "discussion")
        if told is None:
            raise NotFound()
        found = row(_Discussion, told)
        first = first or found
        for comment in found.comments.nodes:
            said += _spoken(api, comment)
        if not found.comments.page.more:
            return bounded(thread(title_of(first.title), _facts(first), first.body, said), config.max_thread_kb)
        after = found.comments.page.end
    raise Unavailable("The pages of GitHub do not end.")


def _spoken(api: Github, comment: _Comment) -> Iterator[Said]:
    yield Said("Answer" if comment.answer else "Comment", comment.login, comment.at, comment.body)
    replies = comment.replies
    for _ in range(_MOST_PAGES):
        for reply in replies.nodes:
            yield Said("Reply", reply.login, reply.at, reply.body, 3)
        if not replies.page.more:
            return
        replies = row(_Replies, _below(api.graphql(_REPLIES, id=comment.id, after=replies.page.end), "replies"))
    raise Unavailable("The pages of GitHub do not end.")


def _facts(found: _Discussion) -> list[str]:
    state = "answered" if found.answered else "closed" if found.closed else "open"
    facts = [f"Discussion {found.number}, {state}, opened by {who(found.login)}{on(found.at)}"]
    return [*facts, f"Category: {title_of(found.category.name)}"] if found.category is not None else facts


def _below(data: Any, name: str) -> Any:
    """What a query asked of its node. Raises :class:`NotFound` where there is no such node."""
    node = data.get("node")
    if not isinstance(node, dict) or name not in node:
        raise NotFound()
    return node[name]
