"""PPTX through `unstructured`: a heading a slide, speaker's notes included, tables, place "slide 3"."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pptx

from ingestion.parse import partition
from ingestion.parse.document import Draft
from ingestion.parse.normalise import one_line


def read(data: bytes, name: str) -> Draft:
    elements = partition.partitioner("pptx")(file=io.BytesIO(data), include_slide_notes=True, languages=[""])

    def heading_level(element: Any) -> int | None:
        # Depth 0 is a slide's title shape; deeper "titles" are guesses about short lines.
        return 1 if not element.metadata.category_depth else None

    def place(element: Any) -> str:
        number = element.metadata.page_number
        return f"slide {number}" if number else ""

    blocks = tuple(partition.blocks(elements, heading_level=heading_level, place=place))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pictures = any(member.startswith("ppt/media/") for member in archive.namelist())
    return Draft(blocks, title=_said_title(data), pictures=pictures)


def _said_title(data: bytes) -> str:
    title = one_line(pptx.Presentation(io.BytesIO(data)).core_properties.title or "")
    return "" if title.lower() in ("powerpoint presentation", "presentation", "untitled") else title
