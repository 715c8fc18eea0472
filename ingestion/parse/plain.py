"""Plain text: paragraphs by blank lines, hard-wrapped lines joined, lists and underlined headings seen."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingestion.parse.detect import decode
from ingestion.parse.document import Block, Draft

_LIST_ITEM = re.compile(r"^([ \t]*)(?:[-*+•◦▪‣·]|\(?\d{1,3}[.)]|\(?[a-z][.)])[ \t]+\S")
_UNDERLINE = re.compile(r"^(=|-|~|\^)\1{2,}\s*$")
_PREFIXED_HEADING = re.compile(r"^(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*$")
_NUMBERED_HEADING = re.compile(r"^(\d{1,2}(?:\.\d{1,2}){0,3})\.?[ \t]+[A-ZÀ-ÖØ-Þ][^.!?;:]{2,50}$")
_UNDERLINE_LEVELS = {"=": 1, "-": 2, "~": 3, "^": 4}
_NARROWEST_WRAP = 45


def read(data: bytes, name: str) -> Draft:
    """Also reads AsciiDoc's and reStructuredText's headings; other markup is left as it stands."""
    return Draft(tuple(blocks(decode(data))))


def blocks(text: str, *, place: str = "") -> Iterator[Block]:
    """Blocks of ``text``, which may be anything a person typed."""
    text = re.sub(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
        if lines:
            yield from _paragraph(lines, place)


def _paragraph(lines: list[str], place: str) -> Iterator[Block]:
    heading = _heading(lines)
    if heading is not None:
        level, text, used = heading
        yield Block("heading", text, level, place)
        lines = lines[used:]
    width = max((len(line) for line in lines), default=0)
    current: list[str] = []
    for above, line in zip(["", *lines], lines, strict=False):
        if current and not _LIST_ITEM.match(line) and _wrapped(above, line, width):
            current[-1] += " " + line.strip()
        elif current and _LIST_ITEM.match(current[0]) and line[:1] in " \t" and not _LIST_ITEM.match(line):
            current[-1] += " " + line.strip()  # indented under a list item
        elif current and not _LIST_ITEM.match(line) and not _LIST_ITEM.match(current[0]):
            current.append(line)
        else:
            yield from _finished(current, place)
            current = [line]
    yield from _finished(current, place)


def _finished(lines: list[str], place: str) -> Iterator[Block]:
    if not lines:
        return
    item = _LIST_ITEM.match(lines[0])
    if item:
        yield Block("list_item", "\n".join(lines), len(item[1].expandtabs(4)) // 2, place)
    else:
        yield Block("paragraph", "\n".join(lines), 0, place)


def _wrapped(above: str, below: str, width: int) -> bool:
    """Whether the line break is there only because the next word did not fit."""
    return width >= _NARROWEST_WRAP and len(above) + 1 + len(below.split(None, 1)[0]) > width


def _heading(lines: list[str]) -> tuple[int, str, int] | None:
    """Level, text and number of lines of a heading at the start of a paragraph."""
    prefixed = _PREFIXED_HEADING.match(lines[0])
    if prefixed:
        return len(prefixed[1]), prefixed[2], 1
    rule = _UNDERLINE.match(lines[1]) if len(lines) > 1 and len(lines[0]) <= 100 else None
    if rule and len(rule[0].strip()) * 2 >= len(lines[0].strip()):
        return _UNDERLINE_LEVELS[rule[1]], lines[0], 2
    numbered = _NUMBERED_HEADING.match(lines[0]) if len(lines) == 1 else None
    if numbered:
        return 1 + numbered[1].count("."), lines[0], 1
    only = lines[0].strip()
    if len(lines) == 1 and only.isupper() and 4 <= len(only) <= 60 and only[-1].isalnum() and " " in only:
        return 1, only, 1
    return None
