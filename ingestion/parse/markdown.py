"""Markdown: headings, lists, tables and code as elements; links as their text, no emphasis marks.

pulldown-cmark (through `pyromark`) reads CommonMark and GitHub's tables in linear time: the 883 pages of a
real handbook take .1 s here, where `markdown-it-py` takes 3 s and `unstructured` about 20 s.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from itertools import accumulate
from typing import Any

import pyromark
import yaml

from ingestion.parse import hidden, table
from ingestion.parse.detect import decode
from ingestion.parse.document import Block, Draft
from ingestion.parse.normalise import one_line

_OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_GFM
    | pyromark.Options.ENABLE_YAML_STYLE_METADATA_BLOCKS
)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,2000}>")
_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_INVISIBLE = re.compile(r"<(style|script|iframe|video|object|svg)\b.*?(?:</\1\s*>|\Z)", re.S | re.I)
_LINE_TAG = re.compile(
    r"</?(?:p|div|li|ul|ol|tr|td|th|h[1-6]|br|section|figure|figcaption|details|summary|table)\b[^<>]{0,2000}>", re.I
)
_TABLE = re.compile(r"<table\b.*?(?:</table\s*>|\Z)", re.S | re.I)
_FAILED_LINK = re.compile(r"!?\[([^\[\]\n]{1,300})\]\([^()\n]{0,500}\)")
_FAILED_STRONG = re.compile(r"(?<!\w)\*{2,3}|\*{2,3}(?!\w)")
_HREF = re.compile(r"""<a\s[^<>]{0,500}?href\s*=\s*["']?([^"'<>\s]{1,1000})""", re.I)
_LEVELS = {f"H{n}": n for n in range(1, 7)}


def read(data: bytes, name: str) -> Draft:
    """Front matter gives the title and is not text."""
    reader = _Reader()
    for event in pyromark.events(decode(data), options=_OPTIONS):
        reader.take(event)
    reader.flush()
    notes = hidden.note(reader.hidden_elements)
    return Draft(
        tuple(reader.blocks), reader.title, pictures=reader.pictures, notes=notes, links=tuple(reader.unplaced)
    )


@dataclass
class _Reader:
    """Folds pulldown-cmark's events into blocks."""

    blocks: list[Block] = field(default_factory=list)
    title: str = ""
    pictures: bool = False
    text: list[str] = field(default_factory=list)
    lists: list[int | None] = field(default_factory=list)
    """Open lists, outermost first: the next number, or None for bullets."""
    marker: str = ""
    """Written before the next text: the list item's bullet or number."""
    rows: list[list[str]] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    kind: str = ""
    """The open block whose text is taken as it stands (code, front matter, HTML), or ""."""
    unseen: list[str] = field(default_factory=list)
    """Open inline elements from a hidden one inwards, of its name."""
    hidden_elements: int = 0
    opened: list[tuple[int, str]] = field(default_factory=list)
    """Open links: how many pieces of the text stand before each, and its target."""
    links: list[tuple[int, int, str]] = field(default_factory=list)
    """Of the open text, from which to which of its pieces."""
    unplaced: list[str] = field(default_factory=list)
    """Targets of links in tables and in HTML."""

    def take(self, event: Any) -> None:
        if isinstance(event, str):
            self._mark(event)
            return
        ((what, value),) = event.items()
        if what == "Start":
            tag, detail = next(iter(value.items())) if isinstance(value, dict) else (value, None)
            self._open(tag, detail)
        elif what == "End":
            self._close(next(iter(value)) if isinstance(value, dict) else value, value)
        elif what == "InlineHtml":
            self._inline(value)
        elif self.unseen:
            return
        elif what == "Text":
            self.text.append(value if self.kind else _tidy(value))
        elif what == "Code":
            self.text.append(value)
        elif what == "Html":
            self.html.append(value)
        elif what in ("InlineMath", "DisplayMath"):
            self.text.append(value)
        elif what == "TaskListMarker":
            self.marker += "[x] " if value else "[ ] "

    def _inline(self, tag: str) -> None:
        name = _NAME.match(tag)
        if self.unseen:
            if name and name[2].lower() == self.unseen[0]:
                if name[1]:
                    self.unseen.pop()
                else:
                    self.unseen.append(self.unseen[0])
        elif name and not name[1] and hidden.tag_hides(tag):
            self.unseen = [name[2].lower()]
            self.hidden_elements += 1
        else:
            self.unplaced += _HREF.findall(tag)
            self.text.append("\n" if _LINE_TAG.match(tag) else "")

    def _mark(self, event: str) -> None:
        if event == "SoftBreak":
            self.text.append(" ")
        elif event == "HardBreak":
            self.text.append("\n")
        elif event == "Rule":
            self.flush()

    def _open(self, tag: str, detail: Any) -> None:
        if tag == "List":
            self.flush()
            self.lists.append(detail)
        elif tag == "Item":
            self.flush()
            number = self.lists[-1]
            self.marker = "- " if number is None else f"{number}. "
            if number is not None:
                self.lists[-1] = number + 1
        elif tag in ("Paragraph", "Heading", "BlockQuote", "FootnoteDefinition"):
            self.flush()
        elif tag in ("CodeBlock", "MetadataBlock", "HtmlBlock"):
            self.flush()
            self.kind = tag
        elif tag == "Table":
            self.flush()
            self.rows = []
        elif tag in ("TableHead", "TableRow"):
            self.rows.append([])
        elif tag == "TableCell":
            self.text = []
        elif tag == "Image":
            self.pictures = True
        elif tag == "Link" and not self.unseen:
            self.opened.append((len(self.text), detail["dest_url"]))

    def _close(self, tag: str, value: Any) -> None:
        if tag == "Heading":
            text, links = self._linked()
            self.blocks.append(Block("heading", text, _LEVELS[value["Heading"]], links=links))
        elif tag == "Link" and self.opened:
            before, target = self.opened.pop()
            self.links.append((before, len(self.text), target))
        elif tag in ("Paragraph", "Item", "BlockQuote"):
            self.flush()
        elif tag == "List":
            self.flush()
            self.lists.pop()
        elif tag == "TableCell":
            text, links = self._linked()
            self.unplaced += [target for _, _, target in links]
            self.rows[-1].append(text)
        elif tag == "Table":
            self.blocks.append(Block("table", rows=tuple(map(tuple, self.rows)), header_rows=1))
        elif tag in ("CodeBlock", "MetadataBlock", "HtmlBlock"):
            self._close_raw(tag)

    def _close_raw(self, tag: str) -> None:
        self.kind = ""
        if tag == "HtmlBlock":
            html, self.html = "".join(self.html), []
            self._html(html)
        elif tag == "CodeBlock":
            self.blocks.append(Block("code", self.marker + self._taken()))
            self.marker = ""
        else:
            self.title = _front_matter_title(self._taken())

    def _html(self, html: str) -> None:
        """HTML between Markdown blocks: its tables as tables, the rest as the lines it shows."""
        html, count = hidden.shown(_INVISIBLE.sub("", _COMMENT.sub("", html)))
        self.hidden_elements += count
        at = 0
        for found in _TABLE.finditer(html):
            self._html_text(html[at : found.start()])
            self.unplaced += _HREF.findall(found[0])
            block = table.from_html(found[0])
            if block is not None:
                self.blocks.append(block)
            at = found.end()
        self._html_text(html[at:])

    def _html_text(self, html: str) -> None:
        if html.strip():
            self.unplaced += _HREF.findall(html)
            self.pictures = self.pictures or "<img" in html
            text = unescape(_TAG.sub("", _LINE_TAG.sub("\n", html.replace("\n", " "))))
            self.blocks.extend(Block("paragraph", line) for line in text.split("\n") if line.strip())

    def _taken(self) -> str:
        text, self.text, self.unseen = "".join(self.text), [], []
        self.opened, self.links = [], []
        return text

    def _linked(self) -> tuple[str, tuple[tuple[int, int, str], ...]]:
        """The open text with its links, from which to which of its characters."""
        if not self.links:
            return self._taken(), ()
        at = [0, *accumulate(map(len, self.text))]
        links = tuple((at[begins], at[ends], target) for begins, ends, target in self.links)
        return self._taken(), links

    def flush(self) -> None:
        """End the open paragraph or list item."""
        text, links = self._linked()
        if not text.strip():
            return
        if self.lists:
            # A second paragraph of an item has no marker of its own and stands under it.
            moved = len(self.marker) - (len(text) - len(text.lstrip()))
            links = tuple((a + moved, b + moved, target) for a, b, target in links)
            self.blocks.append(Block("list_item", self.marker + text.strip(), len(self.lists) - 1, links=links))
        else:
            self.blocks.append(Block("paragraph", text, links=links))
        self.marker = ""


def _tidy(text: str) -> str:
    """Marks that were meant as Markdown and are not valid: ``** bold**``, ``[text](a target with blanks)``."""
    if "](" in text:
        text = _FAILED_LINK.sub(r"\1", text)
    return _FAILED_STRONG.sub("", text) if "**" in text else text


def _front_matter_title(text: str) -> str:
    try:
        front = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    title = front.get("title") if isinstance(front, dict) else None
    return one_line(title) if isinstance(title, str) else ""
