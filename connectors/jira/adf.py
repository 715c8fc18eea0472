"""Atlassian's document format, a tree in JSON, as plain HTML.

Every node is written anew from a list, and text escaped. Of a node that is not known what lies below it is written; no
picture, card or file is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import Any

from connectors.atlassian.text import as_dict, legible
from vouch.core.errors import DocumentRejected
from vouch.core.types import Json

_DEEPEST = 150
_BLOCKS = {
    "paragraph": "p", "bulletList": "ul", "orderedList": "ol", "listItem": "li", "blockquote": "blockquote",
    "panel": "div", "layoutSection": "div", "layoutColumn": "div", "taskList": "ul", "decisionList": "ul",
    "decisionItem": "li", "table": "table", "tableRow": "tr", "caption": "p", "mediaSingle": "div",
}  # fmt: skip
_MARKS = {"strong": "strong", "em": "em", "code": "code", "strike": "s", "underline": "u"}
_Write = Callable[[Json, int], Iterator[str]]


def html(document: Any) -> str:
    """A document as HTML; nothing for none. Raises :class:`DocumentRejected` (``too_deep``)."""
    return "".join(_written(document, 0)) if isinstance(document, dict) else ""


def _written(node: Json, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise DocumentRejected("The text is nested deeper than is read", reason="too_deep")
    kind = str(node.get("type"))
    tag = _BLOCKS.get(kind)
    if tag is not None:
        yield f"<{tag}>"
        yield from _inside(node, depth)
        yield f"</{tag}>"
    else:
        yield from _OWN.get(kind, _inside)(node, depth)


def _inside(node: Json, depth: int) -> Iterator[str]:
    content = node.get("content")
    for child in content if isinstance(content, list) else ():
        if isinstance(child, dict):
            yield from _written(child, depth + 1)


def _attribute(node: Json, name: str) -> str:
    said = as_dict(node.get("attrs")).get(name)
    return legible(said) if isinstance(said, str) else ""


def _text(node: Json, depth: int) -> Iterator[str]:
    said = node.get("text")
    shown = escape(legible(said), quote=False) if isinstance(said, str) else ""
    marks = node.get("marks")
    for mark in marks if isinstance(marks, list) else ():
        kind = str(as_dict(mark).get("type"))
        href = _attribute(as_dict(mark), "href")
        if kind in _MARKS:
            shown = f"<{_MARKS[kind]}>{shown}</{_MARKS[kind]}>"
        elif kind == "link" and href.lower().startswith(("http://", "https://", "mailto:")):
            shown = f'<a href="{escape(href)}">{shown}</a>'
    yield shown


def _heading(node: Json, depth: int) -> Iterator[str]:
    """Lower than those of the document around it, which has a title and sections."""
    said = as_dict(node.get("attrs")).get("level")
    level = min(max(said + 2, 3), 6) if isinstance(said, int) else 3
    yield f"<h{level}>"
    yield from _inside(node, depth)
    yield f"</h{level}>"


def _cell(tag: str) -> _Write:
    def write(node: Json, depth: int) -> Iterator[str]:
        attributes = as_dict(node.get("attrs"))
        said = ((name, attributes.get(name)) for name in ("colspan", "rowspan"))
        spans = "".join(f' {name}="{n}"' for name, n in said if isinstance(n, int) and n > 1)
        yield f"<{tag}{spans}>"
        yield from _inside(node, depth)
        yield f"</{tag}>"

    return write


def _code(node: Json, depth: int) -> Iterator[str]:
    # The first line break of a <pre> is not part of it.
    yield "<pre><code>\n"
    yield from _inside(node, depth)
    yield "</code></pre>"


def _expand(node: Json, depth: int) -> Iterator[str]:
    yield f"<p><strong>{escape(_attribute(node, 'title'))}</strong></p><div>"
    yield from _inside(node, depth)
    yield "</div>"


def _task(node: Json, depth: int) -> Iterator[str]:
    yield f"<li>[{'x' if _attribute(node, 'state') == 'DONE' else ' '}] "
    yield from _inside(node, depth)
    yield "</li>"


def _date(node: Json, depth: int) -> Iterator[str]:
    """A day, kept as milliseconds since 1970."""
    said = as_dict(node.get("attrs")).get("timestamp")
    if isinstance(said, str | int) and str(said).isascii() and str(said).isdigit() and len(str(said)) <= 14:
        yield datetime.fromtimestamp(int(said) / 1000, UTC).date().isoformat()


def _said(*names: str) -> _Write:
    """Nodes whose words are in an attribute."""

    def write(node: Json, depth: int) -> Iterator[str]:
        yield escape(next(filter(None, (_attribute(node, name) for name in names)), ""), quote=False)

    return write


_OWN: dict[str, _Write] = {
    "text": _text, "heading": _heading, "tableCell": _cell("td"), "tableHeader": _cell("th"), "codeBlock": _code,
    "expand": _expand, "nestedExpand": _expand, "taskItem": _task, "date": _date,
    "hardBreak": lambda node, depth: iter(["<br>"]), "rule": lambda node, depth: iter(["<hr>"]),
    "mention": _said("text"), "emoji": _said("text"), "status": _said("text"),
    "media": _said("alt"), "inlineCard": _said("url"), "blockCard": _said("url"), "embedCard": _said("url"),
}  # fmt: skip
