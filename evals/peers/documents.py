"""The documents of a set as every peer is given them: read by our parser, so that none is beaten by its reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evals.datasets import RawDocument
from evals.peers.wire import Document
from ingestion.parse import parse
from vouch.core.errors import DocumentRejected


def readable(documents: Sequence[RawDocument]) -> Iterator[Document]:
    """Those that can be read, as text under their title; Vouch refuses the same ones."""
    for document in documents:
        try:
            parsed = parse(document.data, document.name)
        except DocumentRejected:
            continue
        yield Document(document.id, titled(document.title or parsed.title, parsed.text))


def titled(title: str, text: str) -> str:
    return text if not title or text.startswith(title) else f"{title}\n{text}"
