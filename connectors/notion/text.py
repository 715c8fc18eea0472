"""Notion's rich text as Markdown and as plain text.

Of another page only a link is passed on, never its title: who may read this page need not be allowed to read that.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

_SPECIAL = re.compile(r"[\\`*_\[\]<>~|#&]")
_AT_START = re.compile(r"^(?:[-+](?=[\s-]|$)|=(?=[\s=]|$)|\d{1,9}(?=[.)](?:\s|$)))")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_LINK = re.compile(r"(?:https?://|mailto:)[!-;=?-~]{1,2000}")
_OWN = re.compile(r"/([0-9a-f]{32})\b")
ELSEWHERE = "page"
"""Stands for the title of another page."""


def escaped(text: str) -> str:
    """``text`` so that Markdown reads it as nothing but text, line by line."""
    lines = (_SPECIAL.sub(r"\\\g<0>", line.strip()) for line in printable(text).split("\n"))
    return "\n".join(_AT_START.sub(_harmless, line) for line in lines)


def printable(text: str) -> str:
    """``text`` without control characters; lines stay lines, and what joins letters and emoji stays."""
    return _CONTROL.sub(" ", text)


def inline(rich: Any) -> str:
    """Rich text as Markdown: links, code and what is struck out are kept, other emphasis is not."""
    return "".join(_piece(one) for one in _pieces(rich))


def one_line(rich: Any) -> str:
    """As :func:`inline`, for a heading or a cell."""
    return " ".join(inline(rich).split())


def plain(rich: Any) -> str:
    """Rich text without any mark, in one line: for a title."""
    said = "".join(ELSEWHERE if _is_elsewhere(one) else _text(one) for one in _pieces(rich))
    return " ".join("".join(char if char.isprintable() else " " for char in said).split())


def code_of(rich: Any) -> str:
    """Rich text as it stands, for a block of code."""
    return printable("".join(_text(one) for one in _pieces(rich)).expandtabs(4))


def linked(text: str, url: Any) -> str:
    """``text``, which is Markdown already, as a link; by itself where the address is none that a reader may follow."""
    address = str(url or "")
    own = _OWN.match(address)
    if own is not None:
        address = notion_link(own[1])
    address = quote(address, safe=_ASCII, errors="replace")
    if _LINK.fullmatch(address) is None:
        return text
    return f"[{text or escaped(address)}](<{address}>)"


def notion_link(id: str) -> str:
    """Where people open a page, a database or a block."""
    return f"https://www.notion.so/{id.replace('-', '')}"


def _pieces(rich: Any) -> list[dict[str, Any]]:
    return [one for one in rich if isinstance(one, dict)] if isinstance(rich, list) else []


def _text(piece: dict[str, Any]) -> str:
    return str(piece.get("plain_text") or "")


def _is_elsewhere(piece: dict[str, Any]) -> bool:
    return piece.get("type") == "mention" and _mentioned(piece) in ("page", "database", "data_source")


def _mentioned(piece: dict[str, Any]) -> str:
    mention = piece.get("mention")
    return str(mention.get("type")) if isinstance(mention, dict) else ""


def _piece(piece: dict[str, Any]) -> str:
    kind, text = piece.get("type"), _text(piece)
    if _is_elsewhere(piece):
        mention = piece["mention"].get(_mentioned(piece))
        id = str(mention.get("id") or "") if isinstance(mention, dict) else ""
        return linked(ELSEWHERE, notion_link(id) if id else None)
    if kind == "equation":
        return f"${_spaced(text)}$"
    marks = piece.get("annotations")
    marks = marks if isinstance(marks, dict) else {}
    if marks.get("code") is True and text.strip():
        inside = " ".join(printable(text).split())
        fence = "`" * (1 + max((len(run) for run in re.findall("`+", inside)), default=0))
        found = f"{fence} {inside} {fence}" if "`" in inside else f"{fence}{inside}{fence}"
    else:
        found = _spaced(text)
    if marks.get("strikethrough") is True and found.strip() == found and found:
        found = f"~~{found}~~"
    return linked(found, piece.get("href")) if piece.get("href") else found


def _spaced(text: str) -> str:
    """Escaped, with the space at either end that parts it from its neighbours."""
    found = escaped(text)
    if not found.strip():
        return "\n" if "\n" in text else " " if text else ""
    before, after = (" " if char in " \t" else "" for char in (text[0], text[-1]))
    return f"{before}{found}{after}"


def _harmless(found: re.Match[str]) -> str:
    return f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}"
