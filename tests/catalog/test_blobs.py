"""Blobs: named by what they hold, whole or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from vouch.catalog.blobs import Blobs
from vouch.core.errors import Unavailable
from vouch.core.ids import sha256


@pytest.fixture(params=["folder", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs") if request.param == "folder" else f"memory://{tmp_path}")


def test_round_trip_by_content(blobs: Blobs) -> None:
    digest = blobs.put("t", b"hello")
    assert digest == sha256(b"hello") == blobs.put("t", b"hello")
    assert blobs.get("t", digest) == b"hello"
    assert blobs.list("t") == [digest]


def test_tenants_do_not_share(blobs: Blobs) -> None:
    digest = blobs.put("a", b"hello")
    with pytest.raises(Unavailable):
        blobs.get("b", digest)


def test_deleting_twice_is_fine(blobs: Blobs) -> None:
    digest = blobs.put("t", b"hello")
    blobs.delete("t", digest)
    blobs.delete("t", digest)
    assert blobs.list("t") == []


def test_a_damaged_blob_is_refused(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    digest = blobs.put("t", b"hello")
    (tmp_path / "t" / digest[:2] / digest).write_bytes(b"hellO")
    with pytest.raises(Unavailable, match="damaged"):
        blobs.get("t", digest)
