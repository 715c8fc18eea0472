"""What is inserted by the batch is what was given, whatever it is made of."""

from __future__ import annotations

import os

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.rows import insert_rows
from vouch.catalog.tables import Chunk, Document, DocumentVersion, Source, Tenant
from vouch.catalog.vectors import keep, vectors
from vouch.core.types import Json

ODD = (
    'a "quote", \\n that is two characters,\none that is not, \t, {b,c}, :name, %s, NULL, é, 漢字, 🛶, \u2028 and \x7f'
)


@pytest.fixture
def version(catalog: Catalog) -> Catalog:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add_all([Tenant(id="t", name="T"), Tenant(id="other", name="O")])
        session.flush()
        session.add(Source(tenant_id="t", id="s", name="s", kind="push"))
        session.flush()
        session.add(Document(tenant_id="t", id="d", source_id="s", external_id="d", title="", uri=""))
        session.flush()
        session.add(DocumentVersion(tenant_id="t", document_id="d", version=1, raw="", raw_bytes=0))
    return catalog


def _row(ordinal: int, **said: object) -> Json:
    return {
        "tenant_id": "t",
        "document_id": "d",
        "version": 1,
        "chunker": "structure.v1",
        "ordinal": ordinal,
        "span_start": 0,
        "span_end": 2**31 - 1,
        "kind": "text",
        "place": ODD,
        "places": [[ODD, [[0, 1, None]]]],
        "heading_path": [ODD, "", "NULL"],
        "text": ODD,
        "text_hash": "h",
        **said,
    }


def test_rows_come_back_as_they_were_given(version: Catalog) -> None:
    rows = [_row(0), _row(1, heading_path=[], places=[], place="", text="")]
    with version.transaction("t") as session:
        insert_rows(session, Chunk, rows)
        insert_rows(session, Chunk, [_row(1, text="another")], unless_there=True)
    with version.reading("t") as session:
        found = session.execute(sa.select(Chunk).order_by(sa.text("ordinal"))).scalars()
        assert [chunk.model_dump() for chunk in found] == rows


def test_rows_of_another_tenant_are_refused(version: Catalog) -> None:
    with pytest.raises(ProgrammingError, match="row-level security"), version.transaction("other") as session:
        insert_rows(session, Chunk, [_row(0)])


def test_vectors_are_kept_once_and_byte_by_byte(version: Catalog) -> None:
    made = {f"h{n}": os.urandom(1536) for n in range(5)} | {"zeros": bytes(8), "empty": b""}
    with version.transaction("t") as session:
        keep(session, "t", "m", made)
        keep(session, "t", "m", {"h0": b"another"})
    with version.reading("t") as session:
        assert vectors(session, "m", [("t", hash_) for hash_ in made]) == {("t", key): made[key] for key in made}
