"""`vouch settings`: what can be set, and what is."""

from __future__ import annotations

import typer
from pydantic import SecretStr

from vouch.cli import output
from vouch.cli.output import AsJson
from vouch.core.settings import Settings


def settings(json: AsJson = False) -> None:
    """List every setting: its environment variable, value, default and meaning. Secrets are not shown."""
    now = Settings()
    rows = [
        {
            "variable": f"VOUCH_{name.upper()}",
            "value": _shown(getattr(now, name)),
            "default": _shown(field.default),
            "description": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    if json:
        output.as_json({"settings": rows})
    else:
        output.table(("VARIABLE", "VALUE", "DEFAULT", "MEANING"), [tuple(row.values()) for row in rows])


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return "(set)" if isinstance(value, SecretStr) else str(value)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(settings)
