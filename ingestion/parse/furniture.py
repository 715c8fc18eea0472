"""What stands around an article: told by its markup alone, and never what holds a table, a listing or definitions."""

from __future__ import annotations

import re

from lxml import etree

from ingestion.parse.blocks import Held

_TAGS = frozenset({"nav", "footer", "form", "button", "select", "menu", "dialog"})
_ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "toolbar", "dialog", "alertdialog"}
)
_NAMES = re.compile(
    r"cookie|consent|gdpr|newsletter|bread-?crumb|footer|navbar|navigation|pagination|disqus"
    r"|(?:^|[\s_-])(?:comments?|respond|adverts?|advertisements?|ads|popup)(?:$|[\s_-])"
)
_NAMES_OF_LINKS = re.compile(
    r"sidebar|(?:^|[\s_-])(?:nav|menu|toc|share|sharing|social|related|recommended|promo|sponsored|subscribe|skip"
    r"|banner|toolbar|tags?)(?:$|[\s_-])"
)
"""Words that an article uses of its own parts as well: a canteen has a menu. They count where links are."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_WORDS = re.compile(r"[\W_]+")
_SOME_LINKS, _MOST_LINKS = 0.25, 0.5


def is_named(element: etree._Element, held: Held) -> bool:
    """Whether the element says of itself that it is no part of an article."""
    if element.tag in _TAGS or (element.get("role") or "").strip().lower() in _ROLES:
        return True
    said = _CAMEL.sub("-", f"{_own_id(element)} {element.get('class') or ''}").lower()
    has_links = held.linked >= _SOME_LINKS * held.characters
    return bool(_NAMES.search(said) or (has_links and _NAMES_OF_LINKS.search(said)))


def is_beside(element: etree._Element) -> bool:
    """Whether it is a thing of its own, in an article as well as next to one."""
    return element.tag in ("aside", "header") or "sidebar" in f"{element.get('id')} {element.get('class')}".lower()


def is_links(held: Held) -> bool:
    return held.linked > _MOST_LINKS * held.characters


def holds_facts(element: etree._Element) -> bool:
    """Whether there is something in it that nobody puts around an article: a table, a listing, definitions."""
    return any(is_fact(one) for one in element.iter("pre", "dl", "table"))


def is_fact(element: etree._Element) -> bool:
    return element.tag in ("pre", "dl") or (element.tag == "table" and _is_table(element))


def _own_id(element: etree._Element) -> str:
    """Not the one that is made from its heading, as generators of pages do: a section on cookies is no banner."""
    said = element.get("id") or ""
    heading = next(element.iter("h1", "h2", "h3", "h4", "h5", "h6"), None) if said else None
    if heading is not None and _slug("".join(heading.itertext())) == _slug(said):
        return ""
    return said


def _slug(text: str) -> str:
    return _NOT_WORDS.sub("-", text.lower()).strip("-")


def _is_table(table: etree._Element) -> bool:
    """Two rows of two cells or more; a table with less is layout."""
    wide = [row for row in table.iter("tr") if sum(1 for _ in row.iter("td", "th")) > 1]
    return len(wide) > 1 and table.find(".//table") is None
