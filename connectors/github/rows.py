"""What GitHub answers, as far as it is read here."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from connectors.forge.answers import Row, Text


class Account(Row):
    id: int
    login: Text
    type: Text = "User"


class Repository(Row):
    id: int = Field(ge=1)
    node_id: Text = ""
    full_name: Text
    html_url: Text
    private: bool
    stated_visibility: Text | None = Field(None, alias="visibility")
    archived: bool = False
    disabled: bool = False
    default_branch: Text
    has_discussions: bool = False
    has_wiki: bool = False
    pushed_at: AwareDatetime | None = None
    owner: Account

    @property
    def visibility(self) -> str:
        """``public``, ``internal`` or ``private``; what an older server does not state is by the narrower word."""
        return self.stated_visibility or ("private" if self.private else "public")

    @property
    def root(self) -> str:
        """Where its API lies. By its number, as in GitHub's own links to further pages, so that a new name is none."""
        return f"/repositories/{self.id}"


class Collaborator(Account):
    permissions: dict[str, bool] = Field(default_factory=dict)


class Label(Row):
    name: Text | None = None


class Merged(Row):
    merged_at: AwareDatetime | None = None


class Issue(Row):
    number: int = Field(ge=1)
    title: Text
    state: Text
    body: Text | None = None
    html_url: Text
    created_at: AwareDatetime
    updated_at: AwareDatetime
    comments: int = Field(0, ge=0)
    user: Account | None = None
    labels: tuple[Label | Text, ...] = ()
    assignees: tuple[Account, ...] = ()
    pull_request: Merged | None = None

    @property
    def part(self) -> str:
        return "issues" if self.pull_request is None else "pulls"

    @property
    def key(self) -> int:
        return self.number


class Comment(Row):
    """A comment, on a line of a change (``path``) or not."""

    id: int
    body: Text | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    user: Account | None = None
    issue_url: Text | None = None
    pull_request_url: Text | None = None
    path: Text | None = None

    @property
    def key(self) -> int:
        return self.id

    @property
    def number(self) -> int | None:
        """Of the issue or pull request that it belongs to."""
        last = (self.issue_url or self.pull_request_url or "").rpartition("/")[2]
        return int(last) if last.isascii() and last.isdigit() else None


class Review(Row):
    id: int
    state: Text
    body: Text | None = None
    submitted_at: AwareDatetime | None = None
    user: Account | None = None


class TreeEntry(Row):
    path: Text
    mode: Text
    type: Text
    sha: Text
    size: int | None = None


class Tree(Row):
    tree: tuple[TreeEntry, ...]
    truncated: bool


class _CommitTree(Row):
    sha: Text


class _CommitFacts(Row):
    tree: _CommitTree


class Commit(Row):
    commit: _CommitFacts


class Content(Row):
    type: Text
    sha: Text
    size: int
    encoding: Text | None = None
    content: Text | None = None


class Exchanged(Row):
    token: Text = Field(pattern=r"^[!-~]{1,4000}$")
    expires_at: AwareDatetime
