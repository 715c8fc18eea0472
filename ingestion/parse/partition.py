"""`unstructured` behind one door: no downloads, no telemetry, its elements as our blocks.

Its partitioners ask a spaCy pipeline for sentences and parts of speech, and fetch one from the network
when it is missing. They are given one that is already there. What they guess from it (narrative or
title) is not used here: a heading is what the document itself marks as one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoints
from importlib.util import find_spec
from typing import Any

from ingestion.parse import table
from ingestion.parse.document import Block
from ingestion.parse.linked import within

_MODEL = "en_core_web_sm"
_BULLETED = ("•", "-", "*")

making_ready: Callable[[], AbstractContextManager[None]] = nullcontext
"""Entered while libraries are imported. The parser process sets it: what they need is not the document's doing."""


@cache
def partitioner(kind: str) -> Callable[..., list[Any]]:
    """``unstructured.partition.<kind>.partition_<kind>``, made ready for use without network."""
    os.environ.update(UNSTRUCTURED_DISABLE_NOTICE="1", DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true")
    with making_ready():
        _use_local_pipeline()
        module = import_module(f"unstructured.partition.{kind}")
    function: Callable[..., list[Any]] = getattr(module, f"partition_{kind}")
    return function


@cache
def _use_local_pipeline() -> None:
    modules: dict[str, Any] = sys.modules
    with_torch = "torch" in modules
    if not with_torch:
        # spaCy's backend imports torch where it is installed: 190 MB and 1.4 s for a tokeniser that needs none of it.
        modules["torch"] = None
    # Nor the stages that other packages offer to pipelines: looking at Presidio's loads transformers.
    catalogue: Any = import_module("catalogue")
    offered = catalogue.AVAILABLE_ENTRY_POINTS
    catalogue.AVAILABLE_ENTRY_POINTS = EntryPoints(
        one for group in offered.groups - {"spacy_factories"} for one in offered.select(group=group)
    )
    try:
        spacy = import_module("spacy")
        if find_spec(_MODEL) is not None:
            pipeline = spacy.load(_MODEL, exclude=["ner", "lemmatizer", "attribute_ruler"])
        else:
            pipeline = spacy.blank("en")
            pipeline.add_pipe("sentencizer")
    finally:
        if not with_torch:
            del modules["torch"]
    tokenize: Any = import_module("unstructured.nlp.tokenize")
    tokenize._get_nlp = lambda: pipeline


def blocks(
    elements: Iterable[Any],
    *,
    heading_level: Callable[[Any], int | None],
    place: Callable[[Any], str] = lambda _: "",
    outer_list: int = 0,
    skip: frozenset[str] = frozenset({"PageBreak", "Image"}),
) -> Iterator[Block]:
    """`unstructured` elements as blocks; ``heading_level`` says of a Title how deep it is, None: no
    heading; ``outer_list`` is the depth that it gives to items of an outermost list."""
    for element in elements:
        category, where = element.category, place(element)
        if category in skip:
            continue
        level = heading_level(element) if category == "Title" else None
        if category == "Table" and element.metadata.text_as_html:
            yield from _table(element, where)
        elif level is not None:
            yield Block("title" if level == 0 else "heading", element.text, level, where, links=_links(element))
        elif category == "ListItem":
            depth = max(0, (element.metadata.category_depth or 0) - outer_list)
            text = _with_bullet(element.text)
            yield Block("list_item", text, depth, where, links=_links(element, text))
        elif category == "CodeSnippet":
            yield Block("code", element.text, 0, where)
        else:
            yield Block("paragraph", element.text, 0, where, links=_links(element))


def _links(element: Any, text: str | None = None) -> tuple[tuple[int, int, str], ...]:
    """Those of the element whose text stands there once; ``text``: what was made of the element's."""
    said, targets = element.metadata.link_texts or (), element.metadata.link_urls or ()
    found = [(text, target) for text, target in zip(said, targets, strict=False) if text and target]
    return within(element.text if text is None else text, found)


def _table(element: Any, place: str) -> Iterator[Block]:
    block = table.from_html(element.metadata.text_as_html, place=place)
    if block is None or not table.render(block):
        yield Block("paragraph", element.text, 0, place)
    elif max(map(len, block.rows)) == 1:
        # A one-column table is layout (mail above all), so its cells are paragraphs.
        yield from (Block("paragraph", row[0], 0, place) for row in block.rows if row)
    else:
        yield block


def _with_bullet(text: str) -> str:
    marked = text[:1] in _BULLETED or text[:1].isdigit() or text[1:2] in ".)"
    return text if marked else f"- {text}"
