"""Buckets: keys that are no paths, tags as access, listings in pages, and all that a store may answer instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.files.config import S3Store
from connectors.files.s3 import S3
from connectors.registry import make_connector
from tests.connectors.files.stores import ACCESS_KEY, DOOR, SECRET, Place, s3
from tests.connectors.files.test_stores import acl, reasons, scan
from tests.connectors.seen import pausing
from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Asked, Reply, serving
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, Unavailable
from vouch.core.types import AccessUnknown, RawClause, Upsert


@pytest.fixture
def place() -> Place:
    return s3()


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are counted, not taken."""
    pace, pauses = pausing()
    monkeypatch.setattr("connectors.files.http.PACE", pace)
    return pauses


def _error(status: int, code: str, **headers: str) -> Reply:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return Reply(status, body, headers)


# -- keys --


def test_only_what_lies_below_the_prefix_is_read_and_rules_above_it_do_not_hold() -> None:
    place = s3(prefix="teams/hr/")
    place.put("a.md", b"a")
    place.put("", b"")  # what consoles make of a folder
    outside = {**place.store, "prefix": "teams"}
    whole = Place(outside, place.put, place.remove)
    place.put("../x", b"")
    assert set(scan(place)) == {"../x", "a.md"}
    assert set(scan(whole)) == {"hr/../x", "hr/a.md"}
    assert scan(Place({**place.store, "prefix": "team"}, place.put, place.remove)) == {}
    found = scan(place)["a.md"]
    assert isinstance(found, Upsert) and found.uri == f"s3://{place.store['bucket']}/teams/hr/a.md"


def test_keys_that_are_no_plain_path_are_refused_and_folders_are_no_documents(place: Place) -> None:
    odd = [
        "/lead.md",
        "a//b.md",
        "a/../b.md",
        "a/./b.md",
        "..",
        "back\\slash.md",
        "bell\x07.md",
        "zero\u200bwidth.md",
    ]
    for key in (*odd, "plain.md", "per%2Fcent+plus and space.md"):
        place.put(key, b"x")
    place.put("empty/", b"")
    place.put("full/", b"something")
    found = scan(place)
    assert set(found) - set(reasons(found)) == {"plain.md", "per%2Fcent+plus and space.md"}
    assert sorted(reasons(found).values()) == ["not_a_file", *["unreadable_name"] * len(odd)]
    assert {"a//b.md", "zero\\u200bwidth.md", "back\\\\slash.md"} < set(found)
    connector = make_connector("files", {"store": place.store}, DOOR)
    assert connector.fetch("per%2Fcent+plus and space.md").data == b"x"


def test_a_bucket_deeper_than_folders_are_read(place: Place) -> None:
    place.put("/".join("d" * 101) + "/x.md", b"x")
    place.put("/".join("d" * 100) + "/x.md", b"x")
    found = scan(place)
    assert reasons(found) == {"/".join("d" * 101) + "/": "too_deep"} and len(found) == 2


def test_a_listing_comes_in_pages(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.files.s3.MANY", 2)
    names = {f"{n}.md" for n in range(5)}
    for name in names:
        place.put(name, b"x")
    assert set(scan(place)) == names
    assert place.gate is not None and len(place.gate.asked) == 3


# -- tags --


def test_tags_are_one_more_clause(place: Place) -> None:
    place.put(".vouch.yaml", b"access: {allow: [group:staff]}\n")
    place.put("a.md", b"a", Tagging="vouch-allow=group:hr%20user:okta/00u1&vouch-deny=user:mallory&team=x")
    place.put("b.md", b"b", Tagging="vouch-allow=group:hr&vouch-allow-2=group:legal&vouch-deny-2=group:leavers")
    place.put("none.md", b"c", Tagging="team=x")
    place.put("denied.md", b"d", Tagging="vouch-deny=user:mallory")
    found = scan(place, object_tags=True)
    staff = RawClause(("group:staff",), (), ".vouch.yaml, line 1, access")
    assert acl(found, "a.md") == (staff, RawClause(("group:hr", "user:okta/00u1"), ("user:mallory",), "object tags"))
    assert acl(found, "b.md") == (staff, RawClause(("group:hr", "group:legal"), ("group:leavers",), "object tags"))
    assert acl(found, "none.md") is None and acl(found, "denied.md") is None
    assert acl(scan(place), "none.md") == (staff,)


@pytest.mark.parametrize("tag", ["Vouch-deny", "vouch-denied", "vouch-deny-1", "vouch-deny-10", "VOUCH", "vouch:deny"])
def test_a_tag_that_may_have_been_meant_to_deny_closes_the_object(place: Place, tag: str) -> None:
    place.put("a.md", b"a", Tagging=f"vouch-allow=authenticated&{tag}=user:mallory")
    found = acl(scan(place, object_tags=True), "a.md")
    assert isinstance(found, AccessUnknown) and found.reason == "tags_broken"


def test_tags_alone_are_enough_but_not_below_rules_that_shut(place: Place) -> None:
    place.put("a.md", b"a", Tagging="vouch-allow=group:hr")
    place.put("shut/.vouch.yaml", b"inherit: false\n")
    place.put("shut/b.md", b"b", Tagging="vouch-allow=group:hr")
    place.put("broken/.vouch.yaml", b"access: nobody\n")
    place.put("broken/c.md", b"c", Tagging="vouch-allow=group:hr")
    found = scan(place, object_tags=True)
    assert acl(found, "a.md") == (RawClause(("group:hr",), (), "object tags"),)
    assert acl(found, "shut/b.md") is None
    assert isinstance(acl(found, "broken/c.md"), AccessUnknown)
    declared = scan(place, object_tags=True, access=[{"allow": ["group:staff"]}])
    assert [clause.allow for clause in acl(declared, "a.md")] == [("group:staff",), ("group:hr",)]


def test_tags_that_cannot_be_read_close_the_object_and_one_that_went_is_not_named(place: Place) -> None:
    assert place.gate is not None
    for name in ("a.md", "b.md", "c.md", "d.md"):
        place.put(name, b"x", Tagging="vouch-allow=group:hr")
    told = {"/a.md": _error(403, "AccessDenied"), "/b.md": _error(404, "NoSuchKey"),
            "/c.md": _error(404, "NoSuchTagSet"), "/d.md": Reply(501)}  # fmt: skip
    place.gate.fault = lambda method, target: next(
        (told[name] for name in told if f"{name}?tagging" in target), None
    )  # fmt: skip
    found = scan(place, object_tags=True)
    assert set(found) == {"a.md", "c.md", "d.md"}
    assert acl(found, "a.md").reason == acl(found, "d.md").reason == "tags_unreadable"
    assert acl(found, "c.md") is None
    place.gate.fault = lambda method, target: _error(500, "InternalError") if "tagging" in target else None
    with pytest.raises(Unavailable):
        scan(place, object_tags=True)


# -- what a store may answer instead --


def _answering(place: Place, what: str, *replies: Reply | None) -> None:
    """Answer the requests whose target holds ``what`` one after the other; None is the store's own answer."""
    assert place.gate is not None
    left: Iterator[Reply | None] = iter(replies)
    place.gate.fault = lambda method, target: next(left, None) if what in target else None


def test_a_store_that_asks_for_patience_gets_it(place: Place, slept: list[float]) -> None:
    place.put("a.md", b"a")
    _answering(place, "list-type", _error(503, "SlowDown", **{"Retry-After": "7"}), _error(500, "InternalError"))
    assert set(scan(place)) == {"a.md"}
    assert slept == [7.0, 1.0]


def test_a_store_that_does_not_recover_fails_the_scan_and_a_long_pause_is_kept(
    place: Place, slept: list[float]
) -> None:
    _answering(place, "list-type", *[_error(503, "SlowDown")] * 9)
    with pytest.raises(Unavailable):
        scan(place)
    assert slept == [0.5, 1.0, 2.0]
    _answering(place, "list-type", _error(503, "SlowDown", **{"Retry-After": "900"}))
    for _ in range(2):  # the second time it is not even asked
        with pytest.raises(Unavailable) as asleep:
            scan(place)
        assert asleep.value.extra["retry_after_s"] == 900
    assert place.gate is not None and len(place.gate.asked) == 5


@pytest.mark.parametrize(
    ("reply", "field"),
    [
        (_error(403, "InvalidAccessKeyId"), "access_key_id"),
        (_error(403, "AccessDenied"), "access_key_id"),
        (Reply(401), "access_key_id"),
        (_error(404, "NoSuchBucket"), "bucket"),
        (_error(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-central-1"}), "region"),
        (_error(400, "InvalidArgument"), None),
    ],
)
def test_what_is_for_the_configuration_to_put_right(place: Place, reply: Reply, field: str | None) -> None:
    _answering(place, "list-type", reply)
    with pytest.raises(BadConfig) as refused:
        scan(place)
    assert refused.value.field == ("config.store" if field is None else f"config.store.{field}")
    assert "no</Message>" not in refused.value.detail


_ENTRY = "<Contents><Key>{}</Key><Size>1</Size><ETag>x</ETag></Contents>"
_PAGE = "<ListBucketResult><IsTruncated>{}</IsTruncated>{}</ListBucketResult>"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><p>Please log in",
        _PAGE.format("false", _ENTRY.format("a.md"))[:-5],
        _PAGE.format("true", _ENTRY.format("a.md")),
        _PAGE.format("true", "<NextContinuationToken></NextContinuationToken>"),
        _PAGE.format("true", "<NextContinuationToken>again</NextContinuationToken>"),
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + _PAGE.format("false", _ENTRY.format("&b;")),
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + _PAGE.format("false", _ENTRY.format("&a;")),
    ],
)
def test_half_a_listing_fails_the_scan(place: Place, body: str) -> None:
    _answering(place, "list-type", *[Reply(200, body.encode())] * 3)
    with pytest.raises(Unavailable):
        scan(place)


def test_empty_pages_that_do_not_end_fail_the_scan(place: Place) -> None:
    assert place.gate is not None
    turns = iter(range(100_000))
    more = "<NextContinuationToken>t{}</NextContinuationToken>"
    place.gate.fault = lambda method, target: Reply(200, _PAGE.format("true", more.format(next(turns))).encode())
    with pytest.raises(Unavailable):
        scan(place)
    assert 1000 < next(turns) < 1010


def test_a_store_that_lists_what_was_not_asked_for_is_not_believed() -> None:
    place = s3(prefix="hr/")
    _answering(place, "list-type", Reply(200, _PAGE.format("false", _ENTRY.format("board/minutes.md")).encode()))
    with pytest.raises(Unavailable):
        scan(place)


@pytest.mark.parametrize("reply", [_error(403, "AccessDenied"), _error(403, "InvalidObjectState"), Reply(302)])
def test_a_file_that_is_refused_is_unreadable_and_rules_that_are_close_their_folder(place: Place, reply: Reply) -> None:
    place.put("hr/.vouch.yaml", b"access: {allow: [group:hr]}\n")
    place.put("hr/a.md", b"a")
    _answering(place, "hr/", *[reply] * 3)
    with pytest.raises(DocumentRejected) as refused:
        make_connector("files", {"store": place.store}, DOOR).fetch("hr/a.md")
    assert refused.value.reason == "unreadable"
    assert isinstance(acl(scan(place, access=[{"allow": ["authenticated"]}]), "hr/a.md"), AccessUnknown)


def test_rules_that_cannot_be_read_for_now_fail_the_scan(place: Place) -> None:
    place.put(".vouch.yaml", b"access: {allow: [group:hr]}\n")
    place.put("a.md", b"a")
    for reply in (_error(500, "InternalError"), _error(404, "NoSuchKey"), _error(403, "ExpiredToken")):
        _answering(place, ".vouch.yaml", *[reply] * 9)
        with pytest.raises(Unavailable):
            scan(place)


@pytest.mark.parametrize("reply", [_error(403, "ExpiredToken"), _error(404, "NoSuchBucket"), Reply(401), Reply(503)])
def test_a_fault_of_the_whole_store_takes_no_file_away(place: Place, reply: Reply) -> None:
    place.put("a.md", b"a")
    _answering(place, "a.md", *[reply] * 9)
    with pytest.raises(Unavailable):
        make_connector("files", {"store": place.store}, DOOR).fetch("a.md")


def test_a_body_that_ends_too_early_is_no_file() -> None:
    with serving(lambda asked: Reply(200, b"half", declared=8)) as server:
        store = {"type": "s3", "bucket": "docs", "endpoint": server.url}
        with pytest.raises(Unavailable):
            make_connector("files", {"store": store}, DOOR).fetch("a.md")


# -- keys and addresses --


def test_a_wrong_secret_is_told_and_never_repeated(place: Place) -> None:
    store = {**place.store, "secret_access_key": "wrong-horse"}
    with pytest.raises(BadConfig) as refused:
        scan(Place(store, place.put, place.remove))
    assert refused.value.field == "config.store.access_key_id"
    assert "wrong-horse" not in str(refused.value.problem()) and SECRET not in str(refused.value.problem())


def test_without_a_key_nothing_is_signed_whatever_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.setenv(name, "of somebody else")
    for name in ("AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    page = _PAGE.format("false", _ENTRY.format("a.md")).encode()
    with serving(lambda asked: Reply(200, page)) as server:
        store: dict[str, Any] = {"type": "s3", "bucket": "docs", "endpoint": server.url}
        assert set(scan(Place(store, lambda: None, lambda path: None))) == {"a.md"}
        assert not {
            name for asked in server.asked for name in asked.headers if name.startswith(("authorization", "x-"))
        }
    public = s3("public")
    public.put("a.md", b"a")
    bare = {name: public.store[name] for name in ("type", "bucket", "endpoint")}
    assert set(scan(Place(bare, public.put, public.remove))) == {"a.md"}


def test_a_bucket_that_is_named_by_its_host_is_read_and_what_is_signed_is_what_is_sent() -> None:
    place = s3(prefix="a b/")
    place.put("x \u00fc+.md", b"hello")
    port = int(str(place.store["endpoint"]).rpartition(":")[2])
    world = World({f"{place.store['bucket']}.s3.amazonaws.com": [[PUBLIC]]}, port)
    store = {**place.store, "endpoint": "http://s3.amazonaws.com", "virtual_host": True}
    connector = make_connector("files", {"store": store}, world.door())
    assert [c.external_id for c in connector.scan(None) if isinstance(c, Upsert)] == ["x \u00fc+.md"]
    assert connector.fetch("x \u00fc+.md").data == b"hello"
    assert world.attempts == [(PUBLIC, 80)] * 2


def test_a_temporary_key_sends_its_token_and_a_virtual_host_names_the_bucket() -> None:
    seen: list[Asked] = []

    def script(asked: Asked) -> Reply:
        seen.append(asked)
        return Reply(200, _PAGE.format("false", "").encode())

    with serving(script) as server:
        store = {"type": "s3", "bucket": "docs", "endpoint": server.url, "access_key_id": ACCESS_KEY,
                 "secret_access_key": SECRET, "session_token": "for an hour", "region": "eu-central-1"}  # fmt: skip
        list(make_connector("files", {"store": store}, DOOR).scan(None))
    assert seen[0].headers["x-amz-security-token"] == "for an hour"
    assert re.search(r"Credential=AKTEST/\d{8}/eu-central-1/s3/aws4_request", seen[0].headers["authorization"])
    for more in ({}, {"region": "eu-central-1"}, {"endpoint": "https://s3.example.org/base"}):
        for virtual in (False, True):
            base = S3(
                S3Store(type="s3", bucket="docs", virtual_host=virtual, **more), DOOR
            )._base  # fmt: skip
            host = "s3.example.org" if "endpoint" in more else f"s3.{more.get('region', 'us-east-1')}.amazonaws.com"
            root = "/base/" if "endpoint" in more else "/"
            assert (base.host, base.target) == ((f"docs.{host}", root) if virtual else (host, f"{root}docs/"))


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"endpoint": "ftp://s3.example.org"}, "endpoint"),
        ({"endpoint": "https://user@s3.example.org"}, "endpoint"),
        ({"endpoint": "https://s3.example.org/?x=1"}, "endpoint"),
        ({"endpoint": "http://169.254.169.254/"}, "endpoint"),
        ({"endpoint": "http://10.0.0.1/"}, "endpoint"),
        ({"bucket": "a_b", "endpoint": "https://s3.example.org", "virtual_host": True}, "bucket"),
        ({"endpoint": "https://93.184.215.14", "virtual_host": True}, "bucket"),
        ({"bucket": "a/b"}, "bucket"),
        ({"bucket": ".."}, "bucket"),
        ({"prefix": "a/../b"}, "prefix"),
        ({"prefix": "a\\b"}, "prefix"),
        ({"region": "x.evil.example/#"}, "region"),
        ({"secret_access_key": None}, "s3"),
        ({"access_key_id": "a/b"}, "access_key_id"),
        ({"nonsense": 1}, "nonsense"),
        ({"type": "gopher"}, None),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(changed: dict[str, Any], field: str | None) -> None:
    store = {"type": "s3", "bucket": "docs", "access_key_id": "a", "secret_access_key": "do not repeat", **changed}
    with pytest.raises(BadConfig) as refused:
        make_connector("files", {"store": store})
    assert refused.value.field == ("config.store" if field is None else f"config.store.{field}")
    assert "do not repeat" not in str(refused.value.problem())


def test_tags_are_for_buckets_alone() -> None:
    store = {"type": "webdav", "url": "https://dav.example.org/"}
    with pytest.raises(BadConfig, match="object_tags"):
        make_connector("files", {"store": store, "object_tags": True})
    with pytest.raises(NotFound):
        make_connector("files", {"store": store}).fetch("..")
