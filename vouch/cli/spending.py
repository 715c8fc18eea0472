"""`vouch usage` and `vouch budget`: what models cost, and how much they may."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.client.spending import Budget
from vouch.core import clock
from vouch.core.errors import InvalidInput

By = Literal["total", "user", "key", "group", "workflow", "model", "outcome", "day", "month"]
Scope = Literal["tenant", "group", "user", "key", "workflow"]
group = typer.Typer(help="How much may be spent on models (scope `admin`).", no_args_is_help=True)


def usage(
    by: Annotated[By, typer.Option(help="Whom or what to sum up by.")] = "total",
    last: Annotated[str, typer.Option(help="How far back: `30d`, `12h`.")] = "30d",
    csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    json: AsJson = False,
) -> None:
    """Calls of models, their tokens and what they cost."""
    if csv and json:
        raise typer.BadParameter("--csv and --json exclude each other", param_hint="--csv")
    since = clock.now() - clock.duration(last, field="--last")
    with connect() as vouch:
        if csv:
            typer.echo(vouch.spending.usage_csv(by, since=since), nl=False)
            return
        found = vouch.spending.usage(by, since=since)
    if json:
        output.as_json(found)
        return
    output.table(
        (by.upper(), "CALLS", "TOKENS READ", "TOKENS WRITTEN", "COST"),
        [
            (row.value, row.calls, row.input_tokens, row.output_tokens, f"{row.cost:f} {row.currency}")
            for row in found.rows
        ],
    )


@group.command("set")
def set_(
    scope: Annotated[Scope, typer.Argument(help="Whose budget.")],
    subject: Annotated[
        str, typer.Argument(help="`group:sales`, `user:alice`, a key's id, a workflow; none for the tenant.")
    ] = "",
    tokens: Annotated[int | None, typer.Option(help="At most so many, read and written.")] = None,
    money: Annotated[str | None, typer.Option(help="At most so much, in the currency of the models' file.")] = None,
    period: Annotated[Literal["day", "month"], typer.Option(help="In UTC.")] = "month",
    soft: Annotated[bool, typer.Option("--soft", help="Only tell of calls that exceed it.")] = False,
    json: AsJson = False,
) -> None:
    """Set a budget, or change the one of the same scope, subject, period and kind."""
    with connect() as vouch:
        limits = (tokens, _money(money))
        made = vouch.spending.set_budget(scope, subject, period=period, limits=limits, hard=not soft)
    if json:
        output.as_json(made)
    else:
        line(f"budget {made.id}")


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List budgets, and what of each is spent in the period of now."""
    with connect() as vouch:
        found = vouch.spending.budgets()
    if json:
        output.as_json(found)
        return
    output.table(
        ("SCOPE", "SUBJECT", "PERIOD", "KIND", "TOKENS", "MONEY", "ID"),
        [
            (one.scope, one.subject, one.period, "hard" if one.hard else "soft", _tokens(one), _sum(one), one.id)
            for one in found
        ],
    )


@group.command()
def drop(budget_id: Annotated[str, typer.Argument(help="From `vouch budget list`.")], json: AsJson = False) -> None:
    """Take a budget away."""
    with connect() as vouch:
        vouch.spending.drop_budget(budget_id)
    if json:
        output.as_json({"budget_id": budget_id, "dropped": True})
    else:
        line("dropped")


def _money(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise InvalidInput(f"{text!r} is no sum of money.", field="--money") from None


def _tokens(one: Budget) -> str:
    return f"{one.spent_tokens:,}" + ("" if one.tokens is None else f" of {one.tokens:,}")


def _sum(one: Budget) -> str:
    return f"{one.spent_money.normalize():f}" + ("" if one.money is None else f" of {one.money.normalize():f}")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(usage)
    app.add_typer(group, name="budget")
