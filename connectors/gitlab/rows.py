"""What GitLab answers, as far as it is read here."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from connectors.forge.answers import Row, Text


class Account(Row):
    id: int
    username: Text


class Member(Account):
    """``state`` of the account, ``membership_state`` of its being a member, where the server knows such."""

    state: Text
    access_level: int
    membership_state: Text | None = None

    @property
    def active(self) -> bool:
        return self.state == "active" and self.membership_state in (None, "active")


class Project(Row):
    """The levels say who reaches a part of a project: ``disabled``, ``private`` (its members alone), ``enabled``."""

    id: int = Field(ge=1)
    path: Text = Field(alias="path_with_namespace")
    web_url: Text
    visibility: Text
    archived: bool = False
    default_branch: Text | None = None
    empty: bool = Field(False, alias="empty_repo")
    files: Text = Field("private", alias="repository_access_level")
    issues: Text = Field("private", alias="issues_access_level")
    merge_requests: Text = Field("private", alias="merge_requests_access_level")
    wiki: Text = Field("private", alias="wiki_access_level")
    going: Text | None = Field(None, alias="marked_for_deletion_on")

    @property
    def root(self) -> str:
        return f"/projects/{self.id}"

    def level(self, part: str) -> str:
        found: str = getattr(self, part)
        return found


class Thread(Row):
    """An issue or a merge request."""

    iid: int = Field(ge=1)
    title: Text
    description: Text | None = None
    state: Text
    web_url: Text
    created_at: AwareDatetime
    updated_at: AwareDatetime
    merged_at: AwareDatetime | None = None
    author: Account | None = None
    assignees: tuple[Account, ...] = ()
    labels: tuple[Text, ...] = ()
    notes: int = Field(0, ge=0, alias="user_notes_count")

    @property
    def key(self) -> int:
        return self.iid


class Issue(Thread):
    confidential: bool

    @property
    def part(self) -> str:
        """Of its external id: what becomes confidential is another document, so that no text goes by older rules."""
        return "confidential" if self.confidential else "issues"


class MergeRequest(Thread):
    @property
    def part(self) -> str:
        return "merge_requests"


class Position(Row):
    new_path: Text | None = None


class Note(Row):
    """``system``: written by GitLab itself. ``internal``, by its older name ``confidential``: not for every reader."""

    body: Text
    created_at: AwareDatetime
    author: Account | None = None
    system: bool
    internal: bool = False
    confidential: bool | None = None
    position: Position | None = None

    @property
    def for_everyone(self) -> bool:
        return not (self.system or self.internal or self.confidential)


class Commit(Row):
    id: Text


class TreeEntry(Row):
    id: Text
    type: Text
    path: Text
    mode: Text


class WikiPage(Row):
    slug: Text
    title: Text
    format: Text
    content: Text | None = None
