"""Issues and pull requests as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.forge.spoken import Said, on, thread, title_of, who
from connectors.github.rows import Account, Comment, Issue, Label, Review


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
    state = f"merged{on(merged)}" if merged else title_of(issue.state)
    kind = "Issue" if issue.pull_request is None else "Pull request"
    facts = [f"{kind} {issue.number}, {state}, opened by {who(_login(issue.user))}{on(issue.created_at)}"]
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
