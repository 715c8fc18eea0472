"""`vouch issuer`: whose access tokens are believed, and who provisions by SCIM."""

from __future__ import annotations

import json as jsons
from pathlib import Path
from typing import Annotated, Any

import typer

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.core.errors import BadConfig

group = typer.Typer(help="Add, list and remove issuers of identities (scope `admin`).", no_args_is_help=True)


@group.command()
def add(
    issuer_id: Annotated[str, typer.Argument(help="Stands in the names of its users: `okta` makes `user:okta/00u1`.")],
    url: Annotated[str | None, typer.Option(help="`iss` of its tokens; unset: SCIM alone.")] = None,
    audience: Annotated[str | None, typer.Option(help="What `aud` of its tokens has to hold.")] = None,
    algorithm: Annotated[list[str] | None, typer.Option(help="Accepted signature, RS256 if none; repeatable.")] = None,
    jwks_uri: Annotated[str | None, typer.Option(help="Where its keys are; unset: found by discovery.")] = None,
    jwks: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with its public keys, not to be fetched.")
    ] = None,
    user_claim: Annotated[str, typer.Option(help="The claim that names the user.")] = "sub",
    groups_claim: Annotated[str | None, typer.Option(help="The claim that lists the user's groups.")] = None,
    provision: Annotated[bool, typer.Option(help="Whether a first valid token creates its user.")] = False,
    leeway: Annotated[int, typer.Option(help="Clock skew allowed for, seconds.")] = 30,
    enabled: Annotated[bool, typer.Option(help="Whether it is trusted at present.")] = True,
    json: AsJson = False,
) -> None:
    """Add an issuer, or replace one."""
    settings: dict[str, Any] = {
        "url": url, "audience": audience, "algorithms": algorithm or ["RS256"], "jwks_uri": jwks_uri,
        "jwks": None if jwks is None else _read(jwks), "user_claim": user_claim, "groups_claim": groups_claim,
        "provision": provision, "leeway_s": leeway, "enabled": enabled,
    }  # fmt: skip
    with connect() as vouch:
        token = vouch.issuers.put(issuer_id, **settings)
    if json:
        output.as_json({"id": issuer_id, "authz_token": token})
    else:
        line(f"{issuer_id} is written.")


@group.command("list")
def list_(json: AsJson = False) -> None:
    """List issuers."""
    with connect() as vouch:
        issuers = vouch.issuers.list()
    if json:
        output.as_json(issuers)
        return
    output.table(
        ("ID", "URL", "AUDIENCE", "ALGORITHMS", "USER CLAIM", "GROUPS CLAIM", "PROVISION", "ENABLED"),
        [
            (i.id, i.url, i.audience, " ".join(i.algorithms), i.user_claim, i.groups_claim, i.provision, i.enabled)
            for i in issuers
        ],
    )


@group.command()
def rm(issuer_id: Annotated[str, typer.Argument(help="`okta`")], json: AsJson = False) -> None:
    """End the trust in an issuer with the next request; its users and groups stay in the directory."""
    with connect() as vouch:
        token = vouch.issuers.remove(issuer_id)
    if json:
        output.as_json({"removed": issuer_id, "authz_token": token})
    else:
        line(f"{issuer_id} is removed.")


def _read(path: Path) -> object:
    try:
        return jsons.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfig(f"{path} is not JSON: {error}") from error


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="issuer")
