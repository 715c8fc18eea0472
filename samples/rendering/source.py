"""A source as typed blocks: YAML front matter, then Markdown (headings, paragraphs, lists, tables)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

_FENCE = "---\n"


@dataclass(frozen=True)
class Run:
    """A piece of text in one weight and slope."""

    text: str
    bold: bool = False
    italic: bool = False


Runs = tuple[Run, ...]


@dataclass(frozen=True)
class Heading:
    """A heading; ``level`` counts from 1, the document's own title not included."""

    level: int
    runs: Runs


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of prose."""

    runs: Runs


@dataclass(frozen=True)
class Item:
    """A list item; ``depth`` counts from 0 and ``number`` is None in a bulleted list."""

    runs: Runs
    depth: int
    number: int | None


@dataclass(frozen=True)
class Table:
    """A table: its header, its rows, and for each column whether it is set flush right."""

    header: tuple[Runs, ...]
    rows: tuple[tuple[Runs, ...], ...]
    right: tuple[bool, ...]

    def shares(self) -> list[float]:
        """Each column's share of the width, summing to 1: by its longest cell, so that none starves the others."""
        columns = zip(self.header, *self.rows, strict=True)
        wanted = [min(max(len(plain(runs)) for runs in column), 55) + 5 for column in columns]
        return [share / sum(wanted) for share in wanted]


Block = Heading | Paragraph | Item | Table


@dataclass(frozen=True)
class Meta:
    """What a file says of itself: title, line below the title, author and the day it was last changed."""

    title: str
    subtitle: str
    author: str
    date: date

    @property
    def moment(self) -> datetime:
        """Nine in the morning, UTC, of that day: the only clock a rendered file knows."""
        return datetime(self.date.year, self.date.month, self.date.day, 9, tzinfo=UTC)


def split(text: str) -> tuple[Meta, str]:
    """The front matter and the body of a source. Raises ``ValueError`` where either is missing."""
    empty, front, body = text.split(_FENCE, 2)
    if empty:
        raise ValueError("a source starts with front matter between two lines of ---")
    return Meta(**yaml.safe_load(front)), body


def plain(runs: Runs) -> str:
    """The text of the runs without their formatting."""
    return "".join(run.text for run in runs)


def blocks(markdown: str) -> tuple[Block, ...]:
    """The blocks of a Markdown text. Raises ``ValueError`` for what no renderer here can show (images, HTML, code)."""
    return tuple(_Walk(MarkdownIt("commonmark").enable("table").parse(markdown)).blocks())


class _Walk:
    """One pass over markdown-it's flat token stream."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = iter(tokens)
        self._lists: list[int | None] = []

    def blocks(self) -> Iterator[Block]:
        for token in self._tokens:
            match token.type:
                case "heading_open":
                    yield Heading(int(token.tag[1]), self._inline())
                case "paragraph_open":
                    yield self._text()
                case "table_open":
                    yield self._table()
                case "bullet_list_open":
                    self._lists.append(None)
                case "ordered_list_open":
                    self._lists.append(int(token.attrGet("start") or 1) - 1)
                case "bullet_list_close" | "ordered_list_close":
                    self._lists.pop()
                case "list_item_open":
                    if self._lists[-1] is not None:
                        self._lists[-1] += 1
                case "heading_close" | "paragraph_close" | "list_item_close":
                    pass
                case other:
                    raise ValueError(f"line {(token.map or [0])[0] + 1}: {other} has no rendering")

    def _text(self) -> Paragraph | Item:
        runs = self._inline()
        return Item(runs, len(self._lists) - 1, self._lists[-1]) if self._lists else Paragraph(runs)

    def _inline(self) -> Runs:
        return _runs(next(self._tokens))

    def _table(self) -> Table:
        rows: list[list[Runs]] = []
        right: list[bool] = []
        for token in self._tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "th_open":
                right.append("right" in str(token.attrGet("style")))
            elif token.type == "inline":
                rows[-1].append(_runs(token))
            elif token.type == "table_close":
                break
        return Table(tuple(rows[0]), tuple(map(tuple, rows[1:])), tuple(right))


def _runs(inline: Token) -> Runs:
    runs: list[Run] = []
    bold = italic = False
    for child in inline.children or ():
        match child.type:
            case "text":
                runs.append(Run(child.content, bold, italic))
            case "softbreak":
                runs.append(Run(" ", bold, italic))
            case "strong_open" | "strong_close":
                bold = child.type == "strong_open"
            case "em_open" | "em_close":
                italic = child.type == "em_open"
            case other:
                raise ValueError(f"{inline.content!r}: {other} has no rendering")
    return tuple(run for run in runs if run.text)
