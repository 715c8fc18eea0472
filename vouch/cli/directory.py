"""`vouch directory`: the people and groups that access is given to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vouch.cli import output
from vouch.cli.connection import connect
from vouch.cli.output import AsJson, line
from vouch.client import Client
from vouch.core.errors import BadConfig

group = typer.Typer(help="Users, groups and memberships.", no_args_is_help=True)
Members = Annotated[list[str] | None, typer.Option(help="`user:alice` or `group:platform`; may be repeated.")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(_Entry):
    """``title`` is for people who read the file."""

    id: str
    name: str
    title: str = ""
    active: bool = True


class Group(_Entry):
    id: str
    name: str
    members: list[str] = []


class People(_Entry):
    """A directory file: ``users`` and ``groups``, in YAML or JSON."""

    users: list[User] = []
    groups: list[Group] = []


def read_people(path: Path) -> People:
    """Raises :class:`BadConfig` naming the file and the place in it."""
    try:
        return People.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise BadConfig(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadConfig(f"{path}: {first['msg']}", field=field) from error


def import_people(vouch: Client, people: People) -> str | None:
    """Create or replace everyone in the file, and nobody else. Returns the last authorization token."""
    token = None
    for user in people.users:
        token = vouch.directory.put_user(user.id, user.name, active=user.active)
    for entry in people.groups:
        token = vouch.directory.put_group(entry.id, entry.name, entry.members)
    return token


@group.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="YAML with `users` and `groups`.")],
    json: AsJson = False,
) -> None:
    """Create or replace the users and groups of a file. Those it does not name stay as they are."""
    people = read_people(file)
    with connect() as vouch:
        token = import_people(vouch, people)
    users, groups = len(people.users), len(people.groups)
    _say(f"{users} users and {groups} groups", {"users": users, "groups": groups, "authz_token": token}, json)


@group.command("user")
def user_(
    user_id: Annotated[str, typer.Argument(help="`alice`, or `okta/00u1` of another issuer.")],
    name: Annotated[str | None, typer.Option(help="Their name; needed unless they are removed.")] = None,
    active: Annotated[bool, typer.Option(help="Whether they may read anything at all.")] = True,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the user and their memberships.")] = False,
    json: AsJson = False,
) -> None:
    """Create, replace or remove a user."""
    user_id = user_id.removeprefix("user:")
    with connect() as vouch:
        if remove:
            token = vouch.directory.remove_user(user_id)
        else:
            token = vouch.directory.put_user(user_id, _needed(name), active=active)
    _say(f"user:{user_id} is {'removed' if remove else 'written'}", {"authz_token": token}, json)


@group.command("group")
def group_(
    group_id: Annotated[str, typer.Argument(help="`engineering`")],
    name: Annotated[str | None, typer.Option(help="Its name; needed unless it is removed.")] = None,
    member: Members = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the group.")] = False,
    json: AsJson = False,
) -> None:
    """Create, replace or remove a group. Without --member those it has stay."""
    group_id = group_id.removeprefix("group:")
    with connect() as vouch:
        if remove:
            token = vouch.directory.remove_group(group_id)
        else:
            token = vouch.directory.put_group(group_id, _needed(name), member)
    _say(f"group:{group_id} is {'removed' if remove else 'written'}", {"authz_token": token}, json)


@group.command()
def members(
    group_id: Annotated[str, typer.Argument(help="`engineering`")],
    add: Members = None,
    remove: Members = None,
    json: AsJson = False,
) -> None:
    """Add members to a group, and remove members from it."""
    if not add and not remove:
        raise typer.BadParameter("give --add, --remove or both")
    group_id = group_id.removeprefix("group:")
    with connect() as vouch:
        token = vouch.directory.change_members(group_id, add=add or (), remove=remove or ())
    _say(f"group:{group_id} is changed", {"authz_token": token}, json)


@group.command("mail")
def mail_(
    user_id: Annotated[str, typer.Argument(help="`carol`")],
    address: Annotated[str | None, typer.Argument(help="Where their reports go.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the address.")] = False,
    json: AsJson = False,
) -> None:
    """Show where somebody's reports go, or say it: it is believed, and never who they are."""
    user_id = user_id.removeprefix("user:")
    if remove and address is not None:
        raise typer.BadParameter("give an address or --remove")
    with connect() as vouch:
        found = vouch.directory.mail(user_id) if address is None and not remove else None
        found = found or vouch.directory.set_mail(user_id, address)
    _say(f"user:{user_id}: {found.address or 'no address'}", found.model_dump(mode="json"), json)


@group.command("managers")
def managers_(
    group_id: Annotated[str, typer.Argument(help="`people-team`")],
    add: Annotated[list[str] | None, typer.Option(help="`user:dave`; may be repeated.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="`user:dave`; may be repeated.")] = None,
    json: AsJson = False,
) -> None:
    """Say who may see how the documents of a group stand; without options, show it."""
    group_id = group_id.removeprefix("group:")
    with connect() as vouch:
        if add or remove:
            vouch.directory.change_managers(group_id, add=add or (), remove=remove or ())
        found = vouch.directory.managers(group_id)
    _say(f"group:{group_id} is managed by {', '.join(found) or 'nobody'}", {"managers": list(found)}, json)


def _needed(name: str | None) -> str:
    if name is None:
        raise typer.BadParameter("is needed", param_hint="--name")
    return name


def _say(text: str, found: dict[str, object], json: bool) -> None:
    if json:
        output.as_json(found)
    else:
        line(f"{text}.")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(group, name="directory")
