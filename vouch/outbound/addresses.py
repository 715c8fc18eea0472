"""Which IP addresses may be connected to: public ones, and what the operator names.

Ranges are refused by what IANA's special-purpose registries say of them, and in IPv6 everything that is not global
unicast. An address that carries an IPv4 address inside is judged by that one too, or refused as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from vouch.core.errors import BadConfig

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
_METADATA = frozenset(
    map(
        ip_address,
        (
            "100.100.100.200",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
        ),
    )
)
"""What clouds hand credentials out at. Never reached, whatever is allowed."""
_NEVER = tuple(map(ip_network, ("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8")))
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""Where the name of an intranet's host may lead; to loopback or link-local only where that is allowed as a network."""
NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""How browsers, and the C library with them, tell an IPv4 address in any notation from a name."""


def is_public(address: Address) -> bool:
    """Whether ``address`` is one of the Internet's own, and carries none inside that is not."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
        if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP and not is_public(IPv4Address(int(address) & 0xFFFFFFFF)):
            return False
    return address not in _METADATA and not any(address in network for network in _SPECIAL)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached although it is not public: ``networks`` by address, ``names`` by the host that is asked."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Read ``VOUCH_OUTBOUND_ALLOW``. Raises :class:`BadConfig` naming the entry."""
        networks: list[Network] = []
        names: set[str] = set()
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ip_network(entry))
            except ValueError:
                if ENDS_IN_NUMBER.fullmatch(entry) or not NAME.fullmatch(entry):
                    said = f"{entry!r} is no network such as 10.20.0.0/16 and no host such as intranet.example"
                    raise BadConfig(said, field="outbound_allow") from None
                names.add(entry)
        return cls(tuple(networks), frozenset(names))

    def permits(self, host: str, address: Address) -> bool:
        """Whether a connection to ``address`` may be made for ``host``."""
        if is_public(address):
            return True
        if address in _METADATA or getattr(address, "scope_id", None) is not None:
            return False
        if any(address in network for network in _NEVER):
            return False
        return self.names_host(host, address)

    def names_host(self, host: str, address: Address) -> bool:
        """Whether the operator named this host, by its name or by its address."""
        if any(address in network for network in self.networks):
            return True
        private = is_public(address) or any(address in network for network in _PRIVATE)
        return host in self.names and private


NOTHING = Allowed()
