"""A small company for the tests of retrieval: written straight into the catalog and projected into a real index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.dialects.postgresql import insert

from acl import directory
from acl.assign import assign
from acl.caller import Asker
from acl.compile import compile_payload
from acl.keys import create_key
from retrieval.api import create_app
from retrieval.cache import QueryVectors
from retrieval.services import Services
from tests.applications import lent
from vouch.catalog import outbox
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Chunk, Document, DocumentVersion, Embedding, IndexGeneration, Source, Tenant
from vouch.core import clock
from vouch.core.context import in_context
from vouch.core.ids import new_id, sha256
from vouch.core.settings import Settings
from vouch.core.types import Clause, Json
from vouch.gateway.embed import Embedder
from vouch.gateway.gateway import Gateway
from vouch.gateway.rerank import LexicalReranker
from vouch.index.edge import EdgeIndex
from vouch.index.lexical import LEXICAL
from vouch.index.projector import Projector

TENANT = "acme"
SECRET = "a-secret-for-the-tests-of-retrieval-alone"
EVERYONE = ("authenticated",)


@dataclass
class World:
    """``services`` may be replaced (another reranker, a chat model); ``client`` then serves the new ones."""

    services: Services
    projector: Projector
    app: FastAPI
    keys: dict[tuple[str, ...], str] = field(default_factory=dict)
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.app.state = create_app(self.services).state
        self.client = TestClient(self.app)

    def use(self, **parts: Any) -> None:
        self.services = replace(self.services, **parts)
        self.app.state = create_app(self.services).state

    @property
    def catalog(self) -> Catalog:
        return self.services.catalog

    # --- who -----------------------------------------------------------------------------------

    def asker(self, name: str) -> Asker:
        return Asker(TENANT, f"user:{name}", "key")

    def member(self, group: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            directory.change_members(session, TENANT, f"group:{group}", add=add, remove=remove, actor="test")

    def headers(self, user: str | None, *scopes: str) -> dict[str, str]:
        scopes = scopes or ("ask", "act_as")
        if scopes not in self.keys:
            with self.catalog.transaction(ACROSS_TENANTS) as session:
                self.keys[scopes] = create_key(session, SECRET, TENANT, name="test", scopes=scopes, actor="test").secret
        headers = {"Authorization": f"Bearer {self.keys[scopes]}"}
        return headers | ({"X-Vouch-As": f"user:{user}"} if user else {})

    # --- what ----------------------------------------------------------------------------------

    def source(self, name: str, **fields: Any) -> str:
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Source(tenant_id=TENANT, id=name, name=name, kind="push", **fields))
        return name

    def document(
        self,
        title: str,
        text: str,
        *,
        allow: Sequence[str] | None = EVERYONE,
        source: str = "docs",
        modified_at: datetime | None = None,
        supersedes: Sequence[str] = (),
        document_id: str | None = None,
        owner: str | None = None,
        project: bool = True,
    ) -> str:
        """A live document whose external id is its title; each paragraph is a chunk. In the index afterwards,
        unless ``project`` leaves that to the next that does."""
        document_id = document_id or new_id()
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            session.add(
                Document(
                    tenant_id=TENANT, id=document_id, source_id=source, external_id=title, title=title,
                    uri=f"https://docs.example/{title}", modified_at=modified_at, supersedes=list(supersedes),
                    owner=owner,
                )
            )  # fmt: skip
        self.publish(document_id, text, project=False)
        if allow is not None:
            self.readers(document_id, allow, project=False)
        if project:
            self.projector.catch_up()
        return document_id

    def publish(self, document_id: str, text: str, *, project: bool = True) -> int:
        """A new version of a document, made current. Without ``project`` the index does not know yet."""
        paragraphs = list(_paragraphs(text))
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            document = session.get_one(Document, (TENANT, document_id))
            texts = [in_context(document.title, [], text[a:b]) for a, b in paragraphs]
            version, old = document.last_version + 1, document.current_version
            digest = self.services.blobs.put(TENANT, text.encode())
            meta = {"mime": "text/plain", "language": "en", "embedded_title": document.title}
            session.add(
                DocumentVersion(
                    tenant_id=TENANT, document_id=document_id, version=version, raw=digest, raw_bytes=len(text),
                    text=digest, chunks=len(paragraphs), meta=meta, published_at=clock.now(),
                )
            )  # fmt: skip
            session.flush()
            session.add_all(
                Chunk(
                    tenant_id=TENANT, document_id=document_id, version=version, ordinal=n, span_start=a, span_end=b,
                    kind="text", place=f"paragraph {n + 1}", text=text[a:b], text_hash=sha256(texts[n].encode()),
                )
                for n, (a, b) in enumerate(paragraphs)
            )  # fmt: skip
            vectors = self.services.embedder.embed(texts)
            rows = [
                {
                    "tenant_id": TENANT,
                    "model": self.services.embedder.name,
                    "text_hash": sha256(embedded.encode()),
                    "vector": vector.astype("<f4").tobytes(),
                }
                for embedded, vector in zip(texts, vectors, strict=True)
            ]
            session.execute(insert(Embedding).values(rows).on_conflict_do_nothing())
            document.current_version = document.last_version = version
            document.state = "live"
            session.flush()
            outbox.append(session, TENANT, "write", [document_id], version)
            if old is not None:
                outbox.append(session, TENANT, "remove", [document_id], old)
        if project:
            self.projector.catch_up()
        return version

    def readers(self, document_id: str, allow: Sequence[str], *, project: bool = True) -> None:
        """Without ``project`` only gate 2 knows."""
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            assign(session, TENANT, {document_id: (Clause.of(allow),) if allow else None}, actor="test")
        if project:
            self.projector.catch_up()

    def forget(self, document_id: str) -> None:
        """The document was never there."""
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            session.execute(sa.delete(Document).where(sa.literal_column("id") == document_id))
            outbox.append(session, TENANT, "remove", [document_id])
        self.projector.catch_up()

    # --- over HTTP -----------------------------------------------------------------------------

    def post(self, path: str, user: str, **body: object) -> Response:
        return self.client.post(f"/v1{path}", json=body, headers=self.headers(user))

    def get(self, path: str, user: str | None, *scopes: str) -> Response:
        return self.client.get(f"/v1{path}", headers=self.headers(user, *scopes))

    def ask(self, user: str, question: str, **body: object) -> Json:
        response = self.post("/ask", user, question=question, **body)
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer

    def search(self, user: str, query: str, **body: object) -> list[Json]:
        response = self.post("/search", user, query=query, **body)
        assert response.status_code == 200, response.text
        hits: list[Json] = response.json()["hits"]
        return hits


def open_world(catalog: Catalog, embedder: Embedder, folder: Path) -> Iterator[World]:
    """Alice (hr), Bob and Dave (nothing); a source called docs."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id=TENANT, name="Acme"))
        session.add(
            IndexGeneration(
                id="g1", model=embedder.name, dimensions=embedder.dimensions, chunker="structure.v1", lexical=LEXICAL
            )
        )
        session.flush()
        for name in ("alice", "bob", "dave"):
            directory.put_user(session, TENANT, f"user:{name}", name=name.title(), actor="test")
        directory.put_group(session, TENANT, "group:hr", name="HR", members=["user:alice"], actor="test")
    index = EdgeIndex(folder / "index", "g1")
    services = Services(
        settings=Settings(data_dir=folder, reranker="lexical", reuse="off"),  # what is asked twice is answered twice
        secret_key=SECRET,
        catalog=catalog,
        blobs=Blobs(str(folder / "blobs")),
        index=index,
        generation="g1",
        embedder=embedder,
        query_vectors=QueryVectors(embedder),
        reranker=LexicalReranker(),
        gateway=Gateway(),
    )
    try:
        with lent("retrieval", lambda: create_app(services)) as app:
            world = World(services, Projector(catalog, lambda _: index, compile_payload), app)
            world.source("docs")
            yield world
    finally:
        index.close()


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield at, at + len(paragraph)
        at += len(paragraph) + 2
