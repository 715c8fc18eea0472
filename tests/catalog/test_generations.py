"""Rows of index generations: what an older platform's become, and who may make one when."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ingestion.generations.recipe import recipe_by
from vouch.catalog import generations
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.migrate import migrate
from vouch.catalog.tables import IndexGeneration
from vouch.cli import first_start
from vouch.core.errors import StartFailed, Unavailable
from vouch.core.recipe import Recipe
from vouch.core.settings import Settings
from vouch.gateway.weights import packaged_folder

USUAL = Recipe("all-MiniLM-L6-v2@0.r1", "structure.v1", "title-path.v1", "english.v1", "f32.v1")


@pytest.mark.parametrize(
    ("model", "chunker"),
    [("all-MiniLM-L6-v2@12.r1", "structure.v1"), ("acme/bert@34.r1", "structure.v1@acme/bert@34.r1")],
)
def test_the_index_of_an_older_platform_is_the_first_generation(
    empty_database_url: str, model: str, chunker: str
) -> None:
    catalog = Catalog(empty_database_url)
    migrate(catalog, "0010")
    with catalog.engine.begin() as connection:
        for statement in (
            "INSERT INTO tenant (id, name, authz_epoch) VALUES ('t', 'T', 1)",
            f"INSERT INTO index_generation VALUES ('g1', '{model}', 384, 'structure.v1', 'active', 7)",
            "INSERT INTO source (tenant_id, id, name, kind, state) VALUES ('t', 's', 's', 'push', 'active')",
            "INSERT INTO document (tenant_id, id, source_id, external_id, title, uri, mime, language, state,"
            " fingerprint, last_version) VALUES ('t', 'd', 's', 'd', '', '', '', 'und', 'live', '', 1)",
            "INSERT INTO document_version (tenant_id, document_id, version, raw, raw_bytes, chunks)"
            " VALUES ('t', 'd', 1, '', 0, 1)",
            "INSERT INTO chunk (tenant_id, document_id, version, ordinal, span_start, span_end, kind, place, text,"
            " text_hash) VALUES ('t', 'd', 1, 0, 0, 1, 'text', '', 'x', 'h')",
        ):
            connection.execute(sa.text(statement))
    migrate(catalog)
    with catalog.reading(ACROSS_TENANTS) as session:
        (row,) = generations.live(session)
        assert (row.id, row.state, row.applied_seq, row.embed_model) == ("g1", "active", 7, None)
        assert generations.recipe_of(row) == Recipe(model, chunker, "title-path.v1", "english.v1", "f32.v1")
        assert session.execute(sa.text("SELECT chunker FROM chunk")).scalars().all() == [chunker]
    catalog.close()


def test_a_generation_is_not_made_while_a_version_is_handed_over(catalog: Catalog) -> None:
    """Whoever hands one over has seen every generation that there will be when it commits."""
    with catalog.transaction(ACROSS_TENANTS) as publishing:
        generations.handing_over(publishing)
        with catalog.transaction(ACROSS_TENANTS) as another:
            generations.handing_over(another)  # they do not wait for each other
        with pytest.raises(Unavailable), catalog.transaction(ACROSS_TENANTS) as making:
            making.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
            generations.create(making, USUAL, "all-MiniLM-L6-v2", 384)
    with catalog.transaction(ACROSS_TENANTS) as making:
        assert generations.create(making, USUAL, "all-MiniLM-L6-v2", 384).id == "g1"


def test_there_is_never_a_second_active_one(catalog: Catalog) -> None:
    with pytest.raises(sa.exc.IntegrityError), catalog.transaction(ACROSS_TENANTS) as session:
        for name in ("g1", "g2"):
            session.add(IndexGeneration(id=name, model="m", dimensions=3, chunker="structure.v1"))
            session.flush()


def _another_model(folder: Path) -> Path:
    """The packaged one under another name, reading half as much."""
    for path in packaged_folder().rglob("*"):
        there = folder / path.relative_to(packaged_folder())
        if path.is_dir():
            there.mkdir(parents=True)
        elif path.name != "sentence_bert_config.json":
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(path)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    return folder


def test_a_platform_starts_with_another_model_as_long_as_the_index_finds_its_own(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loaded:
        dimensions = 384

    monkeypatch.setattr(first_start, "load_embedder", lambda _: Loaded())
    folder = _another_model(tmp_path / "other")
    packaged, other = Settings(data_dir=tmp_path), Settings(data_dir=tmp_path, embed_model=str(folder))

    def started(settings: Settings) -> IndexGeneration:
        with catalog.transaction(ACROSS_TENANTS) as session:
            first_start._generation(session, settings)
        with catalog.reading(ACROSS_TENANTS) as session:
            (row,) = generations.live(session)
            return row

    first = started(other)
    assert (first.id, first.state) == ("g1", "active") and generations.recipe_of(first) == recipe_by(other)
    assert first.chunker == f"structure.v1@{first.model}" and first.model.startswith("other@")
    changed = started(packaged)
    assert (changed.model, changed.embed_model) == (first.model, str(folder))
    assert generations.recipe_of(changed).differs(recipe_by(packaged)) == ("model", "chunker")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')  # its vectors would be others
    with pytest.raises(StartFailed, match="VOUCH_EMBED_MODEL"):
        started(packaged)
