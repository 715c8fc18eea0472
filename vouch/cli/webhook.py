"""`vouch webhook`: programs outside that are told what happens."""

from __future__ import annotations

from typing import Annotated

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.client import MadeWebhook, Webhook, WebhookDelivery

group = typer.Typer(help="Tell programs outside what happens (scope `sources`).", no_args_is_help=True)
WebhookId = Annotated[str, typer.Argument(help="The webhook's id, from `vouch webhook list`.")]
EVENTS = ("job.ended", "document.quarantined", "documents.stale")


@group.command()
def add(
    url: Annotated[str, typer.Argument(help="Where calls go: `https://…`.")],
    event: Annotated[
        list[str] | None, typer.Option(help="job.ended, document.quarantined, documents.stale; unset: all.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Of this source alone; may be repeated.")] = None,
    json: AsJson = False,
) -> None:
    """Register a receiver and print the secret that its calls are signed with. It is shown this once."""
    with connect() as vouch:
        made = vouch.webhooks.create(url, event or EVENTS, source or ())
    _made(made, json)


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List webhooks and how they fare; never their secrets."""
    with connect() as vouch:
        found = list(vouch.webhooks.list())
    if json:
        output.as_json({"webhooks": [one.model_dump(mode="json") for one in found]})
        return
    output.table(("STATE", "URL", "EVENTS", "SOURCES", "PROBLEM", "ID"), map(_row, found))


@group.command()
def rm(webhook_id: WebhookId, json: AsJson = False) -> None:
    """Delete a webhook with all that it is owed."""
    with connect() as vouch:
        vouch.webhooks.delete(webhook_id)
    if json:
        output.as_json({"deleted": webhook_id})
    else:
        line(f"{webhook_id} is deleted.")


@group.command()
def pause(webhook_id: WebhookId, json: AsJson = False) -> None:
    """Send nothing for now; what happens meanwhile waits."""
    _change(webhook_id, "paused", json)


@group.command()
def resume(webhook_id: WebhookId, json: AsJson = False) -> None:
    """Send again, also where it was paused or disabled by itself."""
    _change(webhook_id, "active", json)


@group.command()
def secret(webhook_id: WebhookId, json: AsJson = False) -> None:
    """Make another secret and print it. For a day calls are signed with both."""
    with connect() as vouch:
        made = vouch.webhooks.renew_secret(webhook_id)
    _made(made, json)


@group.command()
def test(webhook_id: WebhookId, json: AsJson = False) -> None:
    """Send a call that tells nothing."""
    with connect() as vouch:
        sent = vouch.webhooks.test(webhook_id)
    _sent(sent, json)


@group.command()
def deliveries(
    webhook_id: WebhookId,
    state: Annotated[str | None, typer.Option(help="`waiting`, `sending`, `delivered` or `dead`.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="List at most so many.")] = 50,
    json: AsJson = False,
) -> None:
    """List what became of each call, newest first."""
    with connect() as vouch:
        pages = vouch.webhooks.deliveries(webhook_id, state=state)
        found = [one for one, _ in zip(pages, range(limit), strict=False)]
    if json:
        output.as_json({"deliveries": [one.model_dump(mode="json") for one in found]})
        return
    columns = ("STATE", "EVENT", "AT", "TRIES", "STATUS", "NEXT TRY", "PROBLEM", "ID")
    output.table(columns, map(_delivery, found))


@group.command()
def redeliver(
    webhook_id: WebhookId,
    delivery_id: Annotated[str, typer.Argument(help="The call's id, from `vouch webhook deliveries`.")],
    json: AsJson = False,
) -> None:
    """Make a call once more, under its own id."""
    with connect() as vouch:
        sent = vouch.webhooks.redeliver(webhook_id, delivery_id)
    _sent(sent, json)


def _change(webhook_id: str, state: str, json: bool) -> None:
    with connect() as vouch:
        found = vouch.webhooks.change(webhook_id, state=state)
    if json:
        output.as_json(found)
    else:
        line(f"{webhook_id} is {found.state}.")


def _made(made: MadeWebhook, json: bool) -> None:
    if json:
        output.as_json(made)
    else:
        line(made.secret)
        output.note(f"webhook {made.id}; the secret is not shown again")


def _sent(sent: WebhookDelivery, json: bool) -> None:
    if json:
        output.as_json(sent)
    else:
        line(f"{sent.id} is on its way; `vouch webhook deliveries` says what becomes of it.")


def _row(one: Webhook) -> tuple[object, ...]:
    failing = None if one.failing is None else f"{one.failing['failures']} failures since {one.failing['since']}"
    problem = failing if one.problem is None else one.problem["detail"]
    return (one.state, one.url, " ".join(one.events), len(one.sources) or "all", problem, one.id)


def _delivery(one: WebhookDelivery) -> tuple[object, ...]:
    problem = f"{one.problem['reason']} {one.problem['detail']}".strip() if one.problem else None
    return (one.state, one.event, one.at, one.attempts, one.status, one.next_try, problem, one.id)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="webhook")
