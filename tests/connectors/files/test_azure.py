"""Azure Blob Storage: signatures, pages, tags as access, folders that are blobs, and what may be answered instead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from connectors import oauth
from connectors.files import azure_key, http
from connectors.pace import Pace
from connectors.registry import make_connector
from tests.connectors.api import as_json
from tests.connectors.files.azure import APP, KEY, SIGNATURE, Azure, azure, error, listing, signature
from tests.connectors.files.stores import DOOR
from tests.connectors.files.test_stores import acl, reasons, scan
from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Reply
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, Unavailable
from vouch.core.types import AccessUnknown, RawClause, Upsert

LISTING = "comp=list"


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are counted, not taken; no token is left from another test."""
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        now[0] += seconds
        pauses.append(seconds)

    monkeypatch.setattr(http, "PACE", Pace(lambda: now[0], sleep))
    monkeypatch.setattr(oauth, "_held", OrderedDict())
    return pauses


@pytest.fixture
def cloud() -> Iterator[Azure]:
    with azure() as found:
        found.put("a.md", b"a")
        yield found


def fetch(cloud: Azure, path: str, **store: Any) -> bytes:
    return make_connector("files", {"store": cloud.place(**store).store}, DOOR).fetch(path).data


# -- names and pages --


def test_a_listing_comes_in_pages_and_below_the_prefix_alone(cloud: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    place = cloud.place("teams/h r/")
    for n in range(5):
        place.put(f"{n}.md", b"x")
    cloud.put("teams/h rx.md", b"x")
    found = scan(place)
    assert set(found) == {f"{n}.md" for n in range(5)} and cloud.asked(LISTING) == 3
    told = found["0.md"]
    assert isinstance(told, Upsert) and told.uri == f"{cloud.api.url}/docs/teams/h%20r/0.md"
    assert told.modified_at is not None and told.modified_at.isoformat() == "2024-03-01T09:00:00+00:00"
    monkeypatch.setattr("connectors.files.azure.MANY", 1)
    assert scan(place) == found and cloud.asked(LISTING) == 3 + 5


def test_names_that_are_no_plain_path_are_refused(cloud: Azure) -> None:
    odd = ["/lead.md", "a//b.md", "a/../b.md", "..", "back\\slash.md", "bell\x07.md", "zero\u200bwidth.md", "\uffff.md"]
    plain = ["per%2Fcent+plus and #?&=.md", "<&amp;>.md", "long" * 250]
    for name in (*odd, *plain):
        cloud.put(name, b"x")
    found = scan(cloud.place())
    assert set(found) - set(reasons(found)) == {"a.md", *plain}
    assert sorted(reasons(found).values()) == ["unreadable_name"] * len(odd)
    for name in plain:
        assert fetch(cloud, name) == b"x"


def test_folders_are_no_documents_however_they_are_marked(cloud: Azure) -> None:
    cloud.put("one", b"", properties="<ResourceType>directory</ResourceType>")
    cloud.put("two", b"", metadata="<hdi_isfolder>true</hdi_isfolder>")
    cloud.put("two/b.md", b"b", metadata="<hdi_isfolder>false</hdi_isfolder>")
    cloud.put("three/", b"")
    cloud.put("four/", b"something")
    found = scan(cloud.place())
    assert set(found) == {"a.md", "two/b.md", "four/"} and reasons(found) == {"four/": "not_a_file"}
    assert set(scan(cloud.place("two"))) == {"b.md"}


def test_a_blob_without_an_etag_is_refused(cloud: Azure) -> None:
    data, said = cloud.blobs["a.md"]
    cloud.blobs["a.md"] = data, said.replace("Etag", "Other")
    assert reasons(scan(cloud.place())) == {"a.md": "no_version"}


# -- tags --


def test_tags_are_one_more_clause_and_are_listed_not_asked_for(cloud: Azure) -> None:
    cloud.put(".vouch.yaml", b"access: {allow: [group:staff]}\n")
    cloud.put("a.md", b"a", vouch_allow="group:hr user:okta/00u1", vouch_deny="user:mallory", team="x")
    cloud.put("none.md", b"c", team="x")
    cloud.put("bare.md", b"c")
    cloud.put("odd.md", b"d", vouch_allow="group:hr", Vouch_Deny="user:mallory")
    cloud.put("short.md", b"d", vouch_allow="group:hr")
    data, said = cloud.blobs["short.md"]
    cloud.blobs["short.md"] = data, said.replace("<TagCount>1", "<TagCount>2")
    found = scan(cloud.place(), object_tags=True)
    staff = RawClause(("group:staff",), (), ".vouch.yaml, line 1, access")
    assert acl(found, "a.md") == (staff, RawClause(("group:hr", "user:okta/00u1"), ("user:mallory",), "object tags"))
    assert acl(found, "none.md") is None and acl(found, "bare.md") is None
    assert acl(found, "odd.md").reason == "tags_broken" and acl(found, "short.md").reason == "tags_unreadable"
    assert cloud.asked("/docs/") == 1  # the rules
    assert acl(scan(cloud.place()), "none.md") == (staff,)


# -- who asks --


def test_the_reading_of_the_signature_by_which_it_is_checked_is_that_of_the_description() -> None:
    headers = {"x-ms-version": "2021-12-02", "x-ms-date": "Fri, 01 Mar 2024 09:00:00 GMT", "host": "files.example.org"}
    path = "/docs?restype=container&comp=list&prefix=a%20b%2F&include=metadata"
    one = signature("GET", path, headers)
    assert one == signature("GET", "/docs?prefix=a%20b%2F&comp=list&include=metadata&restype=container", headers)
    for other in ("/docs?restype=container&comp=list&prefix=a%20c%2F&include=metadata", "/doc" + path[5:]):
        assert one != signature("GET", other, headers)
    assert one != signature("GET", path, {**headers, "range": "bytes=0-1"})


def test_a_request_that_is_changed_after_it_was_signed_is_refused(
    cloud: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(scan(cloud.place())) == {"a.md"} and fetch(cloud, "a.md") == b"a"
    for name in ("_EMPTY", "VERSION"):
        with monkeypatch.context() as changed:
            changed.setattr(azure_key, name, 10 if name == "_EMPTY" else "2020-01-01")
            with pytest.raises(BadConfig):
                scan(cloud.place())


@pytest.mark.parametrize("who", ["sas", "question mark", "app", "nobody"])
def test_every_other_way_in_is_one(who: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "sas": {"sas": SIGNATURE}, "question mark": {"sas": f"?{SIGNATURE}"}, "app": APP, "nobody": {}
    }  # fmt: skip
    with azure(public=who == "nobody") as cloud:
        cloud.put("sub/a b.md", b"a")
        assert set(scan(cloud.place(**ways[who]))) == {"sub/a b.md"}
        assert fetch(cloud, "sub/a b.md", **ways[who]) == b"a"
        assert len(cloud.tokens) == (1 if who == "app" else 0)
        found = scan(cloud.place(**ways[who]))["sub/a b.md"]
        assert isinstance(found, Upsert) and found.uri is not None and "sig" not in found.uri


def test_a_token_that_is_taken_back_is_had_anew(cloud: Azure) -> None:
    assert set(scan(cloud.place(**APP))) == {"a.md"}
    cloud.tokens.clear()
    cloud.tokens.add("of somebody else")
    assert fetch(cloud, "a.md", **APP) == b"a"


@pytest.mark.parametrize(
    ("store", "field"),
    [
        ({"account_key": "d3JvbmctaG9yc2U="}, "account_key"),
        ({"account_key": None, "sas": SIGNATURE.replace("ab%2F", "d3JvbmctaG9yc2U")}, "sas"),
        ({"account_key": None, **APP, "client_secret": "d3JvbmctaG9yc2U"}, "client_secret"),
    ],
)
def test_what_is_refused_is_told_and_never_repeated(cloud: Azure, store: dict[str, Any], field: str) -> None:
    for work in (scan, lambda place: make_connector("files", {"store": place.store}, DOOR).fetch("a.md")):
        with pytest.raises((BadConfig, Unavailable)) as refused:
            work(cloud.place(**store))
        assert "d3JvbmctaG9yc2U" not in str(refused.value.problem()) and KEY not in str(refused.value.problem())
        if work is scan:
            assert refused.value.field == f"config.store.{field}"


def test_without_anything_only_a_public_container_answers_whatever_the_environment_holds(
    cloud: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_CLIENT_SECRET", "HTTP_PROXY"):
        monkeypatch.setenv(name, "of somebody else")
    with pytest.raises(BadConfig) as refused:
        scan(cloud.place(account_key=None))
    assert refused.value.field == "config.store"
    assert not [asked for asked in cloud.api.asked if "authorization" in asked.headers]


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "::1"])
def test_the_login_goes_through_the_door_too(address: str) -> None:
    world = World({"files.blob.core.windows.net": [[PUBLIC]], "login.example": [[address]]})
    store = {"type": "azure", "account": "files", "container": "docs", **APP, "login": "https://login.example"}
    connector = make_connector("files", {"store": store}, world.door())
    for work in (lambda: list(connector.scan(None)), lambda: connector.fetch("a.md")):
        with pytest.raises(OutboundRefused):
            work()
    assert world.attempts == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"endpoint": "https://user@files.example.org"}, "endpoint"),
        ({"endpoint": "http://169.254.169.254/"}, "endpoint"),
        ({"login": "http://169.254.169.254/"}, "login"),
        ({"account": "a.evil"}, "account"),
        ({"account": "evil/x"}, "account"),
        ({"container": "a/b"}, "container"),
        ({"container": ".."}, "container"),
        ({"container": "$logs"}, "container"),
        ({"prefix": "a/../b"}, "prefix"),
        ({"account_key": "do not repeat"}, "account_key"),
        ({"account_key": None, "sas": "sv=do not repeat&sig=x"}, "sas"),
        ({"account_key": None, "sas": "sv=do_not_repeat"}, "sas"),
        ({"account_key": None, "sas": "sig=do_not_repeat&comp=acl"}, "sas"),
        ({"account_key": None, "sas": "sig=do_not_repeat&Prefix=hr"}, "sas"),
        ({"sas": SIGNATURE}, "azure"),
        ({"account_key": None, "tenant": "x"}, "azure"),
        ({"account_key": None, **APP, "tenant": "a/b"}, "tenant"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(changed: dict[str, Any], field: str) -> None:
    store = {"type": "azure", "account": "files", "container": "docs", "account_key": KEY, **changed}
    with pytest.raises(BadConfig) as refused:
        make_connector("files", {"store": store})
    assert refused.value.field == f"config.store.{field}"
    told = str(refused.value.problem())
    assert "do not repeat" not in told and "do_not_repeat" not in told and KEY not in told


# -- what may be answered instead --


def test_a_store_that_asks_for_patience_gets_it_and_a_long_pause_is_kept(cloud: Azure, slept: list[float]) -> None:
    cloud.api.fail(LISTING, error(503, "ServerBusy", **{"Retry-After": "7"}))
    cloud.api.fail(LISTING, error(500, "OperationTimedOut"))
    assert set(scan(cloud.place())) == {"a.md"} and slept == [7.0, 1.0]
    cloud.api.fail(LISTING, error(500, "InternalError"), times=9)
    with pytest.raises(Unavailable):
        scan(cloud.place())
    cloud.api.faults.clear()
    cloud.api.fail(LISTING, error(429, "TooManyRequests", **{"Retry-After": "900"}))
    before = cloud.asked(LISTING)
    for _ in range(2):  # the second time it is not even asked
        with pytest.raises(Unavailable) as asleep:
            scan(cloud.place())
        assert asleep.value.extra["retry_after_s"] == 900
    assert cloud.asked(LISTING) == before + 1


@pytest.mark.parametrize(
    ("reply", "field"),
    [
        (error(403, "AuthorizationPermissionMismatch"), "config.store.account_key"),
        (error(403, "AuthenticationFailed"), "config.store.account_key"),
        (Reply(401), "config.store.account_key"),
        (error(409, "PublicAccessNotPermitted"), "config.store.account_key"),
        (error(404, "ContainerNotFound"), "config.store.container"),
        (error(400, "InvalidQueryParameterValue"), "config.store"),
        (Reply(302, b"", {"Location": "https://login.example.org/"}), "config.store"),
    ],
)
def test_what_is_for_the_configuration_to_put_right(cloud: Azure, reply: Reply, field: str) -> None:
    cloud.api.fail(LISTING, reply)
    with pytest.raises(BadConfig) as refused:
        scan(cloud.place())
    assert refused.value.field == field and "concern" not in refused.value.detail


_BLOB = "<Blob><Name>{}</Name><Properties><Etag>x</Etag><Content-Length>1</Content-Length></Properties></Blob>"
_WHOLE = listing(_BLOB.format("a.md")).body


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b""),
        Reply(200, b"<html><p>Please log in"),
        Reply(200, b"<html><NextMarker/></html>"),
        Reply(200, _WHOLE[:-5]),
        Reply(200, _WHOLE, declared=len(_WHOLE) + 9),
        Reply(200, _WHOLE.replace(b"<NextMarker />", b"")),
        listing(_BLOB.format("a.md"), "again"),
        Reply(200, b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + _WHOLE[_WHOLE.index(b"<Enum") :]),
        Reply(200, b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + _WHOLE[_WHOLE.index(b"<Enum") :]),
        error(409, "ContainerBeingDeleted"),
    ],
)
def test_half_a_listing_fails_the_scan(cloud: Azure, reply: Reply) -> None:
    cloud.api.fail(LISTING, reply, times=9)
    with pytest.raises(Unavailable):
        scan(cloud.place())


def test_pages_that_do_not_end_or_that_were_not_asked_for_fail_the_scan() -> None:
    turns = iter(range(100_000))
    with azure(public=True) as cloud:
        cloud.api.route("GET", "/endless/docs")(lambda request: listing("", f"t{next(turns)}"))
        cloud.api.routes.insert(0, cloud.api.routes.pop())
        with pytest.raises(Unavailable):
            scan(cloud.place(endpoint=f"{cloud.api.url}/endless"))
        assert 1000 < next(turns) < 1010
        cloud.api.fail(LISTING, listing(_BLOB.format("board/minutes.md")))
        with pytest.raises(Unavailable):
            scan(cloud.place("hr"))


def test_a_file_that_is_refused_is_unreadable_and_rules_that_are_close_their_folder(cloud: Azure) -> None:
    cloud.put("hr/.vouch.yaml", b"access: {allow: [group:hr]}\n")
    cloud.put("hr/a.md", b"a")
    for reply in (error(403, "AuthorizationPermissionMismatch"), error(409, "BlobArchived"), Reply(302)):
        cloud.api.fail("hr/a.md", reply)
        with pytest.raises(DocumentRejected) as refused:
            fetch(cloud, "hr/a.md")
        assert refused.value.reason == "unreadable"
    cloud.api.fail("vouch.yaml", error(403, "AuthorizationPermissionMismatch"))
    assert isinstance(acl(scan(cloud.place(), access=[{"allow": ["authenticated"]}]), "hr/a.md"), AccessUnknown)
    for reply in (error(404, "BlobNotFound"), error(403, "AuthenticationFailed"), Reply(500)):
        cloud.api.faults.clear()
        cloud.api.fail("vouch.yaml", reply, times=9)
        with pytest.raises(Unavailable):
            scan(cloud.place())


def test_a_fault_of_the_whole_store_takes_no_file_away(cloud: Azure) -> None:
    for reply in (
        Reply(401),
        Reply(503),
        error(403, "AuthenticationFailed"),
        error(404, "ContainerNotFound"),
        error(409, "ContainerBeingDeleted"),
        Reply(200, b"half", declared=8),
    ):
        cloud.api.faults.clear()
        cloud.api.fail("a.md", reply, times=9)
        with pytest.raises(Unavailable):
            fetch(cloud, "a.md")
    cloud.api.faults.clear()
    with pytest.raises(NotFound):
        fetch(cloud, "gone.md")
    cloud.api.fail("/login/", as_json({}, 503))
    with pytest.raises(Unavailable):
        fetch(cloud, "a.md", **APP)
