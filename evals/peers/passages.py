"""Passages for peers that bring no splitter of their own: runs of 200 words, which is what Haystack cuts by default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from evals.peers.wire import Document

WORDS = 200
_WORD = re.compile(r"\S+\s*")


def passages(documents: Sequence[Document], split: bool) -> Iterator[tuple[Document, str]]:
    """Each passage with its document; a document is one passage unless ``split``. Blank ones are left out."""
    for document in documents:
        for text in words(document.text) if split else [document.text]:
            if text.strip():
                yield document, text


def words(text: str, most: int = WORDS) -> Iterator[str]:
    found = _WORD.findall(text)
    for start in range(0, len(found), most):
        yield "".join(found[start : start + most]).strip()
