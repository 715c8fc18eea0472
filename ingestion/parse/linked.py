"""The links of a document: where in the normalised text each stands, and which are kept.

A span is told only where the text there is the link's, character for character; the target is kept without it else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from ingestion.parse.detect import EML, EPUB, MSG
from ingestion.parse.document import Block, Link
from ingestion.parse.normalise import normalise, one_line
from vouch.core.types import Span

MOST = 1_000
"""Kept of one version, one for each target. A page with more is an index of links, and made by a program."""
MOST_MET = 20 * MOST
"""Looked at in one file."""
MOST_PLACED = 5 * MOST
"""Whose place is looked for: most pages name a target more than once."""
LONGEST = 1_000
"""Characters of a target."""
_LONGEST_BLOCK = 10_000
"""What stands before a link is normalised again to find its place, so in long blocks none is looked for."""
# Their parts are files of their own: what is relative leads to another part, or nowhere.
_OF_PARTS = frozenset({EML, EPUB, MSG})


def placed(block: Block, text: str, start: int) -> Iterator[Link]:
    """The links of ``block``, whose normalised ``text`` begins at ``start`` of the whole."""
    if block.kind in ("table", "code") or len(block.text) > _LONGEST_BLOCK:
        yield from (Link(target) for _, _, target in block.links)
        return
    form = one_line if block.kind in ("title", "heading") else normalise
    indent = len(text) - len(text.lstrip(" "))
    for begins, ends, target in block.links:
        said = form(block.text[begins:ends])
        # With a letter behind it, so that a blank before the link is not trimmed as one at the end.
        at = indent + len(form(block.text[:begins] + "x")) - 1
        found = bool(said) and text[at : at + len(said)] == said
        yield Link(target, Span(start + at, start + at + len(said)) if found else None)


def within(text: str, links: Iterable[tuple[str, str]]) -> tuple[tuple[int, int, str], ...]:
    """As a block has them, those of ``links`` (their texts and targets) whose text stands in ``text`` just once."""
    if len(text) > _LONGEST_BLOCK:
        return ()
    once = ((text.find(said), said, target) for said, target in islice(links, MOST) if said and text.count(said) == 1)
    return tuple((at, at + len(said), target) for at, said, target in once)


def kept(links: Sequence[Link], unplaced: Iterable[str], mime: str) -> tuple[Link, ...]:
    """Each target once, where it is first met; those without a place come last."""
    found: dict[str, Link] = {}
    for link in chain((one for one in links if one.span), links, map(Link, unplaced)):
        target = link.target.strip()
        if len(found) == MOST:
            break
        if target not in found and _leads_on(target) and not (mime in _OF_PARTS and "://" not in target):
            found[target] = Link(target, link.span)
    return tuple(found.values())


def _leads_on(target: str) -> bool:
    """Whether it can lead to another document, and is text that can be kept and shown."""
    return 0 < len(target) <= LONGEST and not target.startswith("#") and target.isprintable()
