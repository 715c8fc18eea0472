"""What parsing yields: one normalised text, and its elements as spans of it.

A reader (one per format) turns bytes into a :class:`Draft` of blocks; :func:`ingestion.parse.assemble.assemble`
turns the draft into a :class:`Parsed`. Spans, quotes and citations refer to ``Parsed.text`` alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from vouch.core.places import Place, as_json, from_json
from vouch.core.types import Span

Kind = Literal["title", "heading", "paragraph", "list_item", "table", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item, table or code listing, before normalisation.

    ``level`` is the depth of a heading (1 outermost) or of a list item (0 outermost). ``rows`` are the
    cells of a table and ``header_rows`` how many of them are its header (None: decide by looking). ``numbers`` are the
    rows' numbers in the sheet or file that is nothing but rows; a table without them is one of a text, and its rows are
    counted from its own first. ``headed``: its headings belong to its place. ``turns``: from which characters of the
    text on it stands elsewhere, and where. ``links``: from which to which characters of the text, and their targets.
    """

    kind: Kind
    text: str = ""
    level: int = 0
    place: str = ""
    rows: tuple[tuple[str, ...], ...] = ()
    header_rows: int | None = None
    numbers: tuple[int, ...] = ()
    headed: bool = False
    turns: tuple[tuple[int, str], ...] = ()
    links: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A reader's result. ``title`` is what the format itself says it is, or "".

    ``pictures`` says that the file holds images: without any text it is then ``no_text``, not ``empty``.
    ``notes`` tell a person what was left out (an attachment that could not be read). ``links``: targets of those whose
    place in a block is not known; what blocks have may be among them.
    """

    blocks: tuple[Block, ...]
    title: str = ""
    language: str = ""
    pictures: bool = False
    notes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it is written. ``span``: its text, character for character; None where that is not known."""

    target: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """A piece of the text. Elements ascend, do not overlap, and cover all of it that is not blank.

    ``heading_path`` lists the headings above it, outermost first (a heading counts itself; the document's
    title is left out). ``place`` is a person's locator ("p. 12", "slide 3", "sheet Costs"), "" when there
    is none. ``rows`` are the spans of a table's rows. ``places``: of its parts, where they are not all at ``place``.
    """

    kind: Kind
    span: Span
    heading_path: tuple[str, ...] = ()
    place: str = ""
    rows: tuple[Span, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document version's normalised text and structure.

    ``text`` is NFC with ``\\n`` line ends and no control, zero-width or bidirectional-control characters.
    ``mime`` is what the content was found to be; ``language`` an ISO 639-1 code or "und".
    """

    text: str
    elements: tuple[Element, ...]
    title: str
    mime: str
    language: str
    notes: tuple[str, ...] = field(default=())
    links: tuple[Link, ...] = ()

    def to_json(self) -> bytes:
        """UTF-8 JSON for the blob store; the same input gives the same bytes."""
        body = {
            "format": 2,
            "title": self.title,
            "mime": self.mime,
            "language": self.language,
            "notes": list(self.notes),
            "text": self.text,
            "elements": [_element_to_json(e) for e in self.elements],
            "links": [_link_to_json(link) for link in self.links],
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes | str) -> Parsed:
        """Inverse of :meth:`to_json`. Raises ValueError on another format; 1 is one without places.

        What was written before links were kept has none.
        """
        body = json.loads(data)
        if not isinstance(body, dict) or body.get("format") not in (1, 2):
            raise ValueError("not a parsed document of format 1 or 2")
        return cls(
            text=body["text"],
            elements=tuple(_element_from_json(e) for e in body["elements"]),
            title=body["title"],
            mime=body["mime"],
            language=body["language"],
            notes=tuple(body["notes"]),
            links=tuple(Link(to, None if a is None else Span(a, b)) for to, a, b in body.get("links", ())),
        )


def _element_to_json(element: Element) -> list[Any]:
    rows = [[row.start, row.end] for row in element.rows]
    return [
        element.kind,
        element.span.start,
        element.span.end,
        list(element.heading_path),
        element.place,
        rows,
        as_json(element.places),
    ]


def _link_to_json(link: Link) -> list[Any]:
    return [link.target, *((link.span.start, link.span.end) if link.span else (None, None))]


def _element_from_json(item: list[Any]) -> Element:
    kind, start, end, path, place, rows, *more = item
    spans = tuple(Span(a, b) for a, b in rows)
    return Element(kind, Span(start, end), tuple(path), place, spans, from_json(more[0]) if more else ())
