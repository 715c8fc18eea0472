"""`vouch access`: who may read what, and why; what changed; and why an answer was allowed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import connect, user_name
from vouch.cli.output import AsJson, line
from vouch.client import AccessChange, AgeOf, Explanation, Moved, Replay
from vouch.client.access import ExplainedClause
from vouch.core.errors import InvalidInput

group = typer.Typer(help="Who may read what, and why (scope `admin`).", no_args_is_help=True)

User = Annotated[str, typer.Option(help="`alice` or `user:alice`.")]
Document = Annotated[str, typer.Option(help="The document's id, as search and citations give it.")]
Limit = Annotated[int, typer.Option(min=1, help="List at most so many.")]
VERDICT_COLOURS = {"allowed": "green", "denied": "yellow", "unprovable": "red"}


@group.command()
def explain(user: User, document: Document, json: AsJson = False) -> None:
    """Say whether a user may read a document, with every clause and path behind it. Exit status 1 when not."""
    with connect() as vouch:
        found = vouch.access.explain(user_name(user), document)
    if json:
        output.as_json(found)
    else:
        _print_explanation(found)
    if found.decision == "denied":
        raise typer.Exit(1)


@group.command()
def readers(document: Document, limit: Limit = 1_000, json: AsJson = False) -> None:
    """List who may read a document, and which principals let them in. Exit status 1 when nobody may."""
    with connect() as vouch:
        found = list(islice(vouch.access.readers(document), limit))
        reasons = () if found else vouch.access.why_nobody(document)
    if json:
        output.as_json(found)
    else:
        rows = [(one.user, "; ".join(", ".join(through.principals) for through in one.through)) for one in found]
        _print_list(("user", "through, clause by clause"), rows, reasons, "nobody may read it")
    if not found:
        raise typer.Exit(1)


@group.command()
def readable(user: User, limit: Limit = 1_000, json: AsJson = False) -> None:
    """List what a user may read: ids alone, for an administrator is not a reader. Exit status 1 when nothing."""
    with connect() as vouch:
        found = list(islice(vouch.access.readable(user_name(user)), limit))
        reasons = () if found else vouch.access.why_nothing(user_name(user))
    if json:
        output.as_json(found)
    else:
        rows = [(one.document_id, one.external_id, one.source_id) for one in found]
        _print_list(("document", "external id", "source"), rows, reasons, "the user may read nothing")
    if not found:
        raise typer.Exit(1)


@group.command()
def changes(
    first: Annotated[int, typer.Option("--from", min=1, help="The earlier epoch, as `explain` prints it.")],
    last: Annotated[int | None, typer.Option("--to", min=1, help="The later epoch; the newest unless given.")] = None,
    user: Annotated[str | None, typer.Option(help="List the documents that this user gained and lost.")] = None,
    document: Annotated[str | None, typer.Option(help="List the readers that this document gained and lost.")] = None,
    limit: Limit = 1_000,
    json: AsJson = False,
) -> None:
    """List what changed access between two epochs and by whom; or what a user or a document gained and lost by it."""
    if user is not None and document is not None:
        raise InvalidInput("ask about a user or about a document", field="document")
    found: Sequence[AccessChange | Moved]
    with connect() as vouch:
        if user is None and document is None:
            found = list(islice(vouch.access.changes(first, last), limit))
        else:
            name = None if user is None else user_name(user)
            found = list(islice(vouch.access.moved(first, last, user=name, document_id=document), limit))
    if json:
        output.as_json(found)
        return
    changed = [_changed(one) for one in found if isinstance(one, AccessChange)]
    moved = [(one.change, one.user or one.document_id, one.external_id) for one in found if isinstance(one, Moved)]
    if changed:
        output.table(("epoch", "when", "by", "what", "changed"), changed)
    elif moved:
        output.table(("change", "id", "external id"), moved)
    else:
        line("nothing changed")


@group.command()
def replay(
    answer: Annotated[str, typer.Argument(help="The answer's id.")],
    json: AsJson = False,
) -> None:
    """Recompute why an answer was allowed when it was given, and whether it is now. Exit status 1 when it cannot be
    proved that it was allowed."""
    with connect() as vouch:
        found = vouch.access.replay(answer)
    if json:
        output.as_json(found)
    else:
        _print_replay(found)
    if found.then != "allowed":
        raise typer.Exit(1)


def _print_explanation(found: Explanation) -> None:
    line(f"{found.user}: {found.decision}", VERDICT_COLOURS[found.decision])
    for reason in found.reasons:
        line(f"  {reason}")
    _print_clauses(found.clauses, "permits", "does not permit")
    line(f"  epoch {found.epoch}; access rules {_age(found.acl)}; memberships {_age(found.memberships)}")


def _print_clauses(clauses: Sequence[ExplainedClause], yes: str, no: str) -> None:
    for clause in clauses:
        line(f"  clause {clause.clause}: {yes if clause.permits else no}")
        for what, names, matched in (
            ("allow", clause.allow, clause.allowed_by),
            ("deny", clause.deny, clause.denied_by),
        ):
            line(f"    {what}: {', '.join(names) or 'nobody'}")
            for name, path in matched.items():
                line(f"      {name}: {' in '.join(path)}")


def _age(age: AgeOf) -> str:
    if age.max_age_s is None:
        return "do not age"
    read = "never read" if age.age_s is None else f"read {age.age_s:.0f} s ago"
    return f"{read}, {'too old' if age.too_old else 'fresh'}: at most {age.max_age_s} s"


def _print_list(columns: Sequence[str], rows: Sequence[Sequence[object]], reasons: Sequence[str], none: str) -> None:
    if rows:
        output.table(columns, rows)
        return
    line(none, "yellow")
    for reason in reasons:
        line(f"  {reason}")


def _changed(one: AccessChange) -> tuple[object, ...]:
    if one.group is not None:
        changed = f"{one.member} {one.state} in {one.group}"
    elif one.state is not None:
        changed = f"{one.user or one.document_id} {one.state}"
    else:
        changed = ""
    return (one.epoch, one.at, one.actor, f"{one.kind} {one.subject}", changed)


def _print_replay(found: Replay) -> None:
    line(f"then: {found.then}", VERDICT_COLOURS[found.then])
    for reason in found.reasons:
        line(f"  {reason}")
    line(f"now: {found.now}", VERDICT_COLOURS[found.now])
    for reason in found.reasons_now:
        line(f"  {reason}")
    line(f"for {found.user} at epoch {found.epoch}, decided {output.visible(found.decided_at or 'at no known time')}")
    for document in found.documents:
        cited = ", ".join(f"[{one.n}] {one.start}-{one.end}" for one in document.cited) or "not cited"
        line(f"document {document.document_id} version {document.version} ({cited})")
        line(f"  then {document.then.verdict}: {'; '.join(document.then.reasons)}")
        _print_clauses(document.then.clauses, "permitted", "did not permit")
        line(f"  now {document.now.decision}: {'; '.join(document.now.reasons)}")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="access")
