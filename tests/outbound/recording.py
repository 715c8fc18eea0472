"""Means of reaching out that remember every attempt: resolvers that tell stories, connections that are written down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat

import httpcore

from vouch.outbound.addresses import NOTHING, Allowed
from vouch.outbound.connect import Ways, connect_address
from vouch.outbound.door import Outbound

PUBLIC = "93.184.215.14"
"""Stands for the Internet: what is connected to it reaches the test's own server instead."""


@dataclass
class World:
    """``names``: the answers of the name server, one after the other; the last is repeated. ``server``: the port on
    loopback that answers for :data:`PUBLIC`. ``attempts``: every connection, before it was made."""

    names: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    server: int | None = None
    allowed: Allowed = NOTHING
    attempts: list[tuple[str, int]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _answers: dict[str, Iterator[Sequence[str]]] = field(default_factory=dict)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.names:
            return [host]  # an address: the system's resolver gives it back
        if host not in self._answers:
            told = self.names[host]
            self._answers[host] = chain(told, repeat(told[-1]))
        return next(self._answers[host])

    def connect(self, address: str, port: int, timeout: float) -> httpcore.NetworkStream:
        self.attempts.append((address, port))
        if address == PUBLIC and self.server is not None:
            return connect_address("127.0.0.1", self.server, timeout)
        raise httpcore.ConnectError("nobody is there")

    def door(self) -> Outbound:
        return Outbound(Ways(self.allowed, self.resolve, self.connect))
