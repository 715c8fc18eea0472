"""The heads of the audit chains, written down where who writes the database does not write.

A head is the number and the seal of a chain's last entry. It stands for everything before it: a chain that was cut,
rewritten or begun anew no longer has that seal at that number.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlmodel import Session

from vouch.catalog.audit import CHAINS
from vouch.core import clock
from vouch.core.clock import rfc3339
from vouch.core.errors import InvalidInput

_HEADS = "SELECT tenant_id, chain, seq, mac FROM audit_head{} ORDER BY tenant_id, chain FOR SHARE"
_OF_ALL, _OF_ONE = sa.text(_HEADS.format("")), sa.text(_HEADS.format(" WHERE tenant_id = :tenant"))


@dataclass(frozen=True, slots=True)
class Head:
    """Entry ``seq`` of ``chain`` is the last and has the seal ``mac``, as of ``at``."""

    tenant: str
    chain: str
    seq: int
    mac: str
    at: datetime


def heads(session: Session, tenant: str | None = None) -> list[Head]:
    """The heads of a tenant (None: of all). They are to be given out only once the transaction has committed.

    The rows are locked for a moment. That makes the commit write, and so wait for the disk, and what lies before it
    in PostgreSQL's journal is then on disk too: no crash can take back an entry that a head was given out for.
    """
    session.execute(sa.text("SET LOCAL synchronous_commit = on"))
    found = session.execute(_OF_ALL) if tenant is None else session.execute(_OF_ONE, {"tenant": tenant})
    at = clock.now()
    return [Head(row.tenant_id, row.chain, row.seq, row.mac, at) for row in found]


class HeadsFile:
    """`heads.jsonl`: a line per head, only ever added to, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: dict[tuple[str, str], int] = {}

    def append(self, heads: Iterable[Head]) -> int:
        """Write down those that moved since this object last did. Returns how many; they are on disk then."""
        moved = [head for head in heads if self._written.get((head.tenant, head.chain)) != head.seq]
        if moved:
            self._write("".join(json.dumps({**asdict(head), "at": rfc3339(head.at)}) + "\n" for head in moved))
            self._written.update({(head.tenant, head.chain): head.seq for head in moved})
        return len(moved)

    def _write(self, lines: str) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _drop_torn_line(descriptor)
            with os.fdopen(descriptor, "a", closefd=False) as file:
                file.write(lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def of(self, tenant: str) -> Iterator[Head]:
        """The tenant's heads up to this moment, in the order they were written; none where there is no file.

        They are read as they are needed, which raises :class:`InvalidInput` with ``line`` at the first that is no head.
        """
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return iter(())
        return _read(file, os.fstat(file.fileno()).st_size, tenant)


def _read(file: BinaryIO, end: int, tenant: str) -> Iterator[Head]:
    with file:
        for number, line in enumerate(file, 1):
            end -= len(line)
            if end < 0 or not line.endswith(b"\n"):
                return  # written since, or not to its end
            if (head := _head(line, number)).tenant == tenant:
                yield head


def _head(line: bytes, number: int) -> Head:
    try:
        found = json.loads(line)
        head = Head(
            found["tenant"],
            found["chain"],
            int(found["seq"]),
            found["mac"],
            clock.utc(datetime.fromisoformat(found["at"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"line {number} is not a head of the audit log", line=number) from error
    if head.chain not in CHAINS or head.seq < 1:
        raise InvalidInput(f"line {number} is not a head of the audit log", line=number)
    return head


def _drop_torn_line(descriptor: int) -> None:
    """A power cut may have left the last line unfinished; it was never acknowledged, and must not join the next."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 4096, max(0, size - 4096))
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(descriptor, size - len(tail) + tail.rfind(b"\n") + 1)
