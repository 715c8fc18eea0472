"""WebDAV: logins, folders that may not be listed, and servers that list what they were not asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.registry import make_connector
from tests.connectors.files import stores
from tests.connectors.files.stores import DOOR, Place
from tests.connectors.files.test_stores import reasons, scan
from tests.connectors.seen import pausing
from tests.outbound.serving import Asked, Reply, serving
from vouch.core.errors import BadConfig, DocumentRejected, OutboundRefused, Unavailable
from vouch.core.types import Upsert


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are counted, not taken."""
    pace, pauses = pausing()
    monkeypatch.setattr("connectors.files.http.PACE", pace)
    return pauses


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = stores.webdav(tmp_path / "store")
    with found.stack:
        found.put("a.md", b"a")
        yield found


def changed(place: Place, **store: Any) -> Place:
    return Place({**place.store, **store}, place.put, place.remove)


def _answering(place: Place, what: str, reply: Reply) -> None:
    assert place.gate is not None
    place.gate.fault = lambda method, target: reply if what in f"{method} {target}" else None


def item(href: str, inside: str = "<getetag>e</getetag>", status: str = "HTTP/1.1 200 OK") -> str:
    return (
        f"<response><href>{href}</href><propstat><prop>{inside}</prop><status>{status}</status></propstat></response>"
    )


def listing(*items: str) -> Reply:
    return Reply(207, f'<multistatus xmlns="DAV:">{"".join(items)}</multistatus>'.encode())


ITSELF = item("/dav/", "<resourcetype><collection/></resourcetype>")


def told(*items: str) -> dict[str, Any]:
    """What is made of a listing of ``/dav/``; its folders hold nothing."""

    def script(asked: Asked) -> Reply:
        return listing(ITSELF, *items) if asked.path == "/dav/" else listing()

    with serving(script) as server:
        return scan(Place({"type": "webdav", "url": f"{server.url}/dav"}, lambda: None, lambda path: None))


# -- logins --


def test_a_login_that_is_refused_is_told_and_never_repeated(place: Place) -> None:
    with pytest.raises(BadConfig) as refused:
        scan(changed(place, password="wrong-horse"))
    assert refused.value.field == "config.store.url" and "horse" not in str(refused.value.problem())
    with pytest.raises(BadConfig):
        scan(changed(place, user=None, password=None))
    connector = make_connector("files", {"store": {**place.store, "password": "wrong-horse"}}, DOOR)
    with pytest.raises(Unavailable):  # no file is quarantined because a password ran out
        connector.fetch("a.md")


def test_a_token_is_sent_to_the_store_and_proxies_of_the_environment_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serving(lambda asked: listing(ITSELF)) as server:
        store = {"type": "webdav", "url": f"{server.url}/dav/", "token": "correct-horse"}
        assert scan(Place(store, lambda: None, lambda path: None)) == {}
    assert server.asked[0].headers["authorization"] == "Bearer correct-horse"
    assert (server.asked[0].method, server.asked[0].headers["depth"]) == ("PROPFIND", "1")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"url": "ftp://dav.example.org/"}, "url"),
        ({"url": "https://user:x@dav.example.org/"}, "url"),
        ({"url": "https://dav.example.org/?x=1"}, "url"),
        ({"url": "http://192.168.0.1/"}, "url"),
        ({"token": "line\nbreak", "user": None, "password": None}, "token"),
        ({"token": "both"}, "webdav"),
        ({"user": None}, "webdav"),
        ({"user": "a:b"}, "user"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(wrong: dict[str, Any], field: str) -> None:
    store = {"type": "webdav", "url": "https://dav.example.org/", "user": "reader", "password": "do not repeat"}
    with pytest.raises(BadConfig) as refused:
        make_connector("files", {"store": {**store, **wrong}})
    assert refused.value.field == f"config.store.{field}"
    assert "do not repeat" not in str(refused.value.problem())


# -- listings --


def test_folders_are_asked_one_by_one_and_what_is_not_wanted_is_not_asked(place: Place) -> None:
    for name in ("in/b.md", "archive/c.md", ".git/d.md"):
        place.put(name, b"x")
    assert set(scan(place, exclude=["archive"])) == {"a.md", "in/b.md"}
    assert place.gate is not None
    assert [target for method, target in place.gate.asked] == ["/dav/", "/dav/in/"]


@pytest.mark.parametrize("reply", [Reply(403), Reply(404), Reply(302, b"", {"Location": "https://example.org/"})])
def test_a_folder_that_may_not_be_listed_is_refused_and_the_root_is_told(place: Place, reply: Reply) -> None:
    place.put("private/b.md", b"x")
    _answering(place, "/dav/private/", reply)
    assert reasons(scan(place)) == {"private/": "unreadable"}
    _answering(place, "PROPFIND", reply)
    with pytest.raises(BadConfig) as refused:
        scan(place)
    assert refused.value.field == "config.store.url"


def test_a_login_that_runs_out_or_a_server_that_fails_in_the_middle_fails_the_scan(place: Place) -> None:
    place.put("in/b.md", b"x")
    _answering(place, "/dav/in/", Reply(401))
    with pytest.raises(BadConfig):
        scan(place)
    for reply in (Reply(500), Reply(503, b"", {"Retry-After": "1000"}), Reply(207, b"<multistatus><resp")):
        _answering(place, "/dav/in/", reply)
        with pytest.raises(Unavailable):
            scan(place)


def test_a_redirect_to_a_place_that_is_not_written_plainly_is_not_even_told(place: Place) -> None:
    _answering(place, "a.md", Reply(302, b"", {"Location": "http://x\\@169.254.169.254/"}))
    with pytest.raises(OutboundRefused):
        make_connector("files", {"store": place.store}, DOOR).fetch("a.md")


@pytest.mark.parametrize(
    "href",
    ["/etc/passwd", "/dav/sub/deeper.md", "/dav/../etc/passwd", "/other/a.md", "", "a.md", "/davx/a.md", "http://[/"],
)
def test_what_does_not_lie_in_the_folder_fails_the_scan(href: str) -> None:
    with pytest.raises(Unavailable):
        told(item(href))


@pytest.mark.parametrize("name", ["%2e%2e", "a%2Fb.md", "a%5Cb.md", "bad%FF.md", "line%0Abreak.md", "zero%E2%80%8B.md"])
def test_names_that_are_no_plain_path_are_refused(name: str) -> None:
    assert list(reasons(told(item(f"/dav/{name}"))).values()) == ["unreadable_name"]


def test_what_a_server_says_of_a_file() -> None:
    host = "http://internal.example.org"
    found = told(
        item("/dav/etag.md", "<getetag>W/&quot;1&quot;</getetag>"),
        item(f"{host}/dav/b%20c.md", "<getlastmodified>Tue, 14 Nov 2023 22:13:20 GMT</getlastmodified>"),
        item("/dav/neither.md", "<getcontentlength>3</getcontentlength>"),
        item("/dav/odd.md", "<getetag>e</getetag><getcontentlength>-1</getcontentlength>"),
        item("/dav/large.md", "<getetag>e</getetag><getcontentlength>99999999999</getcontentlength>"),
        item("/dav/unknown.md", status="HTTP/1.1 403 Forbidden"),
        "<response><href>/dav/gone.md</href><status>HTTP/1.1 404 Not Found</status></response>",
        item("/dav/sub", "<resourcetype><collection/></resourcetype>"),
        item("/dav/etag.md", "<getetag>twice</getetag>"),
    )
    assert reasons(found) == {
        "neither.md": "no_version", "large.md": "too_large", "unknown.md": "unreadable", "gone.md": "unreadable",
    }  # fmt: skip
    assert set(found) - set(reasons(found)) == {"etag.md", "b c.md", "odd.md"}
    dated = found["b c.md"]
    assert isinstance(dated, Upsert) and dated.modified_at is not None and dated.modified_at.year == 2023
    assert dated.uri.endswith("/dav/b%20c.md")


def test_a_file_larger_than_it_said_is_not_read_to_its_end(place: Place) -> None:
    connector = make_connector("files", {"store": place.store, "max_file_mb": 1}, DOOR)
    _answering(place, "GET", Reply(200, b"x" * (1 << 20 | 1)))
    with pytest.raises(DocumentRejected) as refused:
        connector.fetch("a.md")
    assert refused.value.reason == "too_large"
    _answering(place, "GET", Reply(403))
    with pytest.raises(DocumentRejected):
        connector.fetch("a.md")
