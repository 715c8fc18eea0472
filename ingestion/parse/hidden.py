"""What a document holds and does not show: hidden elements of HTML. It is left out, and said to be.

Only what an element says of itself counts. A style sheet may hide it too, or give it the colour of what is behind it;
to know that takes a browser.
"""

from __future__ import annotations

import re

from lxml import etree

_END = r"\s*(?:!important\s*)?(?:;|$)"
_ZERO = r"[+-]?0*\.?0+(?:px|pt|em|rem|ex|vw|vh|%)?"
_STYLE = re.compile(
    rf"(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|content-visibility\s*:\s*hidden"
    rf"|font-size\s*:\s*{_ZERO}{_END}|opacity\s*:\s*{_ZERO}{_END}"
    rf"|text-indent\s*:\s*-\d{{3,}}|(?<![\w-])(?:left|top|right|bottom)\s*:\s*-\d{{3,}}"
    rf"|transform\s*:\s*scale\(\s*0(?:\.0+)?\s*\))",
    re.I,
)
_CUT = re.compile(r"overflow(?:-[xy])?\s*:\s*(?:hidden|clip)", re.I)
_NO_ROOM = re.compile(rf"(?<![\w-])(?:max-)?(?:height|width)\s*:\s*{_ZERO}{_END}", re.I)
MAY_HIDE = re.compile(
    r"<[^<>]{0,2000}?\b(?:hidden|none|collapse|font-size|opacity|overflow|text-indent|left|top|right|bottom|scale)\b",
    re.I,
)
"""Matches every markup that could hide something, and more."""


def is_hidden(element: etree._Element) -> bool:
    style = element.get("style") or ""
    no_room = _NO_ROOM.search(style) and _CUT.search(style)
    return element.get("hidden") is not None or bool(_STYLE.search(style) or no_room)


def tag_hides(tag: str) -> bool:
    """Whether one opening tag, as it is written, hides what follows up to its end."""
    if not MAY_HIDE.match(tag):
        return False
    found = etree.fromstring(tag, etree.HTMLParser(no_network=True, huge_tree=False))
    body = None if found is None else found.find("body")
    return body is not None and len(body) > 0 and is_hidden(body[0])


def remove(element: etree._Element) -> None:
    """Take ``element`` out and leave the text that follows it in place."""
    parent, before = element.getparent(), element.getprevious()
    if parent is None:
        return
    if element.tail:
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def shown(fragment: str) -> tuple[str, int]:
    """A fragment of HTML without its hidden elements, and how many those were."""
    if not MAY_HIDE.search(fragment):
        return fragment, 0
    root = etree.fromstring(f"<div>{fragment}</div>", etree.HTMLParser(no_network=True, huge_tree=False))
    if root is None:
        return fragment, 0
    count = 0
    for element in list(root.iter()):
        if isinstance(element.tag, str) and is_hidden(element):
            remove(element)
            count += 1
    return (etree.tostring(root, encoding="unicode", method="html"), count) if count else (fragment, 0)


def note(count: int) -> tuple[str, ...]:
    return (f"{count} hidden element{'s' if count > 1 else ''} left out",) if count else ()
