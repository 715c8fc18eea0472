"""Content-addressed blobs through fsspec: the same bytes are stored once, and a name proves its content."""

from __future__ import annotations

import fsspec
import sqlalchemy as sa
from sqlmodel import Session

from vouch.core.errors import Unavailable
from vouch.core.ids import new_id, sha256

_LOCK = 0x626C6F6273  # "blobs"


class Blobs:
    """A folder (or bucket) of blobs named by their SHA-256. ``url`` is any fsspec URL or a local path."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url)
        self._fs.makedirs(self._root, exist_ok=True)

    def put(self, tenant: str, data: bytes) -> str:
        """Store and return the digest. Writing twice is harmless; a reader never sees half a blob."""
        digest = sha256(data)
        path = self._path(tenant, digest)
        if not self._fs.exists(path):
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            part = f"{path}.{new_id()}.part"
            self._fs.pipe_file(part, data)
            self._fs.mv(part, path)
        return digest

    def get(self, tenant: str, digest: str) -> bytes:
        """The bytes. Raises :class:`Unavailable` when they are missing or not what their name says."""
        try:
            data: bytes = self._fs.cat_file(self._path(tenant, digest))
        except FileNotFoundError as error:
            raise Unavailable(f"Blob {digest[:12]} is missing.") from error
        if sha256(data) != digest:
            raise Unavailable(f"Blob {digest[:12]} is damaged.")
        return data

    def list(self, tenant: str) -> list[str]:
        """Digests of everything stored for the tenant."""
        root = f"{self._root}/{tenant}"
        if not self._fs.exists(root):
            return []
        return [path.rsplit("/", 1)[1] for path in self._fs.find(root) if not path.endswith(".part")]

    @staticmethod
    def lock(session: Session, *, alone: bool = False) -> None:
        """Held to the end of the transaction: shared by those who store and name blobs, alone by who removes them."""
        mode = "" if alone else "_shared"
        session.execute(sa.text(f"SELECT pg_advisory_xact_lock{mode}(:key)"), {"key": _LOCK})

    def delete(self, tenant: str, digest: str) -> None:
        """Remove; a blob that is already gone is fine."""
        path = self._path(tenant, digest)
        if self._fs.exists(path):
            self._fs.rm_file(path)

    def _path(self, tenant: str, digest: str) -> str:
        return f"{self._root}/{tenant}/{digest[:2]}/{digest}"
