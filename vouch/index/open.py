"""Which index the settings mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vouch.core.settings import Settings
from vouch.index.protocol import Index
from vouch.index.remote import RemoteIndex

if TYPE_CHECKING:
    from vouch.index.qdrant import QdrantIndex


def index_socket(settings: Settings) -> Path:
    """Where the embedded index host listens."""
    return settings.sockets / "index.sock"


def open_index(settings: Settings, generation: str) -> Index:
    """``generation`` on the Qdrant server of the settings, else in the embedded index host.

    Nothing embedded is connected before the first call. Raises :class:`IndexUnavailable` when the server does not
    answer or is too old to keep hidden documents out of the statistics.
    """
    return _open(settings, generation)


def drop_index(settings: Settings, generation: str) -> bool:
    """Remove a retired generation and all its points; False when there was none."""
    index = _open(settings, generation)
    try:
        return index.drop()
    finally:
        index.close()


def _open(settings: Settings, generation: str) -> RemoteIndex | QdrantIndex:
    if settings.qdrant_url is None:
        return RemoteIndex(index_socket(settings), generation)
    # Imported where it is used: it takes a second and 60 MB, which an embedded platform need not spend.
    from vouch.index.qdrant import QdrantIndex, connect

    key = settings.qdrant_api_key
    return QdrantIndex(connect(settings.qdrant_url, key.get_secret_value() if key else None), generation)
