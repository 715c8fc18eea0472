"""A git repository on a web server, read as it is now: git's own protocol over HTTP, through the platform's one door.

Two requests are all of it: what the repository is at, and a pack of that one commit without its history. The protocol
is the first one, of which every server knows enough; no client of git's is used, for it would open connections of its
own, to wherever the server sends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.forge.packs import Pack
from connectors.rest import Rest
from vouch.core.errors import PayloadTooLarge, SourceRefuses, Unavailable
from vouch.outbound.door import Answer, Bounds

_MAX_REFS = 8 << 20
_PATIENCE_S = 300.0
_UNPACKS = 4
"""How many times the bytes that are sent they may unpack to: text does to three or four times, pictures do not."""
_SIDE_BAND = b"side-band-64k"
_WANTED = (_SIDE_BAND, b"thin-pack", b"ofs-delta", b"no-progress")
_SIZE = re.compile(rb"[0-9a-f]{4}")
_REF = re.compile(rb"([0-9a-f]{40}) ([^\0\n]+)(?:\0([^\n]*))?\n?")


@dataclass(frozen=True, slots=True)
class Tip:
    """What a repository is at. ``knows``: what its server can do."""

    commit: str
    knows: frozenset[bytes]

    @property
    def filters(self) -> bool:
        """Whether files can be left out of a pack."""
        return b"filter" in self.knows


class Remote:
    """The repository at ``path`` of a web server."""

    def __init__(self, rest: Rest, path: str) -> None:
        self._rest, self._path = rest, path

    def tip(self) -> Tip | None:
        """None where nothing was ever committed. Raises as :meth:`Rest.get`; :class:`NotFound` where there is no
        repository."""
        return self._rest.exchange(
            "GET", f"{self._path}/info/refs?service=git-upload-pack", Bounds(_MAX_REFS, redirects=0), _tip
        )

    def pack(self, tip: Tip, leave_out: str, most: int) -> Pack:
        """What the commit holds, without files that ``leave_out`` says (as ``git fetch --filter``), where the server
        can do that. Raises :class:`PayloadTooLarge` for more than ``most`` bytes, and as :class:`Pack`."""
        if _SIDE_BAND not in tip.knows:
            raise SourceRefuses(f"{self._rest.base.host} does not speak git as it is spoken here.")
        asked = [name for name in _WANTED if name in tip.knows]
        lines = [f"want {tip.commit} ".encode() + b" ".join([*asked, b"filter"] if tip.filters else asked)]
        if tip.filters:
            lines.append(f"filter {leave_out}".encode())
        lines.append(b"deepen 1")
        content = b"".join(_packet(line + b"\n") for line in lines) + b"0000" + _packet(b"done\n")
        host = self._rest.base.host

        def read(answer: Answer) -> Pack:
            data = _sent(answer)
            if len(data) > most:
                raise PayloadTooLarge(f"The pack is larger than {most:,} bytes.")
            return Pack(data, host, most * _UNPACKS)

        headers = {"content-type": "application/x-git-upload-pack-request"}
        bounds = Bounds(most + most // 64 + (1 << 20), seconds=_PATIENCE_S, redirects=0)
        return self._rest.exchange(
            "POST", f"{self._path}/git-upload-pack", bounds, read, headers=headers, content=content
        )


def _tip(answer: Answer) -> Tip | None:
    _require(answer, "advertisement")
    head: str | None = None
    knows: frozenset[bytes] = frozenset()
    first, *lines = [*_packets(answer)] or [None]
    if (first or b"").rstrip() != b"# service=git-upload-pack" or lines[:1] != [None] or lines[1:][-1:] != [None]:
        # What misses its end may miss what the repository is at, and so look as if there were nothing in it.
        raise Unavailable(f"{answer.url.host} answered with something else than git does, or a part of it.")
    for n, line in enumerate(lines[1:-1]):
        ref = _REF.fullmatch(line or b"")
        if n == 0 and ref is not None:
            knows = frozenset((ref[3] or b"").split())
        if ref is not None and ref[2] == b"HEAD":
            head = ref[1].decode()
    if any(known.startswith(b"object-format=") and known != b"object-format=sha1" for known in knows):
        raise SourceRefuses(f"{answer.url.host} names what is in the repository in a way that is not read.")
    return None if head is None else Tip(head, knows)


def _sent(answer: Answer) -> bytearray:
    """The pack in an answer. Raises :class:`Unavailable` where it is not whole: a repository that has moved on since
    says so in the same place."""
    _require(answer, "result")
    data, began = bytearray(), False
    for line in _packets(answer):
        if not began:
            began = line is not None and line.startswith(b"NAK")
        elif line is None:
            return data
        elif line[:1] == b"\1":
            data += line[1:]
        elif line[:1] != b"\2":  # what it says while it works
            break
    raise Unavailable(f"{answer.url.host} did not send what is in the repository.")


def _packets(answer: Answer) -> Iterator[bytes | None]:
    """The lines of git's protocol; None ends a part. Raises :class:`Unavailable` for what is none."""
    at, body = 0, answer.body
    while at < len(body):
        said = body[at : at + 4]
        size = int(said, 16) if _SIZE.fullmatch(said) else 1
        if size in (1, 2, 3) or at + size > len(body):
            raise Unavailable(f"{answer.url.host} answered with something else than git does.")
        yield body[at + 4 : at + size] if size else None
        at += size or 4


def _packet(line: bytes) -> bytes:
    return f"{len(line) + 4:04x}".encode() + line


def _require(answer: Answer, what: str) -> None:
    """Raises :class:`Unavailable` for a page of a web site in the place of git."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind != f"application/x-git-upload-pack-{what}":
        raise Unavailable(f"{answer.url.host} answered with something else than git does.")
