"""ODT: headings, paragraphs, lists and tables of content.xml."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from lxml import etree

from ingestion.parse.document import Block, Draft
from vouch.core.errors import DocumentRejected

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_MAX_REPEAT = 100
_NOT_SHOWN = (f"{_OFFICE}annotation", f"{_TEXT}tracked-changes", f"{_OFFICE}forms", f"{_TEXT}sequence-decls")


def read(data: bytes, name: str) -> Draft:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if "META-INF/manifest.xml" in names and b"encryption-data" in archive.read("META-INF/manifest.xml"):
            raise DocumentRejected("The document is protected by a password", reason="encrypted")
        content = _xml(archive.read("content.xml"))
        meta = _xml(archive.read("meta.xml")) if "meta.xml" in names else None
    body = content.find(f".//{_OFFICE}text")
    blocks = tuple(_blocks(body, 0)) if body is not None else ()
    title = (meta.findtext(f".//{_TITLE}") or "") if meta is not None else ""
    return Draft(blocks, title=title, pictures=any(n.startswith("Pictures/") for n in names))


def _xml(data: bytes) -> etree._Element:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))


def _blocks(parent: etree._Element, depth: int) -> Iterator[Block]:
    for node in parent:
        if node.tag == f"{_TEXT}h":
            yield Block("heading", _text(node), int(node.get(f"{_TEXT}outline-level", "1")))
        elif node.tag == f"{_TEXT}p":
            yield Block("paragraph", _text(node))
        elif node.tag == f"{_TEXT}list":
            yield from _list(node, depth)
        elif node.tag == f"{_TABLE}table":
            rows = tuple(_row(row) for row in node.iter(f"{_TABLE}table-row"))
            header = node.find(f"{_TABLE}table-header-rows")
            yield Block("table", rows=rows, header_rows=len(header) if header is not None else None)
        elif node.tag not in _NOT_SHOWN:
            yield from _blocks(node, depth)


def _list(node: etree._Element, depth: int) -> Iterator[Block]:
    for item in node:
        for child in item:
            if child.tag == f"{_TEXT}list":
                yield from _list(child, depth + 1)
            elif child.tag in (f"{_TEXT}p", f"{_TEXT}h"):
                yield Block("list_item", f"- {_text(child)}", depth)


def _row(row: etree._Element) -> tuple[str, ...]:
    cells: list[str] = []
    for cell in row:
        repeat = min(int(cell.get(f"{_TABLE}number-columns-repeated", "1")), _MAX_REPEAT)
        cells += [" ".join(_text(p) for p in cell.iter(f"{_TEXT}p"))] * repeat
    return tuple(cells)


def _text(node: etree._Element) -> str:
    """Text of a paragraph, with its tabs, spaces and line breaks, without notes' bodies' markers or annotations."""
    parts = [node.text or ""]
    for child in node:
        if child.tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif child.tag in (f"{_TEXT}tab", f"{_TEXT}s"):
            parts.append(" ")
        elif child.tag not in _NOT_SHOWN:
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)
