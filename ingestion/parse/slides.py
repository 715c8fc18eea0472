"""PPTX through `unstructured`: a heading a slide, tables, then the speaker's notes; place "slide 3"."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import pptx
from pptx.presentation import Presentation

from ingestion.parse import partition
from ingestion.parse.document import Block, Draft
from ingestion.parse.normalise import one_line


def read(data: bytes, name: str) -> Draft:
    presentation = pptx.Presentation(io.BytesIO(data))
    elements = partition.partitioner("pptx")(file=io.BytesIO(data), include_slide_notes=False, languages=[""])
    # Depth 0 is a slide's title shape; deeper "titles" are guesses about short lines.
    shown = partition.blocks(elements, heading_level=lambda e: None if e.metadata.category_depth else 1, place=_place)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pictures = any(member.startswith("ppt/media/") for member in archive.namelist())
    return Draft(tuple(_with_notes(presentation, shown)), title=_said_title(presentation), pictures=pictures)


def _place(element: Any) -> str:
    number = element.metadata.page_number
    return f"slide {number}" if number else ""


def _with_notes(presentation: Presentation, shown: Iterator[Block]) -> Iterator[Block]:
    """Each slide's blocks, then what the speaker is to say: it belongs under that slide's title."""
    slides = {place: list(blocks) for place, blocks in groupby(shown, key=lambda block: block.place)}
    for number, slide in enumerate(presentation.slides, 1):
        place = f"slide {number}"
        yield from slides.get(place, ())
        frame = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if frame is not None:
            yield from (Block("paragraph", p.text, 0, f"{place}, notes") for p in frame.paragraphs)


def _said_title(presentation: Presentation) -> str:
    title = one_line(presentation.core_properties.title or "")
    return "" if title.lower() in ("powerpoint presentation", "presentation", "untitled") else title
