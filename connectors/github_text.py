"""Issues, pull requests and discussions as Markdown: who said what, when, in the order in which it was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.github_rows import Account, Comment, Issue, Label, Review

_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Said:
    """``what``: ``Comment``, ``Reply``, ``Review, approved``. ``level``: of its heading."""

    what: str
    by: str | None
    at: datetime | None
    text: str
    level: int = 2


def title_of(text: str) -> str:
    """One line, without what cannot be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST_TITLE]


def thread(title: str, facts: Sequence[str], body: str, said: Iterable[Said]) -> str:
    """The whole of it."""
    parts = [f"# {title}", ". ".join(facts) + ".", _plain(body)]
    for one in said:
        parts += [f"{'#' * one.level} {one.what} by {_who(one.by)}{_on(one.at)}", _plain(one.text)]
    return "\n\n".join(part for part in parts if part) + "\n"


def issue_text(issue: Issue, comments: Sequence[Comment], reviews: Sequence[Review]) -> str:
    """An issue or a pull request with what was said of it."""
    said = [_comment(comment) for comment in comments]
    said += [
        Said(f"Review, {title_of(review.state).lower().replace('_', ' ')},", _login(review.user), review.submitted_at,
             review.body or "")
        for review in reviews
        if review.state != "PENDING" and (review.body or review.state != "COMMENTED")  # nobody else sees a pending one
    ]  # fmt: skip
    said.sort(key=lambda one: (one.at is None, one.at or issue.created_at))
    return thread(title_of(issue.title), _facts(issue), issue.body or "", said)


def _facts(issue: Issue) -> list[str]:
    merged = issue.pull_request.merged_at if issue.pull_request else None
    state = f"merged{_on(merged)}" if merged else title_of(issue.state)
    kind = "Issue" if issue.pull_request is None else "Pull request"
    facts = [f"{kind} {issue.number}, {state}, opened by {_who(_login(issue.user))}{_on(issue.created_at)}"]
    labels = [title_of((label.name or "") if isinstance(label, Label) else label) for label in issue.labels]
    if any(labels):
        facts.append(f"Labels: {', '.join(filter(None, labels))}")
    if issue.assignees:
        facts.append(f"Assigned to {', '.join(title_of(one.login) for one in issue.assignees)}")
    return facts


def _comment(comment: Comment) -> Said:
    what = f"Comment on {title_of(comment.path)}" if comment.path else "Comment"
    return Said(what, _login(comment.user), comment.created_at, comment.body or "")


def _login(account: Account | None) -> str | None:
    return account.login if account is not None else None


def _who(login: str | None) -> str:
    return title_of(login) if login else "somebody who has left"


def _on(at: datetime | None) -> str:
    return f" on {at:%Y-%m-%d}" if at is not None else ""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\0", "").strip()
