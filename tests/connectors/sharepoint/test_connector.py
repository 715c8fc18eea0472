"""The sharepoint connector against a Graph on loopback: what it reads, who may, what it goes on from, what stops it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from connectors import oauth
from connectors.registry import make_connector
from connectors.rest import Rest
from connectors.sharepoint.config import SharePointConfig
from tests.connectors.api import as_json, truncated
from tests.connectors.seen import pausing
from tests.connectors.sharepoint.tenant import (
    COLLECTION,
    DRIVE,
    SITE,
    SharePoint,
    group,
    guid,
    link,
    path_of,
    pem,
    user,
)
from tests.connectors.sharepoint.tenant import sharepoint as serving
from tests.outbound.serving import Reply
from vouch.core import clock
from vouch.core.errors import (
    BadConfig,
    CursorExpired,
    DocumentRejected,
    NotFound,
    OutboundRefused,
    SourceRefuses,
    Unavailable,
)
from vouch.core.types import AccessUnknown, AclChanged, Checkpoint, Deleted, Refused
from vouch.outbound.door import NOWHERE_PRIVATE

OPEN = {"organization_links": "authenticated", "anonymous_links": "authenticated", "everyone_claim": "authenticated"}


def at(id: str) -> str:
    return f"{DRIVE}/{id}"


def ids(*names: str) -> set[str]:
    return set(map(at, names))


def account(n: int) -> str:
    return f"group:sharepoint/account.{guid(n)}"


def of_entra(n: int) -> str:
    return f"group:sharepoint/group.{guid(n)}"


def claim(name: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "roles": ["read"], "grantedToV2": {"siteUser": {"id": "9", "loginName": name}, **more}}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only by being slept; every pause taken."""
    pace, pauses = pausing()
    monkeypatch.setattr("connectors.sharepoint.connector.Rest", partial(Rest, pace=pace))
    monkeypatch.setattr(oauth, "_held", OrderedDict())
    return pauses


@pytest.fixture
def library(slept: list[float]) -> Iterator[SharePoint]:
    """Two files, and a folder with two that has a reader of its own."""
    with serving() as found:
        found.put("a", b"# A")
        found.put("b")
        found.folder("f")
        found.put("c", parent="f")
        found.put("d", parent="f")
        found.permissions = {"root": [group(2)], "f": [user(3)]}
        yield found


# --- what is read ---------------------------------------------------------------------------------------------------


def test_a_library_is_read_page_by_page_and_what_is_no_file_is_left_out(library: SharePoint) -> None:
    library.put("note")
    library.items[DRIVE]["note"] |= {"package": {"type": "oneNote"}}
    del library.items[DRIVE]["note"]["file"]
    seen = library.scan(include=["[abcd]", "note"], exclude=["b"])
    assert set(seen.documents) == ids("a", "c", "d")
    assert len(library.asked("page-")) == 3
    told = seen.documents[at("a")]
    assert (told.title, told.uri, told.mime) == ("a", "https://files.example.org/a", "text/plain")
    assert (str(told.modified_at), told.owner) == ("2024-03-01 09:00:00+00:00", None)


def test_libraries_are_those_of_sites_of_all_sites_or_named(library: SharePoint) -> None:
    other = f"files.example.org,{guid(7)},{guid(8)}"
    library.sites[other] = ["b!other"]
    library.items["b!other"], library.feed["b!other"] = {}, []
    library.put("o", drive="b!other")
    assert set(library.scan(sites=["*"], include=["[ao]"]).documents) == {at("a"), "b!other/o"}
    assert set(library.scan(sites=[other]).documents) == {"b!other/o"}
    assert set(library.scan(sites=[], drives=["b!other"]).documents) == {"b!other/o"}
    for config in ({"sites": [f"x.example.org,{guid(1)},{guid(1)}"]}, {"sites": [], "drives": ["none"]}):
        with pytest.raises(SourceRefuses):
            library.scan(**config)


def test_a_file_is_fetched_from_where_it_lies_and_that_host_is_not_told_who_asks(library: SharePoint) -> None:
    body = library.connector().fetch(at("a"))
    assert (body.data, body.mime) == (b"# A", "text/plain")
    assert len(library.elsewhere.asked) == 1 and "authorization" not in library.elsewhere.asked[0].headers
    elsewhere = f"files.example.org,{guid(7)},{guid(8)}"
    for config, id in (
        ({}, at("f")), ({}, at("gone")), ({}, "a"), ({}, ""), ({}, f"{DRIVE}/../a"), ({}, "other/a"),
        ({"sites": [elsewhere]}, at("a")), ({"exclude": ["a"]}, at("a")),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            library.connector(**config).fetch(id)


def test_a_file_that_cannot_be_had_is_refused(library: SharePoint) -> None:
    library.items[DRIVE]["a"]["size"] = (1 << 20) + 1
    assert library.scan(max_file_mb=1).of(Refused) == ids("a")
    with pytest.raises(DocumentRejected) as refused:
        library.connector(max_file_mb=1).fetch(at("a"))
    assert refused.value.reason == "too_large" and library.elsewhere.asked == []
    library.api.fail("/content", Reply(403))
    with pytest.raises(DocumentRejected) as refused:
        library.connector().fetch(at("b"))
    assert refused.value.reason == "unreadable"
    library.denied.add("b")
    with pytest.raises(DocumentRejected):
        library.connector().fetch(at("b"))
    library.elsewhere.fail("/c", Reply(500), times=9)
    with pytest.raises(Unavailable):
        library.connector().fetch(at("c"))


def test_a_fingerprint_changes_with_content_and_name_and_not_with_who_may_read(library: SharePoint) -> None:
    before = library.scan().documents
    library.share("a", user(1))
    library.put("b", b"other")
    library.put("c", parent="root", name="renamed")
    after = library.scan().documents
    assert {id for id in after if after[id].fingerprint != before[id].fingerprint} == ids("b", "c")


def test_hostile_names_are_titles_of_one_line(library: SharePoint) -> None:
    library.put("h", name="../../etc/\x00passwd\x1b[31m " + "x" * 10_000, webUrl="javascript:alert(1)")
    told = library.scan().documents[at("h")]
    assert told.title.startswith("../../etc/ passwd [31m xxx") and len(told.title) == 300 and told.title.isprintable()
    assert told.uri == f"urn:vouch:sharepoint:{at('h')}"


# --- who may --------------------------------------------------------------------------------------------------------


def test_who_may_read_is_whoever_its_own_and_inherited_permissions_let(library: SharePoint) -> None:
    library.share("c", user(1, "owner"), user(4, "write"), user(5, "sp.limited access"), told=False)
    seen = library.scan()
    assert seen.readers(at("a")) == (of_entra(2),)
    assert set(seen.readers(at("c")) or ()) == {account(1), account(3), account(4), of_entra(2)}


@pytest.mark.parametrize(
    ("said", "config", "readers"),
    [
        (link("anonymous"), {}, None),
        (link("anonymous"), {"organization_links": "authenticated"}, None),
        (link("anonymous"), OPEN, {"authenticated"}),
        (link("anonymous", hasPassword=True), OPEN, None),
        (link("organization", 1), {}, None),
        (link("organization", 1), {"anonymous_links": "authenticated"}, None),
        (link("organization"), OPEN, {"authenticated"}),
        (link("users", 1, 4), {}, {account(1), account(4)}),
        (link("users"), OPEN, None),
        (link("existingAccess", 1), OPEN, None),
        (link("organization", expirationDateTime="2024-01-01T00:00:00Z"), OPEN, None),
        (user(1, expirationDateTime="0001-01-01T00:00:00Z"), {}, {account(1)}),
        (user(1, expirationDateTime="2999-01-01T00:00:00Z"), {}, {account(1)}),
        (claim("c:0-.f|rolemanager|spo-grid-all-users/t"), {}, None),
        (claim("c:0-.f|rolemanager|spo-grid-all-users/t"), OPEN, {"authenticated"}),
        (claim("c:0-.f|rolemanager|spo-grid-all-users/t", user={"id": guid(1)}), {}, None),
        (claim("c:0(.s|true"), OPEN, {"authenticated"}),
        (claim(f"c:0t.c|tenant|{guid(5)}"), {}, {of_entra(5)}),
        (claim(f"c:0o.c|federateddirectoryclaimprovider|{guid(5)}"), {}, {of_entra(5)}),
        (claim(f"c:0o.c|federateddirectoryclaimprovider|{guid(5)}_o"), OPEN, None),
        (claim("i:0#.f|membership|carol@example.org"), OPEN, None),
        (
            {"roles": ["read"], "grantedToV2": {"siteGroup": {"id": "5"}}},
            {},
            {f"group:sharepoint/sitegroup.{COLLECTION}.5"},
        ),
        ({"roles": ["read"], "grantedToV2": {"application": {"id": guid(1)}}}, {}, None),
        ({"roles": ["read"], "invitation": {"email": "carol@example.org"}}, {}, None),
        ({**user(1), "roles": []}, {}, None),
        ({**user(1), "roles": None}, {}, None),
    ],
)
def test_a_permission_lets_in_whom_it_says_and_everybody_only_where_configured(
    library: SharePoint, said: Any, config: Any, readers: set[str] | None
) -> None:
    library.permissions = {"a": [said]}
    acl = library.scan(**config).documents[at("a")].acl
    assert acl is None if readers is None else isinstance(acl, tuple) and set(acl[0].allow) == readers


@pytest.mark.parametrize(
    "strange",
    [
        link("galaxy"),
        {"roles": ["read"], "link": "x"},
        {"roles": ["read"], "grantedToV2": {}},
        {"roles": ["read"], "grantedToV2": {"robot": {"id": guid(1)}}},
        {"roles": ["read"], "grantedToV2": {"siteGroup": {"id": "x"}}},
        {"roles": ["read"]},
        link("users", expirationDateTime="soon"),
        {**link("users"), "grantedToIdentitiesV2": ["x"]},
        "x",
    ],
)
def test_what_is_not_understood_closes_the_file(library: SharePoint, strange: Any) -> None:
    library.permissions = {"a": [user(1), strange]}
    told = library.scan().documents[at("a")].acl
    assert isinstance(told, AccessUnknown) and told.reason == "permission_unknown"


def test_a_permission_ends_when_it_says(library: SharePoint) -> None:
    library.permissions = {"a": [user(1, expirationDateTime=clock.now().isoformat())]}
    assert library.scan().documents[at("a")].acl is None


def test_permissions_are_asked_for_together_and_one_that_is_not_answered_by_itself(library: SharePoint) -> None:
    library.page = 50
    seen = library.scan()
    assert len(library.asked("batch")) == 1 and len(library.asked("/permissions")) == 4  # those within it
    library.api.fail("items/b/permissions", Reply(429, b'{"value": []}', {"Retry-After": "5"}))
    library.denied.add("c")
    again = library.scan()
    assert again.readers(at("b")) == seen.readers(at("b")) == (of_entra(2),)
    told = again.documents[at("c")].acl
    assert isinstance(told, AccessUnknown) and told.reason == "permissions_hidden"
    library.api.fail("batch", as_json({"responses": None}))
    with pytest.raises(Unavailable):
        library.scan()


def test_accounts_are_object_ids_and_groups_are_told_at_any_depth(library: SharePoint) -> None:
    library.users = [
        {"id": guid(1), "userPrincipalName": "Carol@example.org", "accountEnabled": True},
        {"id": guid(3), "userPrincipalName": "dan@example.org", "accountEnabled": True},
        {"id": guid(4), "userPrincipalName": "erin@example.org", "accountEnabled": False},
        {"id": guid(6), "userPrincipalName": "frank@example.org"},
    ]
    kinds = [
        {"@odata.type": "#microsoft.graph.group", "id": guid(5)},
        {"@odata.type": "#microsoft.graph.device", "id": "x"},
    ]
    library.groups = {guid(2): [{"id": guid(1)}, *kinds, {"id": guid(4)}, {"id": guid(1)}], guid(5): []}
    config = {"people": {"issuer": "entra", "named": {"carol@example.org": "user:carol"}}}
    declared = {"site": COLLECTION, "group": "5", "members": [guid(2)]}
    told = library.memberships(**config, site_groups=[declared])
    assert told == {
        (account(1), "user:carol"),
        (account(3), f"user:entra/{guid(3)}"),
        (of_entra(2), account(1)),
        (of_entra(2), account(4)),  # an account that is nobody: disabled
        (f"group:sharepoint/sitegroup.{COLLECTION}.5", of_entra(2)),
    }
    library.groups[guid(2)] = []
    assert not any(group == of_entra(2) for group, _ in library.memberships())


@pytest.mark.parametrize("where", ["v1.0/users", r"v1.0/groups\?", "transitiveMembers"])
@pytest.mark.parametrize(
    ("status", "error"), [(403, SourceRefuses), (404, (Unavailable, SourceRefuses)), (500, Unavailable)]
)
def test_a_directory_that_is_not_read_whole_tells_nothing(
    library: SharePoint, where: str, status: int, error: Any
) -> None:
    library.groups = {guid(2): [], guid(5): []}
    library.api.fail(where, Reply(status, b"{}"), times=9)
    with pytest.raises(error):
        library.memberships()


# --- what changed ---------------------------------------------------------------------------------------------------


def test_a_scan_goes_on_with_what_came_changed_went_and_came_back(library: SharePoint) -> None:
    cursor = library.scan().cursor
    assert library.scan(cursor).changes == [Checkpoint(cursor)]
    library.put("new")
    library.put("a", b"changed")
    library.put("a", b"twice")
    library.remove("b")
    library.put("c", parent="root")
    seen = library.scan(cursor)
    assert set(seen.documents) == ids("a", "c", "new") and seen.of(Deleted) == ids("b")
    assert seen.readers(at("c")) == (of_entra(2),)
    assert all(one.headers.get("deltaexcludeparent") == "true" for one in library.asked("/delta"))
    library.put("b")
    assert set(library.scan(seen.cursor).documents) == ids("b")


def test_of_a_folder_that_changed_everything_in_it_is_told_again(library: SharePoint) -> None:
    library.folder("ff", parent="f")
    library.put("deep", parent="ff")
    cursor = library.scan().cursor
    library.share("f", user(1))
    seen = library.scan(cursor)
    assert set(seen.documents) == ids("c", "d", "deep")
    assert seen.readers(at("deep")) == (account(1), of_entra(2))
    library.share("root", user(1))
    library.items[DRIVE]["root"] = {
        "id": "root",
        "name": "root",
        "root": {},
        "folder": {},
        "parentReference": {"id": None},
    }
    assert set(library.scan(seen.cursor).documents) == ids("a", "b", "c", "d", "deep")


def test_a_folder_that_is_gone_needs_a_whole_listing(library: SharePoint) -> None:
    cursor = library.scan().cursor
    library.remove("f")
    with pytest.raises(CursorExpired):
        library.scan(cursor)


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_feed_that_does_not_go_back_so_far_means_a_whole_listing(library: SharePoint, status: int) -> None:
    cursor = library.scan().cursor
    library.api.fail("since-", Reply(status, b"{}"))
    with pytest.raises(CursorExpired):
        library.scan(cursor)
    library.oldest = 99
    with pytest.raises(CursorExpired):
        library.scan(cursor)


def test_a_cursor_of_other_libraries_or_another_configuration_means_a_whole_listing(library: SharePoint) -> None:
    cursor = library.scan().cursor
    assert library.scan(cursor).of(Deleted) == set()
    with pytest.raises(CursorExpired):
        library.scan(cursor, anonymous_links="authenticated")
    with pytest.raises(CursorExpired):
        library.scan({})
    library.sites[SITE].append("b!new")
    with pytest.raises(CursorExpired):
        library.scan(cursor)
    library.sites[SITE] = []
    with pytest.raises(CursorExpired):
        library.scan(cursor)


def test_what_comes_twice_in_a_listing_is_told_once_and_looked_at_next(library: SharePoint) -> None:
    delta = library.delta

    def twice(request: Any) -> Any:
        found = delta(request)
        if "@odata.deltaLink" in found and "page-" in request.query.get("token", ""):
            library.put("a", b"changed while it was listed")
            found["value"].append(library.items[DRIVE]["a"])
        return found

    library.delta = twice  # type: ignore[method-assign]
    library.api.routes.clear()
    library._routes()
    seen = library.scan()
    assert seen.cursor["left"] == [at("a")] and set(seen.documents) == ids("a", "b", "c", "d")
    library.feed[DRIVE] = []  # and the feed tells nothing of it
    again = library.scan({**seen.cursor, "feeds": library.scan().cursor["feeds"]})
    assert set(again.documents) == ids("a")
    assert again.documents[at("a")].fingerprint != seen.documents[at("a")].fingerprint


def test_a_long_scan_can_be_gone_on_with_in_its_middle(library: SharePoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sharepoint.connector._CHECKPOINT_EVERY", 2)
    cursor = library.scan().cursor
    for n in range(5):
        library.put(f"n{n}")
    whole = library.scan(cursor).changes
    middle = whole[2]
    assert isinstance(middle, Checkpoint)
    assert set(library.scan(middle.cursor).documents) == ids("n2", "n3", "n4")


def test_the_feed_is_asked_for_sharing_only_where_the_app_may(library: SharePoint) -> None:
    library.scan()
    assert not any("prefer" in one.headers for one in library.api.asked)
    library.scan(sharing_changes=True)
    preferred = {path_of(one): one.headers["prefer"] for one in library.api.asked if "prefer" in one.headers}
    sharing = "deltashowremovedasdeleted, deltatraversepermissiongaps, deltashowsharingchanges"
    assert preferred == {f"/v1.0/drives/{DRIVE}/root/delta": sharing}


# --- what stops it --------------------------------------------------------------------------------------------------


def test_a_pause_that_is_asked_for_is_taken_and_a_long_one_ends_the_scan(
    library: SharePoint, slept: list[float]
) -> None:
    library.api.fail("/delta", Reply(429, b"", {"Retry-After": "7"}))
    library.api.fail("page-2", Reply(503, b"", {"Retry-After": "2"}))
    library.api.fail("page-4", Reply(500))
    assert set(library.scan().documents) == ids("a", "b", "c", "d")
    assert slept == [7.0, 2.0, 1.0]
    library.api.fail("/delta", Reply(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(Unavailable) as asleep:
        library.scan()
    assert asleep.value.extra["retry_after_s"] == 3600


@pytest.mark.parametrize(
    "reply",
    [
        truncated({"value": []}),
        Reply(200, b"{"),
        as_json([]),
        as_json({"value": None}),
        as_json({"value": []}),
        as_json({"value": [], "@odata.nextLink": 7}),
        as_json({"value": [{"id": "../x", "file": {}}], "@odata.deltaLink": "x"}),
        as_json({"value": [{"id": "x", "file": {}}], "@odata.deltaLink": "x"}),
        Reply(410, b"{}"),
    ],
)
def test_an_answer_that_is_not_whole_ends_the_scan(library: SharePoint, reply: Reply) -> None:
    library.api.fail("/delta", reply, times=9)
    with pytest.raises(Unavailable):
        library.scan()


def test_pages_that_circle_or_lead_elsewhere_end_the_scan(library: SharePoint) -> None:
    circle = f"{library.api.url}/v1.0/drives/{DRIVE}/root/delta?token=page-2-9"
    library.api.fail("/delta", as_json({"value": [], "@odata.nextLink": circle}), times=9)
    with pytest.raises(Unavailable):
        library.scan()
    library.api.faults.clear()
    library.api.fail("/delta", as_json({"value": [], "@odata.nextLink": f"{library.elsewhere.url}/x"}))
    with pytest.raises(SourceRefuses):
        library.scan()
    assert library.elsewhere.asked == []


def test_a_token_that_ends_is_renewed_once_and_documents_share_one(library: SharePoint) -> None:
    library.scan()
    library.connector().fetch(at("a"))
    assert len(library.forms) == 1
    assert library.forms[0]["scope"] == f"{library.api.url}/.default"
    library.tokens.clear()
    library.connector().fetch(at("a"))
    assert len(library.forms) == 2
    library.api.fail("/v1.0/", as_json({}, 401), times=2)
    with pytest.raises(SourceRefuses) as refused:
        library.scan()
    assert refused.value.said == 401
    with pytest.raises(SourceRefuses, match="invalid_client"):
        library.scan(client_secret="wrong")


def test_an_app_can_sign_with_a_certificate(library: SharePoint) -> None:
    assert set(library.scan(client_secret=None, certificate=pem()).documents) == ids("a", "b", "c", "d")
    assert "client_secret" not in library.forms[0]


def test_one_item_that_is_closed_to_the_app_is_closed_and_does_not_end_the_scan(library: SharePoint) -> None:
    cursor = library.scan().cursor
    library.tell("a")
    library.denied.add("a")
    assert [type(one) for one in library.scan(cursor).changes] == [AclChanged, Checkpoint]
    library.tell("f")
    library.denied.add("f")
    with pytest.raises(CursorExpired):
        library.scan(cursor)
    with pytest.raises(BadConfig):
        library.scan(max_files=3)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"sites": []}, "sites"),
        ({"sites": ["*", SITE]}, "sites"),
        ({"sites": ["https://files.example.org/sites/x"]}, "sites"),
        ({"drives": ["a/b"]}, "drives"),
        ({"client_secret": None}, "client_secret"),
        ({"certificate": pem()}, "client_secret"),
        ({"client_secret": None, "certificate": pem().partition("-----BEGIN CERT")[0]}, "certificate"),
        ({"client_secret": None, "certificate": "x"}, "certificate"),
        ({"client_secret": None, "certificate": pem(of_another=True)}, "certificate"),
        ({"tenant": "a/b"}, "tenant"),
        ({"client_id": "x"}, "client_id"),
        ({"issuer": "Not One"}, "issuer"),
        ({"site_groups": [{"site": COLLECTION, "group": "5", "members": ["staff"]}]}, "site_groups"),
        ({"api": "http://10.0.0.1/"}, "api"),
        ({"login": "http://169.254.169.254/"}, "login"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(library: SharePoint, config: Any, field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        library.connector(**config)
    assert refused.value.field is not None and refused.value.field.startswith(f"config.{field}")
    assert "PRIVATE KEY" not in str(refused.value)
    assert field != "certificate" or refused.value.__context__ is None  # it would quote the key


def test_nothing_private_is_reached(library: SharePoint) -> None:
    with pytest.raises(BadConfig):
        make_connector("sharepoint", library.config(), NOWHERE_PRIVATE)
    assert library.api.asked == []
    library.api.fail("/content", Reply(302, b"", {"Location": "http://169.254.169.254/latest"}))
    with pytest.raises(OutboundRefused):
        library.connector().fetch(at("a"))


def test_a_secret_stays_through_nothing_that_could_lead_it_elsewhere() -> None:
    kept, fields = SharePointConfig.keeps_secrets_through, set(SharePointConfig.model_fields)
    leading = {"issuer", "tenant", "client_id", "client_secret", "certificate", "api", "login"}
    assert kept == fields - leading
