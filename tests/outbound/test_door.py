"""What the door sends, what it takes in, and where it stops; against real servers on loopback."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Asked, Reply, Server, serving
from vouch.core.errors import BadConfig, OutboundRefused, PayloadTooLarge, Unavailable
from vouch.core.settings import Settings
from vouch.outbound.addresses import Allowed
from vouch.outbound.door import Bounds, Outbound
from vouch.outbound.url import parse_url

LIMIT = 100_000
REPLIES = {
    "/": Reply(200, b"hello", {"ETag": '"1"'}),
    "/packed": Reply(200, gzip.compress(b"hello " * 1000), {"Content-Encoding": "gzip"}),
    "/flood": Reply(200, gzip.compress(bytes(LIMIT * 1000)), {"Content-Encoding": "gzip"}),
    "/large": Reply(200, b"x" * (LIMIT + 1)),
    "/short": Reply(200, b"hel", declared=500),
    "/packed-short": Reply(200, gzip.compress(b"hello " * 1000)[:-12], {"Content-Encoding": "gzip"}),
    "/packed-not": Reply(200, b"hello", {"Content-Encoding": "gzip"}),
    "/brotli": Reply(200, b"hello", {"Content-Encoding": "br"}),
    "/same": Reply(304, b"", {"Content-Encoding": "gzip"}),
    "/loop": Reply(302, b"", {"Location": "/loop"}),
    "/away": Reply(302, b"", {"Location": "http://other.example/"}),
    "/near": Reply(301, b"", {"Location": "./?q=1#part"}),
    "/nowhere": Reply(302, b""),
    "/?q=1": Reply(200, b"query"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(lambda asked: REPLIES.get(asked.path, Reply(404))) as found:
        yield found


@pytest.fixture
def world(server: Server) -> World:
    server.asked.clear()
    return World({"public.example": [[PUBLIC]], "other.example": [[PUBLIC]]}, server.port)


def _asked(server: Server) -> list[tuple[str, str, str | None]]:
    return [(asked.headers["host"], asked.path, asked.headers.get("authorization")) for asked in server.asked]


def test_the_host_is_that_of_the_url_and_nothing_of_the_environment_is_sent(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    answer = world.door().get("http://PUBLIC.example/#part")
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", '"1"')
    assert server.asked == [
        Asked("/", {
            "host": "public.example", "user-agent": "Vouch/0.1", "accept-encoding": "gzip", "connection": "close",
        })
    ]  # fmt: skip
    assert world.attempts == [(PUBLIC, 80)]


def test_a_body_is_unpacked_and_no_flood_comes_of_it(world: World) -> None:
    bounds = Bounds(max_bytes=LIMIT)
    assert world.door().get("http://public.example/packed", bounds=bounds).body == b"hello " * 1000
    for path in ("flood", "large"):
        with pytest.raises(PayloadTooLarge):
            world.door().get(f"http://public.example/{path}", bounds=bounds)
    assert world.door().get("http://public.example/same").status == 304


@pytest.mark.parametrize("path", ["short", "packed-short", "packed-not", "brotli"])
def test_half_an_answer_is_none(world: World, path: str) -> None:
    with pytest.raises(Unavailable):
        world.door().get(f"http://public.example/{path}")


def test_redirects_are_followed_as_far_as_is_said(world: World, server: Server) -> None:
    answer = world.door().get("http://public.example/near")
    assert (answer.body, str(answer.url)) == (b"query", "http://public.example/?q=1")
    first = world.door().get("http://public.example/near", bounds=Bounds(redirects=0))
    assert (first.status, str(first.leads_to)) == (301, "http://public.example/?q=1")
    server.asked.clear()
    with pytest.raises(OutboundRefused):
        world.door().get("http://public.example/loop", bounds=Bounds(redirects=3))
    assert len(server.asked) == 4
    with pytest.raises(OutboundRefused):
        world.door().get("http://public.example/nowhere")


def test_a_credential_goes_to_its_own_origin_alone(world: World, server: Server) -> None:
    world.door().get("http://public.example/near", {"Authorization": "Bearer x"})
    world.door().get("http://public.example/away", {"Authorization": "Bearer x"})
    assert _asked(server) == [
        ("public.example", "/near", "Bearer x"),
        ("public.example", "/?q=1", "Bearer x"),
        ("public.example", "/away", "Bearer x"),
        ("other.example", "/", None),
    ]


def test_a_post_is_not_repeated_elsewhere(world: World, server: Server) -> None:
    answer = world.door().request("POST", "http://public.example/away", content=b"signed")
    assert answer.status == 302
    assert [(asked.method, asked.path) for asked in server.asked] == [("POST", "/away")]


def test_the_name_not_the_address_is_what_tls_speaks_to() -> None:
    """A certificate is asked for by name and checked against it."""
    import socket
    import ssl
    import threading

    import httpcore

    from vouch.outbound.connect import Ways, connect_address

    names: list[str | None] = []
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    def accept() -> None:
        connection, _ = listener.accept()
        with connection, pytest.raises(ssl.SSLError):  # it has no certificate to show
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=accept)
    thread.start()

    def connect(address: str, _port: int, timeout: float) -> httpcore.NetworkStream:
        assert address == PUBLIC
        return connect_address("127.0.0.1", port, timeout)

    with pytest.raises(Unavailable):
        Outbound(Ways(resolve=lambda host, port: [PUBLIC], connect=connect)).get("https://public.example/")
    thread.join()
    listener.close()
    assert names == ["public.example"]


def test_a_request_ends_with_its_time_however_slowly_it_is_answered(world: World) -> None:
    with pytest.raises(Unavailable):
        world.door().get("http://public.example/", bounds=Bounds(seconds=0))
    assert world.attempts == []


def test_ports_that_are_not_the_webs_own_are_for_hosts_that_are_named(world: World, server: Server) -> None:
    for port in (22, 25, 6379, 5432):
        with pytest.raises(OutboundRefused):
            world.door().get(f"http://public.example:{port}/")
    assert world.attempts == []
    world.allowed = Allowed.parse("public.example")
    assert world.door().get("http://public.example:5000/").body == b"hello"
    assert server.asked[-1].headers["host"] == "public.example:5000"


@pytest.mark.parametrize("text", ["300.1.1.1", "10.0.0.1/8", "http://x.example", "a b", "*.example", "0x7f.1"])
def test_a_setting_that_is_no_host_and_no_network_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadConfig) as refused:
        Outbound.of(Settings(outbound_allow=text))
    assert refused.value.field == "outbound_allow"


def test_a_plain_url_is_read_as_it_is_written() -> None:
    for text, read in (
        ("HTTPS://Docs.Example:443/a%20b?q=1&r#x", "https://docs.example/a%20b?q=1&r"),
        ("http://example?x", "http://example/?x"),
        ("http://[2606:4700:0::1]:8080/", "http://[2606:4700::1]:8080/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
    ):
        assert str(parse_url(text)) == read
