"""No URL, no name and no redirect leads to a blocked range: proved by writing down every connection attempted."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.outbound import hostile
from tests.outbound.recording import PUBLIC, World
from tests.outbound.serving import Asked, Reply, Server, serving
from vouch.core.errors import OutboundRefused, Unavailable
from vouch.outbound.addresses import Allowed, is_public
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound

ADDRESSES = hostile.addresses()
DIRECT = [*map(hostile.url_of, ADDRESSES)]
ODD = [f"http://{host}/" for v4 in hostile.WRAPPED for host in hostile.odd_forms(v4)]
CONFUSING = [url for v4 in hostile.WRAPPED[:4] for url in hostile.confusing(v4)]
CASES = list(dict.fromkeys((*DIRECT, *ODD, *CONFUSING, *hostile.OTHERS)))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    def script(asked: Asked) -> Reply:
        target = _targets.get(asked.path)
        if target is None:
            return Reply(200, b"here")
        return Reply(302, b"", {"Location": target.encode().decode("latin-1")})

    with serving(script) as found:
        yield found


_targets = {f"/{n}": url for n, url in enumerate(CASES)}


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 300


@pytest.mark.parametrize("url", CASES, ids=ascii)
def test_a_hostile_url_is_refused_and_nothing_is_connected_to(url: str) -> None:
    # A lenient name server: whatever it is asked for, it is loopback.
    world = World()
    world.resolve = lambda host, port: (world.asked.append(host), ["127.0.0.1"])[1] if _is_name(host) else [host]  # type: ignore[method-assign]
    with pytest.raises(OutboundRefused):
        world.door().get(url)
    assert world.attempts == []


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def test_a_redirect_to_any_of_them_connects_to_the_public_host_alone(server: Server) -> None:
    refused = 0
    for n, url in enumerate(CASES):
        world = World({"public.example": [[PUBLIC]]}, server.port)
        try:
            answer = world.door().get(f"http://public.example/{n}")
        except (OutboundRefused, Unavailable) as error:  # the latter where its line break ends the header
            refused += 1
            assert isinstance(error, OutboundRefused) or "\n" in url, ascii(url)
        else:  # seen from a page, some of them are a path on the page's own host
            assert answer.url.host == "public.example", ascii(url)
        assert {address for address, _ in world.attempts} == {PUBLIC}, ascii(url)
    assert refused >= 250


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_that_leads_there_is_refused_also_beside_a_public_address(address: str) -> None:
    for answer in ([address], [PUBLIC, address], [address, PUBLIC]):
        world = World({"trap.example": [answer]})
        with pytest.raises(OutboundRefused):
            world.door().get("https://trap.example/")
        assert world.attempts == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_that_changes_its_answer_is_asked_once_and_that_answer_is_used(address: str, server: Server) -> None:
    world = World({"rebinding.example": [[PUBLIC], [address]]}, server.port)
    assert world.door().get("http://rebinding.example/").body == b"here"
    assert world.asked == ["rebinding.example"]
    assert world.attempts == [(PUBLIC, 80)]
    with pytest.raises(OutboundRefused):  # each request judges anew: no connection is kept from the first
        world.door().get("http://rebinding.example/")
    assert world.attempts == [(PUBLIC, 80)]


def test_a_redirect_to_a_name_that_leads_there_is_refused(server: Server) -> None:
    _targets["/inside"] = "http://inside.example/"
    for address in ADDRESSES:
        world = World({"public.example": [[PUBLIC]], "inside.example": [[address]]}, server.port)
        with pytest.raises(OutboundRefused):
            world.door().get("http://public.example/inside")
        assert world.attempts == [(PUBLIC, 80)], address


def test_the_internet_itself_is_public() -> None:
    for address in (
        PUBLIC, "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1",
        "198.17.0.1", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::64", "64:ff9b::808:808",
    ):  # fmt: skip
        assert is_public(ip_address(address)), address


def test_loopback_is_refused_on_a_real_socket_until_it_is_named(server: Server) -> None:
    before = len(server.asked)
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(OutboundRefused):
            Outbound().get(f"http://{host}:{server.port}/")
    assert len(server.asked) == before
    door = Outbound(Ways(Allowed.parse("127.0.0.0/8")))
    assert door.get(f"http://127.0.0.1:{server.port}/").body == b"here"


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1", "::", "ff02::1"])
def test_some_are_never_reached_whatever_is_allowed(address: str) -> None:
    everything = Allowed.parse("0.0.0.0/0, ::/0, trap.example")
    world = World({"trap.example": [[address]]}, allowed=everything)
    for url in ("http://trap.example/", hostile.url_of(address)):
        with pytest.raises(OutboundRefused):
            world.door().get(url)
    assert world.attempts == []


def test_a_named_host_leads_to_private_addresses_and_neither_to_loopback_nor_link_local() -> None:
    allowed = Allowed.parse("intranet.example")
    for address in ("10.1.2.3", "fd12::1"):
        assert allowed.permits("intranet.example", ip_address(address))
        assert not allowed.permits("other.example", ip_address(address))
        assert not allowed.permits("sub.intranet.example", ip_address(address))
    for address in ("127.0.0.1", "169.254.1.1", "::1", "fe80::1", "::ffff:10.1.2.3"):
        assert not allowed.permits("intranet.example", ip_address(address))
