"""The hostile set through the parser process and the platform: refused with a reason, or cleaned, which is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ingestion.chunk import chunk
from ingestion.parse import REASONS, Parsed
from ingestion.parser import Parser
from tests.ingestion.conftest import Walk
from tests.ingestion.hostile import Hostile, hostile
from vouch.core.errors import DocumentRejected

SET = {f"{n:03} {file.name[:40]!r}": file for n, file in enumerate(hostile())}
_EXACT = 60
"""A text shorter than this is compared whole."""


def _words(texts: Sequence[str]) -> list[int]:
    return [1 + text.count(" ") for text in texts]


@pytest.fixture(scope="module")
def hasty() -> Iterator[Parser]:
    """A parser that gives a document one second, for those that would take all of a minute."""
    parser = Parser(cpu_s=1)
    yield parser
    parser.close()


def test_the_set_is_as_large_as_is_promised() -> None:
    assert len(SET) >= 100
    assert len({file.data for file in SET.values()}) >= 100
    assert {file.refused for file in SET.values()} <= REASONS | {""}


@pytest.mark.parametrize("which", SET)
def test_each_is_refused_for_its_reason_or_cleaned(parser: Parser, hasty: Parser, which: str) -> None:
    file = SET[which]
    try:
        answer, body = (hasty if file.slow else parser).parse(file.data, file.name)
    except DocumentRejected as refused:
        assert refused.reason == file.refused, refused.detail
        return
    assert not file.refused, answer.text[:200]
    assert answer.text.startswith(file.text)
    if len(answer.text) < _EXACT and file.note:
        assert answer.text == file.text
    assert "gnore" not in answer.text
    assert file.note == "" or file.note in answer.notes
    assert chunk(Parsed.from_json(body), _words), "what is left can be cut into chunks"


def test_the_platform_lives_on_and_neighbours_are_published(walk: Walk, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    quick = [file for file in SET.values() if _is_a_name(file) and not file.slow and len(file.data) < 10_000]
    for file in quick:
        (folder / file.name).write_bytes(file.data)
    for n in range(3):
        (folder / f"neighbour{n}.md").write_text(f"# Neighbour {n}\n\nThis page is number {n}.")
    job = walk.sync(walk.add_source(path=str(folder)))
    assert job["state"] == "succeeded"
    names = {file.name: file for file in quick}
    refused = {error["external_id"]: error for error in job["errors"]}
    assert {name: error["reason"] for name, error in refused.items()} == {
        name: file.refused for name, file in names.items() if file.refused
    }
    assert {error["attempts"] for error in refused.values()} == {1}, "what is certain is not tried again"
    assert job["counts"]["published"] == len(names) - len(refused) + 3
    assert walk.scalar("SELECT count(*) FROM document WHERE state = 'quarantined'") == len(refused)
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text ILIKE '%ignore all rules%'") == 0
    said = "SELECT count(*) FROM document_version WHERE meta->'notes' @> '[\"1 hidden element left out\"]'"
    assert walk.scalar(said) == sum(file.note == "1 hidden element left out" for file in names.values())
    assert walk.verify().clean


def _is_a_name(file: Hostile) -> bool:
    return "/" not in file.name and len(file.name) < 200 and file.name.isprintable()


def test_a_link_in_a_folder_is_not_followed(walk: Walk, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("The figure is 7.")
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    (folder / "open.md").write_text("Open words.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    job = walk.sync(walk.add_source(path=str(folder)))
    assert job["counts"]["published"] == 1
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%figure%'") == 0
