"""The text of an HTML tree by blocks, and what each element holds of it.

A block is what a reader sees as one run of text: a paragraph, a cell, an item of a list, with the markup inside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree

_INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time",
    "tt", "u", "var", "wbr", "hi", "lb", "ref",
})  # fmt: skip
"""The last three are those of the trees that `trafilatura` makes."""
_WORD = re.compile(r"\w+")


@dataclass(slots=True)
class Block:
    """``linked``: how many of its characters belong to links."""

    element: etree._Element
    parts: list[str] = field(default_factory=list)
    linked: int = 0

    def add(self, text: str | None, *, linked: bool) -> None:
        if text and not text.isspace():
            self.linked += _visible(text) if linked else 0
        self.parts.append(text or " ")

    @property
    def characters(self) -> int:
        return sum(map(_visible, self.parts))

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(_WORD.findall("".join(self.parts).lower()))


@dataclass(slots=True)
class Held:
    """Characters in an element, blanks aside: all, those of links, and those of blocks that belong to the article."""

    characters: int = 0
    linked: int = 0
    kept: int = 0


def blocks_of(root: etree._Element) -> list[Block]:
    """Those that hold words, in the order in which they begin."""
    homes: dict[etree._Element, Block] = {root: Block(root)}
    links = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        is_link = element.tag in ("a", "ref")
        if event == "start":
            links += is_link
            inside = element is not root and element.tag in _INLINE
            home = homes[element] = homes[element.getparent()] if inside else homes.get(element) or Block(element)
            home.add(element.text, linked=links > 0)
            continue
        links -= is_link
        if element is not root:
            homes[element.getparent()].add(element.tail, linked=links > 0)
    return [block for element, block in homes.items() if block.element is element and block.words]


def held_by(root: etree._Element, blocks: list[Block], kept: list[Block]) -> dict[etree._Element, Held]:
    """What each element down from ``root`` holds; ``kept`` are those of ``blocks`` that belong to the article."""
    of_article = {block.element for block in kept}
    held: dict[etree._Element, Held] = {element: Held() for element in root.iter()}
    for block in blocks:
        characters = block.characters
        element: etree._Element | None = block.element
        while element is not None and element in held:
            sums = held[element]
            sums.characters += characters
            sums.linked += block.linked
            sums.kept += characters if block.element in of_article else 0
            element = element.getparent()
    return held


def _visible(text: str) -> int:
    return sum(map(len, text.split()))
