"""A web site on loopback whose pages a test writes, and connectors that may read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.outbound.serving import Asked, Reply, Server, serving
from vouch.core.types import Change, Checkpoint, Refused, Unreached, Upsert
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound

ALLOWED = Outbound(Ways(Allowed.parse("127.0.0.1")))


def page(*links: str, head: str = "", text: str = "") -> Reply:
    body = f"<html><head>{head}</head><body>{text}{''.join(f'<a href={link!r}>x</a>' for link in links)}</body></html>"
    return Reply(200, body.encode(), {"Content-Type": "text/html; charset=utf-8"})


@dataclass
class Site:
    """``pages`` by path. A page with ``tagged`` set has an ETag, and answers 304 to who has it."""

    server: Server
    pages: dict[str, Reply]
    tagged: bool = False
    statuses: list[tuple[str, int]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.server.url}{path}"

    def connector(self, **config: Any) -> Connector:
        given = {"start": [self.url("/")], "delay_s": 0, "access": [{"allow": ["group:hr"]}], **config}
        return make_connector("web", given, ALLOWED)

    def scan(self, cursor: Any = None, **config: Any) -> Seen:
        self.server.asked.clear()
        self.statuses.clear()
        return Seen(self, list(self.connector(**config).scan(cursor)))

    def answer(self, asked: Asked) -> Reply:
        reply = self.pages.get(asked.path, Reply(404))
        if self.tagged and reply.status == 200:
            tag = f'"{sha256(reply.body).hexdigest()[:8]}"'
            headers = {**reply.headers, "ETag": tag}
            same = asked.headers.get("if-none-match") == tag
            reply = Reply(304, b"", headers) if same else Reply(200, reply.body, headers, reply.declared)
        self.statuses.append((asked.path, reply.status))
        return reply


@dataclass
class Seen:
    """What a scan told, by path."""

    site: Site
    changes: list[Change]

    def _paths(self, kind: type[Any]) -> list[str]:
        return [c.external_id.removeprefix(self.site.server.url) for c in self.changes if isinstance(c, kind)]

    @property
    def documents(self) -> list[str]:
        return sorted(self._paths(Upsert))

    @property
    def unreached(self) -> list[str]:
        return sorted(self._paths(Unreached))

    @property
    def refused(self) -> dict[str, str]:
        told = [c for c in self.changes if isinstance(c, Refused)]
        return dict(zip(self._paths(Refused), [c.reason for c in told], strict=True))

    @property
    def cursor(self) -> Any:
        last = self.changes[-1]
        assert isinstance(last, Checkpoint)
        return last.cursor

    def fingerprint(self, path: str) -> str:
        return next(
            c.fingerprint for c in self.changes if isinstance(c, Upsert) and c.external_id == self.site.url(path)
        )


@contextmanager
def site(pages: Mapping[str, Reply]) -> Iterator[Site]:
    """Serve ``pages`` while the block lasts."""
    made: list[Site] = []
    with serving(lambda asked: made[0].answer(asked)) as server:
        made.append(Site(server, dict(pages)))
        yield made[0]
