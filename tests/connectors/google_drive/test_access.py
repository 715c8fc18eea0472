"""Who may read what is in Drive: sharing as it is told, link by link and group by group, and nothing guessed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors import oauth
from tests.connectors.api import as_json
from tests.connectors.google_drive.google import Google, google, group, user
from vouch.core import clock
from vouch.core.errors import SourceRefuses, Unavailable
from vouch.core.types import AccessUnknown, Checkpoint

ANYONE = {"id": "anyoneWithLink", "type": "anyone", "role": "reader"}
DOMAIN = {"id": "d", "type": "domain", "role": "reader", "domain": "Example.org"}
OTHERS: dict[str, Any] = {"ownedByMe": False}


def account(name: str) -> str:
    return f"group:drive/account.{name}"


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    monkeypatch.setattr(oauth, "_held", OrderedDict())
    with google() as found:
        found.put("a", owners=[{"permissionId": "p-carol", "emailAddress": "carol@example.org"}])
        yield found


@pytest.fixture
def company(drive: Google) -> dict[str, Any]:
    """A directory with two groups, one in the other, and how it is read."""
    drive.employ("101", "carol", aliases=["Caro@example.org"])
    drive.employ("102", "dan")
    drive.employ("103", "erin", suspended=True)
    drive.assemble("g1", "staff", ("GROUP", "g2"), ("USER", "101"), ("USER", "999"), ("EXTERNAL", "x"), ("GROUP", "gx"))
    drive.assemble("g2", "board", ("USER", "102"), ("USER", "102"), ("USER", "103"))
    drive.assemble("g3", "empty")
    return drive.directory()


# --- what a file is shared with ---------------------------------------------------------------------------------------


def test_whoever_it_is_shared_with_may_read_and_its_owner_owns_it(drive: Google) -> None:
    roles = ["owner", "writer", "commenter", "reader"]
    drive.share("a", *(user(role, role) for role in roles), user("heir", "writer", pendingOwner=True))
    seen = drive.scan()
    assert set(seen.readers("a") or ()) == {account(f"p-{name}") for name in (*roles, "heir")}
    assert seen.documents["a"].owner == account("p-carol")


@pytest.mark.parametrize(
    "gone",
    [
        {"deleted": True},
        {"view": "published"},
        {"view": "metadata"},
        {"view": "of another day"},
        {"expirationTime": "2024-01-01T00:00:00.000Z"},
        {"inheritedPermissionsDisabled": True},
        {"inheritedPermissionsDisabled": True, "permissionDetails": [{"inherited": True}]},
        {"inheritedPermissionsDisabled": True, "permissionDetails": []},
    ],
)
def test_what_no_longer_lets_anyone_in_does_not(drive: Google, gone: dict[str, Any]) -> None:
    drive.share("a", user("dan", **gone))
    assert drive.scan().documents["a"].acl is None
    drive.share("a", user("dan", **gone), user("carol"))
    assert drive.scan().readers("a") == (account("p-carol"),)


@pytest.mark.parametrize(
    "still",
    [
        {"expirationTime": "2999-01-01T00:00:00Z"},
        {"inheritedPermissionsDisabled": True, "permissionDetails": [{"inherited": True}, {"inherited": False}]},
        {"inheritedPermissionsDisabled": True, "role": "organizer"},
        {"inheritedPermissionsDisabled": True, "role": "owner"},
        {"inheritedPermissionsDisabled": False, "permissionDetails": [{"inherited": True}]},
    ],
)
def test_what_still_lets_someone_in_does(drive: Google, still: dict[str, Any]) -> None:
    drive.share("a", {**user("dan"), **still})
    assert drive.scan().readers("a") == (account("p-dan"),)


def test_a_permission_ends_when_it_says(drive: Google) -> None:
    ends = clock.now() + timedelta(days=1)
    drive.share("a", user("dan", expirationTime=ends.isoformat()))
    assert drive.scan().readers("a") == (account("p-dan"),)
    with clock.frozen(ends):
        assert drive.scan().documents["a"].acl is None


@pytest.mark.parametrize(
    "strange",
    [
        {"id": "x", "type": "planet", "role": "reader"},
        {"id": "x", "role": "reader"},
        {"id": "x", "type": ["user"], "role": "reader"},
        user("dan", "watcher"),
        user("dan", expirationTime="soon"),
        user("dan", expirationTime="2999-01-01T00:00:00"),
        "carol",
    ],
)
def test_what_is_not_understood_closes_the_file(drive: Google, strange: Any) -> None:
    drive.share("a", user("carol"), strange)
    told = drive.scan().documents["a"].acl
    assert isinstance(told, AccessUnknown) and told.reason == "permission_unknown"


def test_permissions_that_are_not_told_close_the_file(drive: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "_told", lambda file: file)
    told = drive.scan().documents["a"].acl
    assert isinstance(told, AccessUnknown) and told.reason == "permissions_hidden"


# --- everybody ------------------------------------------------------------------------------------------------------

OPEN = {"domains": ["example.org"], "domain_sharing": "authenticated", "anyone_sharing": "authenticated"}


@pytest.mark.parametrize(
    ("said", "config", "everybody"),
    [
        ({**DOMAIN, "allowFileDiscovery": True}, {}, False),
        ({**DOMAIN, "allowFileDiscovery": True}, {"anyone_sharing": "authenticated"}, False),
        ({**DOMAIN, "allowFileDiscovery": True}, {"domains": ["example.org"]}, False),
        ({**DOMAIN, "allowFileDiscovery": True}, OPEN, True),
        ({**DOMAIN, "allowFileDiscovery": True, "domain": "partner.example.org"}, OPEN, False),
        ({**DOMAIN, "allowFileDiscovery": False}, OPEN, False),
        (DOMAIN, OPEN, False),
        (DOMAIN, {"link_sharing": "authenticated"}, False),
        (DOMAIN, {**OPEN, "link_sharing": "authenticated"}, True),
        ({**ANYONE, "allowFileDiscovery": True}, {}, False),
        ({**ANYONE, "allowFileDiscovery": True}, OPEN, True),
        ({**ANYONE, "allowFileDiscovery": False}, OPEN, False),
        (ANYONE, OPEN, False),
        (ANYONE, {"link_sharing": "authenticated"}, False),
        (ANYONE, {**OPEN, "link_sharing": "authenticated"}, True),
    ],
)
def test_everybody_reads_only_what_the_configuration_says(
    drive: Google, said: dict[str, Any], config: dict[str, Any], everybody: bool
) -> None:
    drive.share("a", said)
    acl = drive.scan(**config).documents["a"].acl
    assert (acl is not None) == everybody
    assert not everybody or drive.scan(**config).readers("a") == ("authenticated",)


# --- shared drives --------------------------------------------------------------------------------------------------


@pytest.fixture
def team(drive: Google) -> dict[str, Any]:
    drive.shared_drive("T", user("ann", "organizer"))
    drive.folder("tf", parents=["T"], driveId="T", **OTHERS)
    for id in ("t1", "t2"):
        drive.put(id, parents=["tf"], driveId="T", **OTHERS)
    return {"my_drive": False, "drives": ["T"]}


def test_in_a_shared_drive_a_file_has_its_own_permissions_or_those_of_its_folder(
    drive: Google, team: dict[str, Any]
) -> None:
    drive.share("t2", user("dan"))
    drive.permissions["T"] += [user(f"member{n}") for n in range(5)]
    seen = drive.scan(**team)
    everyone = {account("p-ann"), *(account(f"p-member{n}") for n in range(5))}
    assert set(seen.readers("t1") or ()) == everyone
    assert set(seen.readers("t2") or ()) == everyone | {account("p-dan")}
    assert seen.documents["t1"].owner is None


def test_a_folder_is_asked_for_once_a_page_and_never_before_what_is_in_it(drive: Google, team: dict[str, Any]) -> None:
    for id in ("t3", "t4", "t5"):
        drive.put(id, parents=["tf"], driveId="T", **OTHERS)
    drive.scan(**team)
    asked = ["rules" if "/permissions" in one.path else "list" for one in drive.api.asked if "/files" in one.path]
    assert asked == ["list", "rules"] * 3 and drive.asked("files/tf/permissions") == 3


def test_permissions_that_may_not_be_read_close_one_file_and_not_the_scan(drive: Google, team: dict[str, Any]) -> None:
    drive.share("t2", user("dan"))
    drive.denied |= {"t2"}
    seen = drive.scan(**team)
    assert isinstance(seen.documents["t2"].acl, AccessUnknown) and seen.readers("t1") == (account("p-ann"),)
    drive.denied = {"tf"}  # then the file itself is asked
    assert drive.scan(**team).readers("t1") == (account("p-ann"),)
    drive.api.fail("/permissions", as_json({}, 401), times=9)
    with pytest.raises(SourceRefuses):
        drive.scan(**team)


# --- who is who -----------------------------------------------------------------------------------------------------


def test_without_a_directory_accounts_are_known_by_id_or_by_the_address_that_is_told_with_them(
    drive: Google, team: dict[str, Any]
) -> None:
    drive.share("a", user("carol"), user("gone", deleted=True), group("staff"))
    named = {"Ann@Example.org": "user:ann", "p-dan": "user:dan", "gone@example.org": "user:gone"}
    told = drive.memberships(**{**team, "my_drive": True}, people={"named": named})
    assert told == {(account("p-ann"), "user:ann"), (account("p-dan"), "user:dan")}
    assert drive.scan().readers("a") == (account("p-carol"), "group:drive/grantee.p-staff")


def test_an_account_that_is_told_with_two_addresses_is_nobody(drive: Google) -> None:
    drive.put("b")
    drive.share("a", user("carol"))
    drive.share("b", {**user("carol"), "emailAddress": "dan@example.org"})
    named = {"carol@example.org": "user:carol", "dan@example.org": "user:dan"}
    assert drive.memberships(people={"named": named}) == set()


def test_nothing_is_listed_where_users_are_named_by_id(drive: Google) -> None:
    assert drive.memberships(people={"named": {"p-dan": "user:dan"}}) == {(account("p-dan"), "user:dan")}
    assert drive.memberships() == set() and drive.api.asked == []


def test_a_directory_tells_accounts_by_their_lasting_ids_and_groups_in_groups(
    drive: Google, company: dict[str, Any]
) -> None:
    drive.share("a", user("caro"), user("stranger"), group("staff"), group("elsewhere"))
    seen = drive.scan(**company)
    staff, board = "group:drive/group.g1", "group:drive/group.g2"
    strangers = {"group:drive/grantee.p-stranger", "group:drive/grantee.p-elsewhere"}
    assert set(seen.readers("a") or ()) == {account("101"), staff} | strangers
    assert seen.documents["a"].owner == account("101")
    people = {"issuer": "google", "named": {"dan@example.org": "user:dan"}}
    assert drive.memberships(**company, people=people) == {
        (account("101"), "user:google/101"),
        (account("102"), "user:dan"),
        (staff, board),
        (staff, account("101")),
        (board, account("102")),
        (board, account("103")),  # an account that is nobody: suspended
    }


def test_who_left_a_group_is_no_longer_told(drive: Google, company: dict[str, Any]) -> None:
    board = "group:drive/group.g2"
    assert (board, account("102")) in drive.memberships(**company)
    drive.members["g2"] = []
    assert not any(group == board for group, _ in drive.memberships(**company))


def test_everybody_of_the_customer_are_those_who_are_active(drive: Google, company: dict[str, Any]) -> None:
    drive.assemble("g4", "all", ("CUSTOMER", "C01"))
    told = drive.memberships(**company)
    everybody = "group:drive/customer.everybody"
    assert {member for group, member in told if group == "group:drive/group.g4"} == {everybody}
    assert {member for group, member in told if group == everybody} == {account("101"), account("102")}


def test_an_address_that_two_have_is_nobodys(drive: Google, company: dict[str, Any]) -> None:
    drive.employ("104", "frank", aliases=["carol@example.org"])
    drive.share("a", user("carol"))
    assert drive.scan(**company).readers("a") == ("group:drive/grantee.p-carol",)


@pytest.mark.parametrize("where", ["directory/v1/users", "directory/v1/groups", "groups/g2/members"])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (as_json({"error": {"errors": [{"reason": "forbidden"}]}}, 403), SourceRefuses),
        (as_json({}, 404), SourceRefuses),
        (as_json({"users": {}, "groups": {}, "members": {}}), Unavailable),
        (as_json({"nextPageToken": "again"}), Unavailable),
        (as_json({"users": [{}], "groups": [{"id": "../x", "email": "e"}], "members": ["x"]}), Unavailable),
    ],
)
def test_a_directory_that_is_not_read_whole_tells_nothing(
    drive: Google, company: dict[str, Any], where: str, reply: Any, error: type[Exception]
) -> None:
    drive.api.fail(where, reply, times=9)
    with pytest.raises(error):
        drive.memberships(**company)


def test_a_group_that_is_shared_with_needs_the_directory_to_answer(drive: Google, company: dict[str, Any]) -> None:
    drive.share("a", group("staff"))
    drive.api.fail("directory/v1/groups", as_json({}, 403))
    with pytest.raises(SourceRefuses):
        drive.scan(**company)


def test_a_right_that_is_taken_away_is_told_by_the_feed(drive: Google) -> None:
    drive.share("a", user("carol"), user("dan"))
    at = drive.scan().cursor
    drive.share("a", user("carol"))
    seen = drive.scan(at)
    assert seen.readers("a") == (account("p-carol"),) and isinstance(seen.changes[-1], Checkpoint)
    assert isinstance(seen.documents["a"].modified_at, datetime)
