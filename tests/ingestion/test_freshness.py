"""Where a document's ages come from, and since when a source cannot be read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from ingestion.push import Pushed, push
from ingestion.schemas import SourcePatch
from ingestion.sources import change, find_source, shown
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.freshness import FACTS, REVIEWED, facts
from vouch.catalog.tables import Source
from vouch.core.types import Body

DAY = 86_400
RULES = """
access: {allow: [group:staff]}
review_every: 90d
expire_after: 900d
files:
  own.md: {review_every: 30d, stale_after: 60d}
"""
KEPT = dict.fromkeys(("due", "stale", "expired", "source_gone"), "keep")
Ages = tuple[int | None, int | None, int | None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "rules" / "below").mkdir(parents=True)
    (root / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    (root / "rules" / ".vouch.yaml").write_text(RULES)
    for name in ("plain.md", "rules/own.md", "rules/folder.md", "rules/below/deep.md"):
        (root / name).write_text("The jetty opens at ten.")
    return root


def _ages(walk: Walk) -> dict[str, Ages]:
    """In days, as they hold now."""
    query = f"SELECT d.external_id, {FACTS} FROM document d JOIN source s ON s.id = d.source_id {REVIEWED}"
    with walk.services.catalog.reading(ACROSS_TENANTS) as session:
        found = {row.external_id: facts(row) for row in session.execute(sa.text(query))}

    def days(seconds: int | None) -> int | None:
        return None if seconds is None else seconds // DAY

    return {
        name: (days(one.review_every_s), days(one.stale_after_s), days(one.expire_after_s))
        for name, one in found.items()
    }


def _patch(walk: Walk, source: Source, **freshness: Any) -> Any:
    with walk.services.catalog.transaction(TENANT) as session:
        found = find_source(session, TENANT, source.id, lock=True)
        change(session, found, SourcePatch.model_validate({"freshness": freshness}), actor="test")
        session.flush()
        return shown(session, found)["freshness"]


def test_a_file_before_its_folder_before_its_source(walk: Walk, folder: Path) -> None:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    by_rules: dict[str, Ages] = {
        "rules/own.md": (30, 60, 900), "rules/folder.md": (90, None, 900), "rules/below/deep.md": (90, None, 900)
    }  # fmt: skip
    assert _ages(walk) == {"plain.md": (None, None, None), **by_rules}
    told = _patch(walk, source, review_every="10d", stale_after="20d", expire_after="40d")
    assert told == {"review_every": "10d", "stale_after": "20d", "expire_after": "40d", "in_search": KEPT}
    # The source's hold at once, and where nothing nearer is said.
    assert _ages(walk) == {
        "plain.md": (10, 20, 40), "rules/own.md": (30, 60, 900), "rules/folder.md": (90, 20, 900),
        "rules/below/deep.md": (90, 20, 900),
    }  # fmt: skip
    (folder / "rules" / ".vouch.yaml").write_text("access: {allow: [group:staff]}\n")
    walk.sync(source, "access")
    assert set(_ages(walk).values()) == {(10, 20, 40)}


def test_what_is_pushed_has_the_ages_of_its_source_as_they_are_now(walk: Walk) -> None:
    source = walk.add_source("notes", "push")
    push(walk.services, source, Pushed("a.md", Body(b"The jetty opens at ten.", "text/markdown")), actor="test")
    walk.drain()
    assert _ages(walk) == {"a.md": (None, None, None)}
    _patch(walk, source, expire_after="40d")
    assert _ages(walk) == {"a.md": (None, None, 40)}
    with pytest.raises(ValidationError):
        _patch(walk, source, expires="40d")


def test_what_search_does_is_part_of_the_policy_and_kept_where_it_is_not_said(walk: Walk) -> None:
    source = walk.add_source("notes", "push")
    told = {"stale": "demote", "expired": "drop", "due": "keep"}
    assert _patch(walk, source, stale_after="20d", in_search=told)["in_search"] == KEPT | told
    assert walk.scalar("SELECT in_search FROM source") == {"stale": "demote", "expired": "drop"}
    assert _patch(walk, source, stale_after="20d")["in_search"] == KEPT
    assert walk.scalar("SELECT in_search FROM source") == {}


def test_a_source_that_cannot_be_read_is_known_since_when_until_it_can_again(walk: Walk, folder: Path) -> None:
    since = "SELECT failing_since FROM source"
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    assert walk.scalar(since) is None
    away = folder.with_name("away")
    shutil.move(folder, away)
    walk.sync(source)
    first = walk.scalar(since)
    assert first is not None
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now()"))
    walk.drain()
    assert walk.scalar(since) == first  # since it began, not since it was last tried
    shutil.move(away, folder)
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE stage SET not_before = now()"))
    walk.drain()
    walk.sync(source)
    assert walk.scalar(since) is None
