"""The stores of ``files`` reach nothing that the door does not: proved by writing down every connection attempted,
by the door and, through the interpreter's audit events, by any library beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from connectors.files.connector import FilesConnector
from connectors.protocol import Connector
from connectors.registry import configured, make_connector
from tests.connectors.files.places import PLACES
from tests.connectors.files.stores import DOOR, host_key
from tests.connectors.tokens import service_account
from tests.outbound import hostile
from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Asked, Reply, serving
from vouch.core.errors import BadConfig, OutboundRefused, Unavailable, VouchError
from vouch.core.types import Json, Upsert
from vouch.outbound.addresses import Allowed
from vouch.outbound.sockets import connected, parse_host

ADDRESSES = hostile.addresses()
ODD = [host for v4 in hostile.WRAPPED for host in hostile.odd_forms(v4)]
URLS = list(dict.fromkeys((*(f"http://{host}/" for host in ODD), *hostile.confusing("10.0.0.1"), *hostile.OTHERS)))
KINDS = sorted(PLACES)
TOLD = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}
"""Which argument of an event names the place."""
ENVIRON = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
OF_A_URL: dict[str, list[Json]] = {
    "endpoint": [
        {"type": "s3", "bucket": "docs"},
        {"type": "gcs", "bucket": "docs"},
        {"type": "azure", "account": "files", "container": "docs"},
    ],
    "url": [{"type": "webdav"}],
    "token_url": [{"type": "gcs", "bucket": "docs", "service_account": service_account()}],
    "login": [{"type": "azure", "account": "files", "container": "docs", "tenant": "t", "client_id": "c",
               "client_secret": "s"}],
}  # fmt: skip
"""By the field that holds an address: stores that go there first."""
PAGES = {
    "azure": b"<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>",
    "gcs": b'{"kind": "storage#objects"}',
    "s3": b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
}
_heard: list[tuple[str, object]] | None = None


def _listen(event: str, args: tuple[object, ...]) -> None:
    if _heard is not None and event in TOLD:
        _heard.append((event, args[TOLD[event]]))


sys.addaudithook(_listen)  # for good: one cannot be taken away again


@pytest.fixture
def heard() -> Iterator[list[tuple[str, object]]]:
    """Everything that anything in this process connects to, or asks a name server about."""
    global _heard
    found = _heard = []
    yield found
    _heard = None


def store(kind: str, host: str) -> Json:
    """A store of a kind that lies at ``host``."""
    shown = f"[{host}]" if ":" in host else host
    if kind == "sftp":
        keys = [host_key().export_public_key().decode()]
        return {"type": "sftp", "host": host, "path": "/srv", "host_keys": keys, "user": "u", "password": "p"}
    if kind == "smb":
        return {"type": "smb", "host": host, "share": "docs", "user": "u", "password": "p"}
    if kind == "s3":
        return {"type": "s3", "bucket": "docs", "endpoint": f"http://{shown}", "access_key_id": "a",
                "secret_access_key": "b"}  # fmt: skip
    if kind == "gcs":
        return {"type": "gcs", "bucket": "docs", "endpoint": f"http://{shown}"}
    if kind == "azure":
        return {"type": "azure", "account": "files", "container": "docs", "endpoint": f"http://{shown}",
                "account_key": "a2V5"}  # fmt: skip
    return {"type": "webdav", "url": f"http://{shown}/dav/", "user": "u", "password": "p"}


def made(world: World, of: Json) -> Connector:
    return configured(FilesConnector, {"store": of}, world.door())


def _anywhere(host: str, port: int) -> list[str]:
    """A lenient name server: whatever is no address is loopback."""
    try:
        return [str(ip_address(host))]
    except ValueError:
        return ["127.0.0.1"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_is_blocked_or_written_oddly_is_connected_to_by_no_store(kind: str) -> None:
    world = World()
    world.resolve = _anywhere  # type: ignore[method-assign]
    for host in (*ADDRESSES, *ODD):
        with pytest.raises((BadConfig, OutboundRefused)):
            list(made(world, store(kind, host)).scan(None))
    assert world.attempts == []


@pytest.mark.parametrize("field", sorted(OF_A_URL))
def test_a_hostile_url_is_connected_to_by_no_store(field: str) -> None:
    world = World()
    world.resolve = _anywhere  # type: ignore[method-assign]
    for of in OF_A_URL[field]:
        for url in URLS:
            if url == "":
                continue
            with pytest.raises((BadConfig, OutboundRefused)):
                list(made(world, {**of, field: url}).scan(None))
    assert world.attempts == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_leads_there_is_refused_in_scan_and_fetch_also_beside_a_public_address(kind: str) -> None:
    for address in ADDRESSES:
        for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
            world = World({"trap.example": [answer], "docs.trap.example": [answer]})
            of = store(kind, "trap.example") | ({"virtual_host": True} if kind == "s3" else {})
            connector = made(world, of)
            with pytest.raises(OutboundRefused):
                list(connector.scan(None))
            with pytest.raises(OutboundRefused):
                connector.fetch("a.md")
            assert world.attempts == [], address


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_changes_its_answer_is_judged_for_each_connection(kind: str) -> None:
    status = 207 if kind == "webdav" else 200
    with serving(lambda asked: Reply(status, PAGES.get(kind, b"<multistatus/>"))) as server:
        port = {"sftp": 22, "smb": 445}.get(kind, 80)
        for address in ADDRESSES:
            world = World({"rebinding.example": [[PUBLIC], [address]]}, server.port)
            connector = made(world, store(kind, "rebinding.example"))
            try:
                list(connector.scan(None))
            except Unavailable:
                assert kind in ("sftp", "smb")  # what answers there speaks HTTP
            with pytest.raises(OutboundRefused):
                connector.fetch("a.md")
            assert world.attempts == [(PUBLIC, port)], address


@pytest.mark.parametrize("kind", ["azure", "gcs", "s3", "webdav"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_credential_leaves(kind: str, status: int) -> None:
    def script(asked: Asked) -> Reply:
        return Reply(status, b"", {"Location": target, "x-amz-bucket-region": "evil.example/#"})

    with serving(script) as server:
        for target in (*map(hostile.url_of, ADDRESSES), "http://elsewhere.example/"):
            world = World({"public.example": [[PUBLIC]], "elsewhere.example": [[PUBLIC]]}, server.port)
            connector = made(world, store(kind, "public.example"))
            for work in (lambda: list(connector.scan(None)), lambda: connector.fetch("a.md")):  # noqa: B023
                with pytest.raises(VouchError):
                    work()
            assert world.attempts == [(PUBLIC, 80)] * 2, target
            assert world.asked == ["public.example"] * 2
            assert {asked.headers["host"] for asked in server.asked} == {"public.example"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_library_connects_or_resolves_beside_the_door(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[tuple[str, object]]
) -> None:
    place = PLACES[kind](tmp_path / "store")
    with place.stack:
        place.put("a.md", b"a")
        place.put(".vouch.yaml", b"access: {allow: [authenticated]}\n")
        ports = {place.store.get("port")} | {int(str(place.store[n]).split(":")[2].partition("/")[0])
                                             for n in ("endpoint", "url") if n in place.store}  # fmt: skip
        for name in ENVIRON:
            monkeypatch.setenv(name, "http://127.0.0.1:1/")
        monkeypatch.setenv("HOME", str(tmp_path))
        heard.clear()
        connector = make_connector("files", {"store": place.store}, DOOR)
        assert [c.external_id for c in connector.scan(None) if isinstance(c, Upsert)] == ["a.md"]
        assert connector.fetch("a.md").data == b"a"
    connects = [what for event, what in heard if event == "socket.connect"]
    assert connects and {(host, port in ports) for host, port, *_ in _pairs(connects)} == {("127.0.0.1", True)}
    assert {what for event, what in heard if event == "socket.getaddrinfo"} <= {"127.0.0.1"}
    assert not [event for event, _ in heard if event in ("socket.gethostbyname", "socket.sendto")]


def _pairs(found: list[object]) -> list[tuple[Any, ...]]:
    return [what for what in found if isinstance(what, tuple)]


def test_without_a_key_of_the_configuration_none_is_looked_for(heard: list[tuple[str, object]]) -> None:
    page = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
    with serving(lambda asked: Reply(200, page)) as server:
        heard.clear()
        list(
            make_connector("files", {"store": {"type": "s3", "bucket": "docs", "endpoint": server.url}}, DOOR).scan(
                None
            )
        )
    assert {what for event, what in heard if event == "socket.connect"} == {("127.0.0.1", server.port)}


# -- the door that hands a socket over --


def test_a_protocols_own_port_is_open_on_public_hosts_and_no_other(heard: list[tuple[str, object]]) -> None:
    with serving(lambda asked: Reply()) as server:
        world = World({"public.example": [[PUBLIC]]}, server.port)
        ways = world.door().ways
        connected(ways, parse_host("public.example", 22), frozenset({22}), 5.0).close()
        for port in (2222, 25, 6379):
            with pytest.raises(OutboundRefused):
                connected(ways, parse_host("public.example", port), frozenset({22}), 5.0)
        assert world.attempts == [(PUBLIC, 22)]
        named = World({"public.example": [[PUBLIC]]}, server.port, Allowed.parse("public.example"))
        connected(named.door().ways, parse_host("public.example", 2222), frozenset({22}), 5.0).close()
        assert named.attempts == [(PUBLIC, 2222)]
    with pytest.raises(Unavailable):  # nobody is there
        connected(World({"x.example": [[PUBLIC]]}).door().ways, parse_host("x.example", 22), frozenset({22}), 5.0)


@pytest.mark.parametrize("host", ["", "a b", "a@b", "a/b", "a?b", "a#b", "a:b", "[::1]", "a..b", "0x7f.1", "1.2", "é"])
def test_a_host_that_could_be_read_in_two_ways_is_none(host: str) -> None:
    for port in (22, 443):
        with pytest.raises(OutboundRefused):
            parse_host(host, port)
