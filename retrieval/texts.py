"""Whole normalised texts of document versions, each read once per question."""

from __future__ import annotations

from vouch.catalog.blobs import Blobs


class Texts:
    """Reads from the blob store, which proves every text by its digest."""

    def __init__(self, blobs: Blobs, tenant: str) -> None:
        self._blobs, self._tenant = blobs, tenant
        self._read: dict[str, str] = {}

    def of(self, digest: str) -> str:
        """Raises :class:`vouch.core.errors.Unavailable` when the text is missing or damaged."""
        if digest not in self._read:
            self._read[digest] = self._blobs.get(self._tenant, digest).decode()
        return self._read[digest]
