"""The root command, and what becomes of errors: 0 done, 1 the answer is no or the thing failed, 2 wrong use."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from vouch.cli import (
    access,
    approval,
    ask,
    audit,
    break_glass,
    connector,
    demo,
    directory,
    evaluate,
    index,
    issuer,
    job,
    key,
    models,
    output,
    plan,
    platform,
    release,
    report,
    secrets,
    settings,
    source,
    spending,
    trace,
    webhook,
)
from vouch.core.errors import BadConfig, InvalidInput, VouchError

app = typer.Typer(
    name="vouch",
    help="Answers from an organisation's own documents, every sentence cited and verified.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (
    platform, demo, ask, approval, trace, source, connector, job, key, issuer, directory, access, break_glass, audit,
    report, webhook, secrets, index, plan, evaluate, models, spending, release, settings,
):  # fmt: skip
    group.add_to(app)


def main() -> None:
    """Run one command and exit."""
    try:
        app()
    except ValidationError as error:
        _fail(_bad_setting(error))
    except VouchError as error:
        _fail(error)


def _fail(error: VouchError) -> None:
    output.failure(error)
    sys.exit(2 if isinstance(error, InvalidInput) else 1)


def _bad_setting(error: ValidationError) -> BadConfig:
    """Settings are read from the environment alone; the fault names its variable and never shows the value."""
    first = error.errors()[0]
    name = "VOUCH_" + "_".join(str(part) for part in first["loc"]).upper()
    return BadConfig(f"{name}: {first['msg']}", field=name)
