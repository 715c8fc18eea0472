"""Who is told what: which models are the organisation's own, and what becomes of each kind before any other."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal, get_args
from urllib.parse import urlsplit

from vouch.core.errors import BadConfig
from vouch.gateway.privacy.kinds import KINDS, PERSONAL, SECRETS, Kind
from vouch.outbound.addresses import NAME

Treatment = Literal["mask", "refuse", "allow"]
TREATMENTS: tuple[Treatment, ...] = get_args(Treatment)
_GROUPS: dict[str, tuple[Kind, ...]] = {"personal": PERSONAL, "secrets": SECRETS, **{kind: (kind,) for kind in KINDS}}
_LOOPBACK: tuple[IPv4Network | IPv6Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Policy:
    """Kinds that are masked, and those that are not to be sent at all. What is in neither is sent as it stands."""

    masked: frozenset[Kind]
    refused: frozenset[Kind]

    @property
    def sought(self) -> frozenset[Kind]:
        return self.masked | self.refused

    @classmethod
    def parse(cls, text: str, *, field: str) -> Policy:
        """Read ``mask, secrets=refuse, ip=allow``: a treatment of everything, then exceptions, the later ones over the
        earlier. Raises :class:`BadConfig` naming the entry."""
        treated: dict[Kind, str] = {}
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            names, equals, treatment = entry.partition("=")
            chosen = _GROUPS.get(names.strip()) if equals else KINDS
            said = treatment.strip() if equals else names
            if chosen is None or said not in TREATMENTS:
                known = f"{', '.join(TREATMENTS)} or <kind>=<one of them>, of the kinds {', '.join(_GROUPS)}"
                raise BadConfig(f"{entry!r} is not {known}", field=field)
            treated |= dict.fromkeys(chosen, said)
        if treated.keys() < set(KINDS):
            raise BadConfig(f"begin with one of {', '.join(TREATMENTS)}, for every kind that is not named", field=field)
        return cls(
            frozenset(kind for kind, said in treated.items() if said == "mask"),
            frozenset(kind for kind, said in treated.items() if said == "refuse"),
        )


def is_inside(url: str, inside: str, *, field: str) -> bool:
    """Whether the host of ``url`` is among ``inside``: ``loopback``, networks and names of hosts, comma-separated.

    A name is taken as the operator wrote it and looked up nowhere: who answers for it then is their word.
    Raises :class:`BadConfig` naming an entry that is none of the three.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    networks: list[IPv4Network | IPv6Network] = []
    names: set[str] = set()
    for entry in filter(None, (part.strip().lower() for part in inside.split(","))):
        if entry == "loopback":
            networks += _LOOPBACK
            names.add("localhost")
        elif "/" in entry or entry.replace(".", "").isdigit() or ":" in entry:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                raise BadConfig(f"{entry!r} is no network such as 10.20.0.0/16", field=field) from None
        elif NAME.fullmatch(entry):
            names.add(entry)
        else:
            raise BadConfig(f"{entry!r} is no host such as llm.intranet.example", field=field)
    try:
        address = ip_address(host)
    except ValueError:
        return host in names
    return any(address in network for network in networks)
