"""`vouch report`: what the owners of documents should look at, and their word that one holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vouch.cli import mail, output
from vouch.cli.connection import AsUser, connect
from vouch.cli.output import AsJson, line
from vouch.client import Client, GroupStaleness, StalenessReport
from vouch.client.reports import BrokenLink, PairedDocument, QuarantinedDocument, ReportedDocument, SuspectedDocument

Format = Literal["json", "csv", "html"]
group = typer.Typer(
    help="What should be looked at, and by whom (scope `reports`; of your own, `ask`).", no_args_is_help=True
)


@group.command()
def staleness(
    owner: Annotated[str | None, typer.Option(help="Of this owner alone: `user:carol`, `group:hr`.")] = None,
    of_group: Annotated[
        str | None, typer.Option("--group", help="Owner by owner, for who manages this group: `group:hr`.")
    ] = None,
    format: Annotated[Format | None, typer.Option(help="Instead of tables; `json` is the same as `--json`.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it here; HTML unless told otherwise.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="List at most so many documents.")] = 100,
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """List what is due, stale, expired or without an owner, the most used first. Names only with `--as`."""
    if json and format in ("csv", "html"):
        raise typer.BadParameter("--json and another format exclude each other", param_hint="--format")
    if owner is not None and of_group is not None:
        raise typer.BadParameter("--owner and --group exclude each other", param_hint="--group")
    if out is not None and format is None and not json:
        format = "html"
    with connect(as_user) as vouch:
        text = _text(vouch, (owner, of_group), format or ("json" if json else None), limit)
    if text is None:
        return
    if out is None:
        typer.echo(text, nl=False)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    if json:
        output.as_json({"written": str(out)})
    else:
        line(f"{out} is written.")


@group.command()
def review(
    document: Annotated[str, typer.Argument(help="The document's id.")],
    until: Annotated[str | None, typer.Option(help="Verified until this day: `2027-06-30`.")] = None,
    comment: Annotated[str | None, typer.Option(help="Shown to whoever may read the document.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="What was read: refused if it is not current.")] = None,
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Say, as its owner, that a document holds (scope `ask`). Until then it does not age."""
    with connect(as_user) as vouch:
        found = vouch.review(document, until=until, comment=comment, version=version)
    if json:
        output.as_json(found)
        return
    due = found.freshness.review_due
    line(f"{found.title}: version {found.version} is verified" + (f", review due {due.date()}" if due else ""))


def _text(vouch: Client, about: tuple[str | None, str | None], format: Format | None, limit: int) -> str | None:
    """The report in ``format``; without one it is printed here, as tables. ``about``: an owner, a group, or neither."""
    owner, of_group = about
    if format in ("csv", "html"):
        if of_group is not None:
            return vouch.reports.group_as(format, of_group)
        return vouch.reports.staleness_as(format, owner, limit=limit)
    found: StalenessReport | GroupStaleness
    found = vouch.reports.group(of_group) if of_group is not None else vouch.reports.staleness(owner, limit=limit)
    if format == "json":
        return found.model_dump_json(indent=2) + "\n"
    if isinstance(found, GroupStaleness):
        _print_group(found)
    else:
        _print(found)
    return None


def _print_group(found: GroupStaleness) -> None:
    states = [state for state in next((one.counts for one in found.owners), {}) if state != "fresh"]
    columns = ("OWNER", "TO LOOK AT", "FRESH", *(state.upper() for state in states), "QUARANTINED")
    output.table(columns, [
        (one.owner, one.to_look_at, one.counts["fresh"], *(one.counts[s] for s in states), one.quarantined)
        for one in found.owners
    ])  # fmt: skip
    used = [(one.owner, row) for one in found.owners for row in one.most_used]
    if used:
        output.note("most used of what should be looked at")
        output.table(
            ("OWNER", "STATE", "DOCUMENT", "QUESTIONS", "PEOPLE"),
            [(owner, row.state, row.title or row.external_id or row.document_id or "(not yours to read)",
              row.questions, row.people) for owner, row in used],
        )  # fmt: skip
    if found.owners_in_all > len(found.owners):
        output.note(f"{found.owners_in_all - len(found.owners)} owners besides")


def _print(found: StalenessReport) -> None:
    line(", ".join(f"{n} {state}" for state, n in found.counts.items() if n) or "no documents")
    output.table(
        ("STATE", "DOCUMENT", "REVIEW DUE", "MODIFIED", "OWNER", "QUESTIONS", "PEOPLE", "ID"),
        map(_row, found.documents),
    )
    if found.superseded:
        output.note(f"superseded, and still cited: {found.superseded_cited}")
        rows = [(_name(one), one.successor or one.superseded_by, one.questions) for one in found.superseded]
        output.table(("DOCUMENT", "REPLACED BY", "QUESTIONS"), rows)
    if found.quarantined:
        output.note(f"quarantined: {found.quarantined_in_all}")
        output.table(("DOCUMENT", "REASON", "DETAIL"), [(_name(q), q.reason, q.detail) for q in found.quarantined])
    if found.duplicates:
        output.note(f"alike: {found.duplicates_in_all} pairs")
        like = [
            (_name(one.mine), _name(one.other), one.relation, f"{one.similarity:.0%}", one.conflicts)
            for one in found.duplicates
        ]
        output.table(("DOCUMENT", "LIKE", "HOW", "SIMILARITY", "CONFLICTS"), like)
    if found.conflicts_in_all:
        output.note(f"conflicts: {found.conflicts_in_all}")
        told = [(_name(c.mine), c.ours.said, _name(c.other), c.theirs.said, c.ours.quote) for c in found.conflicts]
        output.table(("DOCUMENT", "SAYS", "AND", "SAYS", "IN"), told)
    if found.uncompared:
        output.note(f"not compared with others yet: {found.uncompared}")
    if found.broken_links:
        output.note(f"broken links: {found.broken_links_in_all}")
        output.table(("IN THE DOCUMENT", "LEADS TO"), [(_name(one), one.target) for one in found.broken_links])
    if found.links_unknown:
        output.note(f"read before links were kept, so that theirs are not known: {found.links_unknown} documents")
    if found.suspected:
        output.note(f"words meant for a model: {found.suspected_in_all}")
        where = [(_name(one), ", ".join(f"{p.ruse} {p.start}-{p.end}" for p in one.places)) for one in found.suspected]
        output.table(("IN THE DOCUMENT", "WHERE"), where)
    if found.unanswered.questions:
        output.note(f"unanswered: {found.unanswered.questions} questions of {found.unanswered.people} people")
    if found.next_cursor is not None:
        output.note("There are more; --limit shows up to 1000.")


def _row(one: ReportedDocument) -> tuple[object, ...]:
    due, modified = (at.date() if at else None for at in (one.review_due, one.modified_at))
    return (one.state, _name(one), due, modified, one.owner, one.questions, one.people, one.document_id)


def _name(one: ReportedDocument | QuarantinedDocument | PairedDocument | BrokenLink | SuspectedDocument) -> str:
    return one.title or one.external_id or one.document_id


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    mail.add_to(group)
    app.add_typer(group, name="report")
