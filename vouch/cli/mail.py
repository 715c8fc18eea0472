"""`vouch report …`, the part that is mail: who wants reports and where, when they go out, what became of them."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import AsUser, connect, user_name
from vouch.cli.output import AsJson, line
from vouch.client import Delivery, MailStanding, ReportSchedule

Everyone = Annotated[list[str] | None, typer.Option("--to", help="`user:carol`, `group:hr`, `authenticated`.")]


def mail(as_user: AsUser = None, json: AsJson = False) -> None:
    """Say where your reports go, and whether you get any (scope `ask`)."""
    with connect(as_user) as vouch:
        _say(vouch.mail.get(), json)


def subscribe(
    default: Annotated[bool, typer.Option("--default", help="As the tenant's schedule has it.")] = False,
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Get reports by mail, whatever the schedule says (scope `ask`)."""
    with connect(as_user) as vouch:
        _say(vouch.mail.subscribe(None if default else True), json)


def unsubscribe(as_user: AsUser = None, json: AsJson = False) -> None:
    """Get no reports by mail, whatever the schedule says (scope `ask`)."""
    with connect(as_user) as vouch:
        _say(vouch.mail.subscribe(False), json)


def address(
    address: Annotated[str | None, typer.Argument(help="Where your reports are to go.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the address.")] = False,
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Name an address, which is asked first whether it is yours; or forget it (scope `ask`)."""
    if remove == (address is not None):
        raise typer.BadParameter("give an address or --remove")
    with connect(as_user) as vouch:
        _say(vouch.mail.forget_address() if address is None else vouch.mail.set_address(address), json)


def schedule(
    every: Annotated[str | None, typer.Option(help="`7d`, or cron in UTC: `0 7 * * 1`.")] = None,
    to: Everyone = None,
    off: Annotated[bool, typer.Option("--off", help="Send none any more.")] = False,
    json: AsJson = False,
) -> None:
    """Show when reports are mailed and to whom, or say it (scope `admin`). Without --to those it has stay."""
    if off and every is not None:
        raise typer.BadParameter("--every and --off exclude each other")
    with connect() as vouch:
        found = vouch.reports.schedule()
        if off or every is not None or to is not None:
            when = None if off else every or found.schedule
            found = vouch.reports.set_schedule(when, found.send_to if to is None else to)
    if json:
        output.as_json(found)
    else:
        line(_schedule(found))


def send(user: Annotated[str, typer.Argument(help="`carol`, `user:carol`.")], json: AsJson = False) -> None:
    """Send somebody their report now, should there be anything in it (scope `admin`)."""
    with connect() as vouch:
        vouch.reports.send(user_name(user))
    if json:
        output.as_json({"user": user_name(user)})
    else:
        line("It is on its way; `vouch report deliveries` says what becomes of it.")


def deliveries(
    state: Annotated[str | None, typer.Option(help="`waiting`, `sent`, `nothing`, `skipped`, `dead`, …")] = None,
    user: Annotated[str | None, typer.Option(help="To this user alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 50,
    json: AsJson = False,
) -> None:
    """List what became of each message, newest first (scope `admin`)."""
    with connect() as vouch:
        pages = vouch.reports.deliveries(state=state, user=None if user is None else user_name(user))
        found = [one for one, _ in zip(pages, range(limit), strict=False)]
    if json:
        output.as_json({"deliveries": [one.model_dump(mode="json") for one in found]})
        return
    output.table(("STATE", "USER", "KIND", "DUE", "TRIES", "NEXT TRY", "PROBLEM"), map(_row, found))


def retry(user: Annotated[str | None, typer.Option(help="Of this user alone.")] = None, json: AsJson = False) -> None:
    """Try again what was given up (scope `admin`)."""
    with connect() as vouch:
        n = vouch.reports.retry(None if user is None else user_name(user))
    if json:
        output.as_json({"deliveries": n})
    else:
        line(f"{n} {'message is' if n == 1 else 'messages are'} tried again.")


def _say(found: MailStanding, json: bool) -> None:
    if json:
        output.as_json(found)
        return
    line(f"address: {found.address or 'none'}" + (f" (set by {found.set_by})" if found.set_by else ""))
    if found.pending:
        line(f"to be confirmed: {found.pending}; a message was sent there")
    said = {None: "as the schedule has it", True: "subscribed", False: "unsubscribed"}[found.subscribed]
    line(f"reports: {'sent' if found.receives else 'not sent'} ({said})")
    if found.receives and found.next_at is not None:
        line(f"next: {found.next_at:%Y-%m-%d %H:%M} UTC")


def _schedule(found: ReportSchedule) -> str:
    to = ", ".join(found.send_to) or "those alone who subscribed"
    at = f", next {found.next_at:%Y-%m-%d %H:%M} UTC" if found.next_at else ""
    unset = "" if found.mail_server else "; no mail server is set, so nothing is sent"
    return f"{found.schedule or 'never'}, to {to}{at}{unset}"


def _row(one: Delivery) -> tuple[object, ...]:
    problem = f"{one.problem['reason']} {one.problem['detail']}".strip() if one.problem else None
    return (one.state, one.user, one.kind, one.due_at, one.attempts, one.next_try, problem)


def add_to(group: typer.Typer) -> None:
    """Register the commands among those of `vouch report`."""
    for command in (mail, subscribe, unsubscribe, address, schedule, send, deliveries, retry):
        group.command()(command)
