"""DOCX through `unstructured`: headings by style, numbering as printed, tables, headers left out."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

import docx
from docx.document import Document

from ingestion.parse import partition
from ingestion.parse.document import Draft
from ingestion.parse.linked import MOST_MET
from ingestion.parse.normalise import one_line

_HIDDEN_RUNS = '//w:r[w:rPr/w:vanish[not(@w:val="0" or @w:val="false" or @w:val="off")]][w:t]'
_SKIP = frozenset({"PageBreak", "Image", "Header", "Footer"})


def read(data: bytes, name: str) -> Draft:
    """Page numbers are given where the file records page breaks. Running headers and footers are left out,
    unless there is nothing else."""
    document = docx.Document(io.BytesIO(data))
    hidden = document.element.xpath(_HIDDEN_RUNS)
    if hidden:
        for run in hidden:
            run.getparent().remove(run)
        shown = io.BytesIO()
        document.save(shown)
        data = shown.getvalue()
    elements = partition.partitioner("docx")(file=io.BytesIO(data), languages=[""])
    titles, subtitles = _styled(document, "Title"), _styled(document, "Subtitle")
    skip = _SKIP if any(e.category not in _SKIP and e.text.strip() for e in elements) else frozenset({"PageBreak"})

    def heading_level(element: Any) -> int | None:
        text = one_line(element.text)
        if text in subtitles:
            return None
        return 0 if text in titles else (element.metadata.category_depth or 0) + 1

    found = partition.blocks(elements, heading_level=heading_level, place=_page, skip=skip)
    # Where a page ends depends on the printer; a heading is there for everybody.
    blocks = tuple(replace(block, headed=True) for block in found)
    title = "" if titles else _said_title(document)
    notes = (f"{len(hidden)} hidden run{'s' if len(hidden) > 1 else ''} of text left out",) if hidden else ()
    return Draft(blocks, title=title, pictures=_has_pictures(data), notes=notes, links=_links(document))


def _links(document: Document) -> tuple[str, ...]:
    """Of all links that show something, those in tables too; the file keeps their targets apart from its text."""
    targets = document.part.rels
    shown = document.element.xpath("//w:hyperlink[.//w:t]/@r:id")[:MOST_MET]
    return tuple(targets[id_].target_ref for id_ in shown if id_ in targets and targets[id_].is_external)


def _styled(document: Document, style: str) -> set[str]:
    return {one_line(p.text) for p in document.paragraphs if p.style is not None and p.style.name == style}


def _page(element: Any) -> str:
    number = element.metadata.page_number
    return f"p. {number}" if number else ""


def _said_title(document: Document) -> str:
    """The title property, which templates fill with their own name."""
    title = one_line(document.core_properties.title or "")
    return "" if title.lower() in ("word document", "document", "untitled") else title


def _has_pictures(data: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return any("/media/" in name for name in archive.namelist())
