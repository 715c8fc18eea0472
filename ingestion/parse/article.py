"""The article of a web page: `trafilatura` tells where it is, and what is there is left to our own reader.

    page ─▶ what trafilatura keeps ─▶ where that stands ─▶ is prose lost? then wider ─▶ furniture inside goes

Its own output is not used: it loses definitions, headers of tables and whatever looks like a list of links. Where it
finds nothing, or what it leaves out is not what stands around an article, more of the page is read, to the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from lxml import etree

from ingestion.parse import hidden, partition
from ingestion.parse.blocks import Block, Held, blocks_of, held_by
from ingestion.parse.furniture import holds_facts, is_beside, is_fact, is_links, is_named

MOST = 20_000
MOST_TEXT = 2_000_000
"""Elements, and characters, of a page whose article is looked for. A larger one is a data dump, and takes long."""
_LEAST = 140
_HARDLY = 0.05
"""Characters, blanks aside, and share of the page, that trafilatura must keep to be believed."""
_NEARLY_ALL = 0.95
_STRAY = 40
"""Characters that trafilatura keeps of something else, such as the site's name; more of them are prose."""
_MAY_GO = 0.2
"""How much prose that it does not keep may stand outside of the article, by the size of that."""
_SMALL = 0.25
"""Less than this share of all that is no link is no article that can be believed."""
_RUN = 4
"""Words in a row that say whether a block is one that trafilatura kept."""
_LAYOUT = frozenset(
    {"body", "div", "section", "article", "main", "form", "center", "table", "tbody", "tr", "td", "details"}
)
_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
_UNWRAPPED = frozenset({"form", "tbody", "tr", "td"})
_FAILURES = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RuntimeError, etree.LxmlError,
)  # fmt: skip
_WHOLE = ("no article told apart: read like any other HTML",)

_Runs = frozenset[tuple[str, ...]]
_Holds = dict[etree._Element, Held]


def narrow(root: etree._Element) -> tuple[str, ...]:
    """Cut a page, from which all that is not seen was taken, down to its article. What was done, as notes."""
    body = root.find("body")
    if body is None or sum(1 for _ in root.iter()) > MOST or sum(map(len, root.itertext())) > MOST_TEXT:
        return _WHOLE
    blocks = blocks_of(body)
    runs = _found(root)
    # A page's title may stand in a band of its own: it does not say where the article is.
    kept = [block for block in blocks if block.element.tag != "h1" and _is_kept(block, runs)]
    holds = held_by(body, blocks, kept)
    before = holds[body]
    if before.kept < max(_LEAST, _HARDLY * before.characters):
        return _WHOLE
    place = _place(body, holds)
    if holds[place].characters < _SMALL * (before.characters - before.linked):
        return _WHOLE
    for main in body.iter("main"):  # `unstructured` reads nothing else where there is one
        main.tag = "div"
    if place is not body:
        _leave(body, place, _title_above(body, place))
    _tidy(body, holds)
    left = before.characters - sum(block.characters for block in blocks_of(body))
    return (f"{left:,} of {before.characters:,} characters left out, around the article",) if left > 0 else _WHOLE


@cache
def _extraction() -> Any:
    """Imported when the first page comes whose article is wanted: what it weighs is not the document's doing."""
    with partition.making_ready():
        from trafilatura import bare_extraction
    return bare_extraction


def _found(root: etree._Element) -> _Runs:
    """Every run of words that trafilatura keeps. It is given a copy, and neither an address nor a wish for dates."""
    try:
        found = _extraction()(root, include_comments=False, include_tables=True, with_metadata=False)
    except _FAILURES:
        return frozenset()
    if found is None or found.body is None:
        return frozenset()
    return frozenset(run for block in blocks_of(found.body) for run in _runs(block))


def _runs(block: Block) -> Iterator[tuple[str, ...]]:
    """What has fewer words is one run, so a word in a menu is not kept because an article has it as well."""
    words = block.words
    return (words[at : at + _RUN] for at in range(max(1, len(words) - _RUN + 1)))


def _is_kept(block: Block, runs: _Runs) -> bool:
    own = list(_runs(block))
    return 2 * sum(run in runs for run in own) >= len(own)


def _place(body: etree._Element, holds: _Holds) -> etree._Element:
    """The smallest element that has nearly all of what was kept, and beside which nothing to speak of would be lost."""
    place, wanted = body, _NEARLY_ALL * holds[body].kept
    while (inner := next((e for e in place if e.tag in _LAYOUT and holds[e].kept >= wanted), None)) is not None:
        place = inner
    while place is not body and _loses(body, place, holds):
        place = place.getparent()
    # Of a page with little text trafilatura keeps all: then it is the page that says where its main part is.
    main = next((e for e in place.iter() if e is not place and (e.tag == "main" or e.get("role") == "main")), None)
    return place if main is None or _loses(body, main, holds) else main


def _loses(body: etree._Element, place: etree._Element, holds: _Holds) -> bool:
    """Whether outside of ``place`` stands what does not look like it stood around an article."""
    rest: list[etree._Element] = []
    lost = kept = 0
    inner = place
    while inner is not body:
        outer = inner.getparent()
        assert outer is not None
        own, own_kept = _own(outer, holds)
        lost, kept = lost + own, kept + own_kept
        rest += [element for element in outer if element is not inner]
        inner = outer
    while rest:
        one = rest.pop()
        held = holds[one]
        if not held.characters or one.tag == "h1" or is_links(held) or is_named(one, held):
            continue
        if is_beside(one):
            if holds_facts(one):
                return True
            continue
        if is_fact(one) or one.tag in _HEADINGS:
            return True
        own, own_kept = _own(one, holds)
        lost, kept = lost + own, kept + own_kept
        rest.extend(one)
    return kept > _STRAY or lost > _MAY_GO * holds[place].characters


def _own(element: etree._Element, holds: _Holds) -> tuple[int, int]:
    """What it holds that no element in it does: characters, and those that were kept."""
    inside = [holds[one] for one in element]
    held = holds[element]
    return held.characters - sum(one.characters for one in inside), held.kept - sum(one.kept for one in inside)


def _title_above(body: etree._Element, place: etree._Element) -> etree._Element | None:
    """The heading of an article that begins without one: the last above it that is no link, as a site's name is."""
    first = next((block.element for block in blocks_of(place)), place)
    if first.tag == "h1" or first.tag in _HEADINGS or any(_said(h1) for h1 in place.iter("h1")):
        return None
    above = None
    for element in body.iter():
        if element is place:
            break
        if element.tag == "h1" and _said(element) and element.find(".//a") is None:
            above = element
    return above


def _said(element: etree._Element) -> str:
    return "".join(element.itertext()).strip()


def _leave(body: etree._Element, place: etree._Element, title: etree._Element | None) -> None:
    """Leave ``place``, and ``title`` above it, as all that the body has."""
    for one in (place, title):
        if one is not None:
            hidden.remove(one)
            one.tail = None
    for child in list(body):
        body.remove(child)
    body.text = None
    if title is not None:
        body.append(title)
    if place.tag in _UNWRAPPED:
        place.tag = "div"
    body.append(place)


def _tidy(body: etree._Element, holds: _Holds) -> None:
    """Take away what stands within the article's bounds, says that it is none of it, and was not kept."""
    rest = list(body)
    while rest:
        one = rest.pop()
        held = holds.get(one)
        if held is None:
            continue
        if not held.kept and held.characters and is_named(one, held) and not holds_facts(one):
            hidden.remove(one)
        elif not is_fact(one):
            rest.extend(one)
