"""Google Cloud Storage: pages, tokens and what refuses them, metadata as access, and what may be answered instead."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest

from connectors import oauth
from connectors.files import http
from connectors.pace import Pace
from connectors.registry import make_connector
from tests.connectors.api import as_json, truncated
from tests.connectors.files.gcs import Gcs, error, gcs
from tests.connectors.files.stores import DOOR
from tests.connectors.files.test_stores import acl, reasons, scan
from tests.connectors.tokens import service_account
from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Reply
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, Unavailable
from vouch.core.types import AccessUnknown, RawClause, Upsert

LISTING = r"/o\?"


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
def cloud() -> Iterator[Gcs]:
    with gcs() as found:
        found.put("a.md", b"a")
        yield found


def fetch(cloud: Gcs, path: str, **store: Any) -> bytes:
    return make_connector("files", {"store": cloud.place(**store).store}, DOOR).fetch(path).data


# -- names and pages --


def test_a_listing_comes_in_pages_and_below_the_prefix_alone(cloud: Gcs, monkeypatch: pytest.MonkeyPatch) -> None:
    place = cloud.place("teams/hr/")
    for n in range(5):
        place.put(f"{n}.md", b"x")
    place.put("", b"")  # what consoles make of a folder
    cloud.put("teams/hrx.md", b"x")
    found = scan(place)
    assert set(found) == {f"{n}.md" for n in range(5)} and cloud.asked(LISTING) == 3
    told = found["0.md"]
    assert isinstance(told, Upsert) and told.uri == "gs://docs/teams/hr/0.md"
    assert told.modified_at is not None and told.modified_at.isoformat() == "2024-03-01T09:00:00.123000+00:00"
    monkeypatch.setattr("connectors.files.gcs.MANY", 1)
    assert scan(place) == found and cloud.asked(LISTING) == 3 + 6


def test_names_that_are_no_plain_path_are_refused_and_folders_are_no_documents(cloud: Gcs) -> None:
    odd = ["/lead.md", "a//b.md", "a/../b.md", "..", "back\\slash.md", "bell\x07.md", "zero\u200bwidth.md"]
    plain = ["per%2Fcent+plus and #?&=.md", "long" * 250]
    for name in (*odd, *plain):
        cloud.put(name, b"x")
    cloud.put("empty/", b"")
    cloud.put("full/", b"something")
    found = scan(cloud.place())
    assert set(found) - set(reasons(found)) == {"a.md", *plain}
    assert sorted(reasons(found).values()) == ["not_a_file", *["unreadable_name"] * len(odd)]
    for name in plain:
        assert fetch(cloud, name) == b"x"


def test_the_generation_tells_a_change_and_an_object_without_one_is_refused(cloud: Gcs) -> None:
    before = scan(cloud.place())["a.md"]
    cloud.put("a.md", b"b")
    after = scan(cloud.place())["a.md"]
    assert isinstance(before, Upsert) and isinstance(after, Upsert) and before.fingerprint != after.fingerprint
    del cloud.objects["a.md"]["generation"]
    assert reasons(scan(cloud.place())) == {"a.md": "no_version"}


# -- metadata --


def test_metadata_is_one_more_clause_and_is_listed_not_asked_for(cloud: Gcs) -> None:
    cloud.put(".vouch.yaml", b"access: {allow: [group:staff]}\n")
    cloud.put("a.md", b"a", vouch_allow="group:hr user:okta/00u1", vouch_deny="user:mallory", team="x")
    cloud.put("none.md", b"c", team="x")
    cloud.put("bare.md", b"c")
    cloud.put("odd.md", b"d", vouch_allow="group:hr", Vouch_Deny="user:mallory")
    found = scan(cloud.place(), object_tags=True)
    staff = RawClause(("group:staff",), (), ".vouch.yaml, line 1, access")
    assert acl(found, "a.md") == (staff, RawClause(("group:hr", "user:okta/00u1"), ("user:mallory",), "object tags"))
    assert acl(found, "none.md") is None and acl(found, "bare.md") is None
    closed = acl(found, "odd.md")
    assert isinstance(closed, AccessUnknown) and closed.reason == "tags_broken"
    assert cloud.asked("alt=media") == 1  # the rules
    before = found["a.md"]
    cloud.objects["a.md"]["metadata"] = {"vouch-allow": "group:legal"}
    after = scan(cloud.place(), object_tags=True)
    assert isinstance(before, Upsert) and before.fingerprint == after["a.md"].fingerprint  # type: ignore[union-attr]
    assert acl(after, "a.md") == (staff, RawClause(("group:legal",), (), "object tags"))
    assert acl(scan(cloud.place()), "none.md") == (staff,)


# -- who asks --


def test_one_token_serves_scan_and_fetches_and_one_that_is_taken_back_is_had_anew(cloud: Gcs) -> None:
    scan(cloud.place())
    assert fetch(cloud, "a.md") == b"a" and cloud.given == 1
    cloud.tokens.clear()
    assert fetch(cloud, "a.md") == b"a" and cloud.given == 2
    cloud.tokens.clear()
    assert set(scan(cloud.place())) == {"a.md"} and cloud.given == 3


def test_a_key_that_is_refused_is_told_and_never_repeated(cloud: Gcs) -> None:
    key = json.loads(service_account())
    for broken in ("no key", json.dumps({**key, "private_key": key["private_key"][:-60]}), json.dumps({"a": 1})):
        with pytest.raises(BadConfig) as refused:
            scan(cloud.place(service_account=broken))
        assert refused.value.field == "config.store.service_account"
        assert key["private_key"][40:80] not in str(refused.value.problem())
    cloud.api.fail("/token", as_json({"error": "invalid_grant", "error_description": "of nobody's concern"}, 400))
    with pytest.raises(BadConfig) as refused:
        scan(cloud.place())
    assert refused.value.field == "config.store.service_account" and "concern" not in refused.value.detail
    cloud.api.fail("/token", Reply(503))
    with pytest.raises(Unavailable):
        scan(cloud.place())


def test_without_a_key_only_a_public_bucket_answers_whatever_the_environment_holds(
    cloud: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "GCE_METADATA_HOST", "HTTP_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    with pytest.raises(BadConfig) as refused:
        scan(cloud.place(service_account=None))
    assert refused.value.field == "config.store.service_account"
    cloud.public = True
    assert set(scan(cloud.place(service_account=None))) == {"a.md"} and cloud.given == 0
    assert not [asked for asked in cloud.api.asked if "authorization" in asked.headers]


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "::1"])
def test_the_token_is_asked_for_through_the_door_too(address: str) -> None:
    world = World({"storage.googleapis.com": [[PUBLIC]], "tokens.example": [[address]]})
    store = {"type": "gcs", "bucket": "docs", "service_account": service_account(),
             "token_url": "https://tokens.example/token"}  # fmt: skip
    connector = make_connector("files", {"store": store}, world.door())
    for work in (lambda: list(connector.scan(None)), lambda: connector.fetch("a.md")):
        with pytest.raises(OutboundRefused):
            work()
    assert world.attempts == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"endpoint": "https://user@storage.example.org"}, "endpoint"),
        ({"endpoint": "http://169.254.169.254/"}, "endpoint"),
        ({"token_url": "http://169.254.169.254/token"}, "token_url"),
        ({"token_url": "https://tokens.example.org/?x=1"}, "token_url"),
        ({"bucket": "a/b"}, "bucket"),
        ({"bucket": ".."}, "bucket"),
        ({"prefix": "a/../b"}, "prefix"),
        ({"service_account": "do not repeat"}, "service_account"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector("files", {"store": {"type": "gcs", "bucket": "docs", **changed}})
    assert refused.value.field == f"config.store.{field}"
    assert "do not repeat" not in str(refused.value.problem())


# -- what may be answered instead --


def test_a_store_that_asks_for_patience_gets_it_and_a_long_pause_is_kept(cloud: Gcs, slept: list[float]) -> None:
    cloud.api.fail(LISTING, error(429, "rateLimitExceeded", **{"Retry-After": "7"}))
    cloud.api.fail(LISTING, error(500, "backendError"))
    assert set(scan(cloud.place())) == {"a.md"} and slept == [7.0, 1.0]
    cloud.api.fail(LISTING, error(503, "backendError"), times=9)
    with pytest.raises(Unavailable):
        scan(cloud.place())
    cloud.api.faults.clear()
    cloud.api.fail(LISTING, error(429, "rateLimitExceeded", **{"Retry-After": "900"}))
    before = cloud.asked(LISTING)
    for _ in range(2):  # the second time it is not even asked
        with pytest.raises(Unavailable) as asleep:
            scan(cloud.place())
        assert asleep.value.extra["retry_after_s"] == 900
    assert cloud.asked(LISTING) == before + 1


@pytest.mark.parametrize(
    ("reply", "field"),
    [
        (error(403, "forbidden"), "config.store.service_account"),
        (error(401, "authError"), "config.store.service_account"),
        (error(404, "notFound"), "config.store.bucket"),
        (error(400, "invalid"), "config.store"),
        (Reply(302, b"", {"Location": "https://login.example.org/"}), "config.store"),
    ],
)
def test_what_is_for_the_configuration_to_put_right(cloud: Gcs, reply: Reply, field: str) -> None:
    cloud.api.fail(LISTING, reply, times=2)
    with pytest.raises(BadConfig) as refused:
        scan(cloud.place())
    assert refused.value.field == field and "concern" not in refused.value.detail


_ITEM = {"name": "a.md", "size": "1", "generation": "1"}
_PAGE: dict[str, Any] = {"kind": "storage#objects", "items": [_ITEM]}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b""),
        Reply(200, b"<html><p>Please log in"),
        Reply(200, b"[" * 100_000),
        as_json({}),
        as_json([_PAGE]),
        as_json({**_PAGE, "items": {"name": "a.md"}}),
        as_json({**_PAGE, "items": [{"size": "1"}]}),
        as_json({**_PAGE, "items": ["a.md"]}),
        as_json({**_PAGE, "nextPageToken": ""}),
        as_json({**_PAGE, "nextPageToken": "again"}),
        truncated(_PAGE),
        error(403, "rateLimitExceeded"),
    ],
)
def test_half_a_listing_fails_the_scan(cloud: Gcs, reply: Reply) -> None:
    cloud.api.fail(LISTING, reply, times=9)
    with pytest.raises(Unavailable):
        scan(cloud.place())


def test_pages_that_do_not_end_or_that_were_not_asked_for_fail_the_scan(cloud: Gcs) -> None:
    turns = iter(range(100_000))

    @cloud.api.route("GET", r"/endless/storage/v1/b/docs/o")
    def empty(request: Any) -> Any:
        return {"kind": "storage#objects", "nextPageToken": f"t{next(turns)}"}

    with pytest.raises(Unavailable):
        scan(cloud.place(service_account=None, endpoint=f"{cloud.api.url}/endless"))
    assert 1000 < next(turns) < 1010
    cloud.api.fail(LISTING, as_json({**_PAGE, "items": [{**_ITEM, "name": "board/minutes.md"}]}))
    with pytest.raises(Unavailable):
        scan(cloud.place("hr"))


def test_a_file_that_is_refused_is_unreadable_and_rules_that_are_close_their_folder(cloud: Gcs) -> None:
    cloud.put("hr/.vouch.yaml", b"access: {allow: [group:hr]}\n")
    cloud.put("hr/a.md", b"a")
    cloud.api.fail("hr%2Fa.md", error(403, "forbidden"))
    with pytest.raises(DocumentRejected) as refused:
        fetch(cloud, "hr/a.md")
    assert refused.value.reason == "unreadable"
    cloud.api.fail("vouch.yaml", error(403, "forbidden"))
    assert isinstance(acl(scan(cloud.place(), access=[{"allow": ["authenticated"]}]), "hr/a.md"), AccessUnknown)
    for reply in (error(404, "notFound"), error(403, "rateLimitExceeded"), Reply(500)):
        cloud.api.faults.clear()
        cloud.api.fail("vouch.yaml", reply, times=9)
        with pytest.raises(Unavailable):
            scan(cloud.place())


def test_a_fault_of_the_whole_store_takes_no_file_away(cloud: Gcs) -> None:
    for reply in (error(401, "authError"), Reply(503), error(403, "userRateLimitExceeded"), truncated("a" * 99)):
        cloud.api.faults.clear()
        cloud.api.fail("a.md", reply, times=9)
        with pytest.raises(Unavailable):
            fetch(cloud, "a.md")
    cloud.api.faults.clear()
    with pytest.raises(NotFound):
        fetch(cloud, "gone.md")
    cloud.bucket = "renamed"
    with pytest.raises(Unavailable):  # in the words of a missing object
        fetch(cloud, "a.md", bucket="docs")
