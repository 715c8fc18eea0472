"""Points, askers and hosts for the tests of the index."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vouch.core.types import ANYONE, AccessFilter, AccessPayload, Point, SparseVector, Vector
from vouch.index.lexical import document_vector
from vouch.index.remote import RemoteIndex

DIMENSIONS = 8


def unit(seed: int, dimensions: int = DIMENSIONS) -> Vector:
    vector = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def readers(*slots: Sequence[str], deny: Sequence[str] = ()) -> AccessPayload:
    """One clause per argument, the unused slots filled; no argument: nobody."""
    filled = [tuple(slot) for slot in slots] or [()]
    return AccessPayload((*filled, *[(ANYONE,)] * (4 - len(filled))), tuple(deny))


EVERYONE = readers(["authenticated"])
NOBODY = readers()


def asker(*principals: str, tenant: str = "acme") -> AccessFilter:
    return AccessFilter(tenant, frozenset(principals), 1)


ALICE = asker("user:alice", "authenticated")


def point(
    document: str,
    text: str = "",
    *,
    tenant: str = "acme",
    version: int = 1,
    ordinal: int = 0,
    dense: Vector | None = None,
    lexical: SparseVector | None = None,
    access: AccessPayload = EVERYONE,
    **fields: str | int,
) -> Point:
    name = f"{tenant}/{document}/{version}/{ordinal}"
    defaults = {"source_id": "src", "mime": "text/plain", "language": "en", "owner": "user:carol", "modified_at": 1000}
    return Point(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
        tenant=tenant,
        document_id=document,
        version=version,
        ordinal=ordinal,
        dense=unit(uuid.uuid5(uuid.NAMESPACE_DNS, name).int % 2**32) if dense is None else dense,
        lexical=document_vector(text) if lexical is None else lexical,
        access=access,
        **{**defaults, **fields},  # type: ignore[arg-type]
    )


class HostProcess:
    """A real index host in a process of its own."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.folder, self.socket = folder, socket
        command = [sys.executable, "-m", "vouch.index.host", "--folder", str(folder), "--socket", str(socket)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline().strip()

    def client(self, generation: str = "g1") -> RemoteIndex:
        return RemoteIndex(self.socket, generation)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and what it wrote on standard error."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors
