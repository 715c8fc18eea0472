"""What lies on disk, and an index opened on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.index.world import ALICE, point
from vouch.core.errors import AlreadyRunning, IndexUnavailable
from vouch.core.types import SearchFilter
from vouch.index import compact
from vouch.index.edge import EdgeIndex
from vouch.index.protocol import RemoveVersions, UpsertPoints


def test_a_second_open_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first = EdgeIndex(tmp_path, "g1")
    with pytest.raises(AlreadyRunning):
        EdgeIndex(tmp_path, "g1")
    first.close()
    EdgeIndex(tmp_path, "g1").close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"generation": "g1", "unknown": 1}', '{"generation": "other"}'])
def test_a_manifest_that_is_damaged_or_anothers_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    for _ in range(2):  # refusing gives the lock back
        with pytest.raises(IndexUnavailable):
            EdgeIndex(tmp_path, "g1")


def test_a_missing_shard_is_unavailable_not_empty(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, "g1")
    index.apply([UpsertPoints((point("a"),))], upto=5)
    index.close()
    (tmp_path / "shard-1").rename(tmp_path / "elsewhere")
    with pytest.raises(IndexUnavailable):
        EdgeIndex(tmp_path, "g1")


def test_the_number_recorded_is_on_disk(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, "g1")
    index.apply([UpsertPoints((point("a"),))], upto=5)
    assert json.loads((tmp_path / "manifest.json").read_text())["applied_seq"] == 5
    index.close()


def test_compaction_in_process(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, "g1")
    points = tuple(point(f"d{n // 100}", f"term{n}", ordinal=n % 100) for n in range(1500))
    index.apply([UpsertPoints(points), *(RemoveVersions("acme", f"d{n}") for n in range(1, 13))], upto=1)
    before = [stored for page in index.scan() for stored in page]
    assert index.maintain() is True
    assert [stored for page in index.scan() for stored in page] == before
    assert index.count(ALICE, SearchFilter()) == 300
    assert index.maintain() is False
    index.close()
    reopened = EdgeIndex(tmp_path, "g1")
    assert [stored for page in reopened.scan() for stored in page] == before
    reopened.close()


def test_a_compaction_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    index = EdgeIndex(tmp_path, "g1")
    points = tuple(point(f"d{n // 100}", ordinal=n % 100) for n in range(1500))
    index.apply([UpsertPoints(points), *(RemoveVersions("acme", f"d{n}") for n in range(12))], upto=1)
    (tmp_path / "shard-2").write_text("in the way")
    with pytest.raises(IndexUnavailable):
        index.maintain()
    assert index.count(ALICE, SearchFilter()) == 300
    (tmp_path / "shard-2").unlink()
    assert index.maintain() is True
    index.close()


def test_copying_keeps_content_and_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    with (source / "deep" / "sparse").open("wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    (source / "small").write_bytes(b"plain")
    (source / "empty").write_bytes(b"")
    compact.copy_shard(source, target)
    for name in ("deep/sparse", "small", "empty"):
        assert (target / name).read_bytes() == (source / name).read_bytes()
    assert (target / "deep" / "sparse").stat().st_blocks * 512 < 1 << 20
