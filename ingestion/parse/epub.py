"""EPUB: the chapters in reading order, each through the HTML reader."""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import replace
from urllib.parse import unquote

from lxml import etree

from ingestion.parse import html
from ingestion.parse.detect import decode
from ingestion.parse.document import Block, Draft
from vouch.core.errors import DocumentRejected

_CONTAINER = "META-INF/container.xml"


def read(data: bytes, name: str) -> Draft:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "META-INF/encryption.xml" in archive.namelist() and b"EncryptedKey" in archive.read(
            "META-INF/encryption.xml"
        ):
            raise DocumentRejected("The book is protected", reason="encrypted")
        root_file = _xml(archive.read(_CONTAINER)).find(".//{*}rootfile")
        path = "" if root_file is None else root_file.get("full-path", "")
        package = _xml(archive.read(path))
        chapters = [html.from_text(decode(archive.read(member))) for member in _spine(package, path)]
    blocks: list[Block] = [
        block
        for number, chapter in enumerate(chapters, 1)
        for block in (chapter.blocks if _headed(chapter) else _placed(chapter, f"section {number}"))
    ]
    title = package.findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""
    language = (package.findtext(".//{http://purl.org/dc/elements/1.1/}language") or "")[:2].lower()
    notes = tuple(dict.fromkeys(note for chapter in chapters for note in chapter.notes))
    return Draft(tuple(blocks), title, language, any(c.pictures for c in chapters), notes)


def _headed(chapter: Draft) -> bool:
    return any(block.kind in ("title", "heading") for block in chapter.blocks)


def _placed(chapter: Draft, place: str) -> tuple[Block, ...]:
    """A chapter without a heading of its own would stand under that of the one before."""
    return tuple(replace(block, place=place) for block in chapter.blocks)


def _spine(package: etree._Element, path: str) -> list[str]:
    """The members in reading order."""
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    members = []
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and "html" in item.get("media-type", ""):
            members.append(posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(item.get("href", "")))))
    return members


def _xml(data: bytes) -> etree._Element:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
