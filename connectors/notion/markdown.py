"""Blocks of Notion as Markdown. The title of the page is its first heading, so the others are one level lower.

A file that Notion keeps has an address that anybody may read it by for an hour; it is left out for that of its block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from connectors.notion.blocks import CHILDREN, Block
from connectors.notion.text import ELSEWHERE, code_of, escaped, inline, linked, notion_link, one_line

_NOTHING = frozenset({"breadcrumb", "table_of_contents", "unsupported", "template", "table_row"})
_LISTS = frozenset({"bulleted_list_item", "numbered_list_item", "to_do"})
_FILES = frozenset({"image", "video", "pdf", "file", "audio"})
_UNESCAPED = re.compile(r"(?<!\\)\|")
_LANGUAGE = re.compile(r"[A-Za-z0-9+#.-]{1,30}")


def markdown(blocks: Sequence[Block], roots: Collection[str]) -> str:
    """``roots``: ids of pages and databases that other people may be allowed to read, so that they are not named."""
    return _Writer(frozenset(roots)).written(blocks)


class _Writer:
    def __init__(self, roots: frozenset[str]) -> None:
        self._roots = roots

    def written(self, blocks: Sequence[Block]) -> str:
        """Blocks below each other; entries of one list without a line between them."""
        text, number, before = "", 0, ""
        for block in blocks:
            number = number + 1 if block.kind == before == "numbered_list_item" else 1
            part = self._list_item(block, number) if block.kind in _LISTS else self._block(block)
            if part:
                tight = block.kind == before and block.kind in _LISTS
                text += ("\n" if tight else "\n\n") * bool(text) + part
                before = block.kind
        return text

    def _list_item(self, block: Block, number: int) -> str:
        marker = f"{number}. " if block.kind == "numbered_list_item" else "- "
        text = inline(block.said.get("rich_text")).strip()
        if block.kind == "to_do":
            text = f"[{'x' if block.said.get('checked') is True else ' '}] {text}"
        inside = self.written(block.inside)
        tight = all(child.kind in _LISTS for child in block.inside)
        whole = ("\n" if tight else "\n\n").join(part for part in (text, inside) if part)
        return (marker + _indented(whole, " " * len(marker))).rstrip()

    def _block(self, block: Block) -> str:
        if block.kind in _NOTHING:
            return ""
        if block.kind in CHILDREN:
            return self._child(block)
        if block.kind in _FILES:
            return _file(block)
        own = _KINDS.get(block.kind, _text)(block)
        if block.kind == "table":
            return own
        whole = "\n\n".join(part for part in (own, self.written(block.inside)) if part)
        if block.kind in ("quote", "callout") and whole:
            return "\n".join(f"> {line}".rstrip() for line in whole.split("\n"))
        return whole

    def _child(self, block: Block) -> str:
        title = escaped(" ".join(str(block.said.get("title") or "").split()))
        return linked(title if title and block.id not in self._roots else ELSEWHERE, notion_link(block.id))


def _text(block: Block) -> str:
    return inline(block.said.get("rich_text")).strip()


def _heading(block: Block) -> str:
    text = one_line(block.said.get("rich_text"))
    return f"{'#' * (int(block.kind[-1]) + 1)} {text}" if text else ""


def _code(block: Block) -> str:
    text = code_of(block.said.get("rich_text"))
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    said = str(block.said.get("language") or "")
    language = said if _LANGUAGE.fullmatch(said) else ""
    return "\n\n".join(part for part in (f"{fence}{language}\n{text}\n{fence}", _caption(block)) if part)


def _table(block: Block) -> str:
    rows: list[list[str]] = []
    for row in block.inside:
        cells = row.said.get("cells")
        if row.kind == "table_row" and isinstance(cells, list):
            rows.append([_UNESCAPED.sub(r"\|", one_line(cell)) for cell in cells])
    if not rows:
        return ""
    width = max(1, *(len(row) for row in rows))
    if block.said.get("has_column_header") is not True:
        rows.insert(0, [""] * width)
    rows = [row + [""] * (width - len(row)) for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])


def _equation(block: Block) -> str:
    return f"$${escaped(' '.join(str(block.said.get('expression') or '').split()))}$$"


def _address(block: Block) -> str:
    return linked(_caption(block), block.said.get("url"))


def _link_to_page(block: Block) -> str:
    id = block.said.get("page_id") or block.said.get("database_id")
    return linked(ELSEWHERE, notion_link(id)) if isinstance(id, str) else ""


def _file(block: Block) -> str:
    external = block.said.get("external")
    url = external.get("url") if isinstance(external, dict) else notion_link(block.id)
    name = escaped(" ".join(str(block.said.get("name") or "").split()))
    return linked(_caption(block) or name or block.kind, url)


def _caption(block: Block) -> str:
    return one_line(block.said.get("caption"))


def _indented(text: str, by: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *(f"{by}{line}" if line else "" for line in others)])


_KINDS: dict[str, Callable[[Block], str]] = {
    "heading_1": _heading,
    "heading_2": _heading,
    "heading_3": _heading,
    "heading_4": _heading,
    "code": _code,
    "table": _table,
    "equation": _equation,
    "divider": lambda block: "***",
    "bookmark": _address,
    "embed": _address,
    "link_preview": _address,
    "link_to_page": _link_to_page,
}
