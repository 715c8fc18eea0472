"""Confluence's storage format as plain HTML: its macros, links and layouts in words that any reader of HTML knows.

What is written is made anew, element by element from a list and text escaped, so that nothing of the body gets through
as it stands. Nothing is resolved or included: neither entities, nor pictures, nor what other pages say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape
from html.entities import name2codepoint

from lxml import etree

from connectors.atlassian.text import legible
from vouch.core.errors import DocumentRejected

_KEPT = frozenset((
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "table", "thead", "tbody", "tfoot", "tr", "th",
    "td", "strong", "b", "em", "i", "u", "s", "del", "ins", "sub", "sup", "code", "pre", "blockquote", "span",
    "div", "dl", "dt", "dd", "small", "caption", "q",
))  # fmt: skip
_EMPTY = frozenset(("br", "hr"))
_DROPPED = frozenset((
    "script", "style", "template", "iframe", "object", "embed", "col", "colgroup", "svg", "head",
))  # fmt: skip
_ATTRIBUTES = ("colspan", "rowspan", "style", "hidden")
_SILENT = frozenset((
    "parameter", "placeholder", "task-id", "task-uuid", "task-status", "adf-attribute", "default-parameter",
))  # fmt: skip
_CODE = frozenset(("html", "style", "javascript", "css", "script"))
"""Macros whose text is run rather than read."""
_CDATA = "<![CDATA["
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_XML_OWN = frozenset(("amp", "lt", "gt", "quot", "apos"))
_PREFIX = re.compile(r"[<\s/]([A-Za-z_][\w.-]{0,40}):[A-Za-z_]")
_MAX_PREFIXES = 100
_URN = "urn:vouch:"


def html(storage: str) -> str:
    """A body in the storage format as HTML, its headings one level lower: the page's title is above them.

    Raises :class:`DocumentRejected` (``unreadable``) for what is not well-formed.
    """
    text = legible(storage)
    begin, *verbatim = text.split(_CDATA)
    parts = [_ENTITY.sub(_char, begin)]
    for part in verbatim:
        inside, end, after = part.partition("]]>")
        parts += (_CDATA, inside, end, _ENTITY.sub(_char, after))
    text = "".join(parts)
    prefixes = sorted({*_PREFIX.findall(text)} - {"xml", "xmlns"})[:_MAX_PREFIXES]
    declared = "".join(f' xmlns:{prefix}="{_URN}{prefix}"' for prefix in prefixes)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(f"<body{declared}>{text}</body>".encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRejected("The body is not well-formed.", reason="unreadable") from error
    return "".join(_inside(root))


def _char(match: re.Match[str]) -> str:
    """A named character of HTML, which XML does not know; one that neither knows stays as it is written."""
    if match[1] in _XML_OWN:
        return match[0]
    code = name2codepoint.get(match[1])
    return chr(code) if code is not None else f"&amp;{match[1]};"


def _inside(element: etree._Element) -> Iterator[str]:
    yield escape(element.text or "", quote=False)
    for child in element:
        if isinstance(child.tag, str):
            yield from _written(child)
        yield escape(child.tail or "", quote=False)


def _written(element: etree._Element) -> Iterator[str]:
    name = etree.QName(element)
    if element.prefix in ("ac", "ri") and name.namespace != f"{_URN}{element.prefix}":
        raise DocumentRejected("The body gives Confluence's elements another meaning.", reason="unreadable")
    if name.namespace in (f"{_URN}ac", f"{_URN}ri"):
        yield from _OWN.get(name.localname, _unwrapped)(element)
    elif name.namespace is None and name.localname == "a":
        yield from _anchor(element)
    elif name.namespace is None and name.localname == "time":
        yield escape(element.get("datetime") or "".join(element.itertext()))
    elif name.namespace is None and name.localname in _EMPTY:
        yield f"<{name.localname}>"
    elif name.localname in _KEPT:
        tag = re.sub(r"h([1-5])", lambda level: f"h{int(level[1]) + 1}", name.localname)
        said = "".join(f' {a}="{escape(element.get(a, ""))}"' for a in _ATTRIBUTES if element.get(a) is not None)
        yield f"<{tag}{said}>"
        yield from _inside(element)
        yield f"</{tag}>"
    elif name.localname not in _DROPPED:
        yield from _inside(element)


def _anchor(element: etree._Element) -> Iterator[str]:
    href = (element.get("href") or "").strip()
    if href.lower().startswith(("http://", "https://", "mailto:")):
        yield f'<a href="{escape(href)}">'
        yield from _inside(element)
        yield "</a>"
    else:
        yield from _inside(element)


def _unwrapped(element: etree._Element) -> Iterator[str]:
    if etree.QName(element).localname not in _SILENT:
        yield from _inside(element)


def _block(element: etree._Element) -> Iterator[str]:
    yield "<div>"
    yield from _inside(element)
    yield "</div>"


def _macro(element: etree._Element) -> Iterator[str]:
    name = _said(element, "name").lower()
    parameters = {_said(child, "name").lower(): _text(child) for child in _own(element, "parameter")}
    if parameters.get("hidden", "").lower() == "true" or name in _CODE:
        return  # nobody who reads the page sees it
    if name in ("status", "jira"):
        yield escape(parameters.get("title") or parameters.get("key") or "")
        return
    plain, rich = _own(element, "plain-text-body"), _own(element, "rich-text-body")
    if (plain or rich) and parameters.get("title"):
        yield f"<p><strong>{escape(parameters['title'])}</strong></p>"
    for body in plain:
        # The first line break of a <pre> is not part of it.
        yield f"<pre><code>\n{escape(_text(body), quote=False)}</code></pre>"
    for body in rich:
        yield from _block(body)


def _link(element: etree._Element) -> Iterator[str]:
    """The words of a link; where it has none, the name of what it leads to."""
    for body in (*_own(element, "link-body"), *_own(element, "plain-text-link-body")):
        if _text(body).strip():
            yield from _inside(body)
            return
    yield from _names(element)


def _names(element: etree._Element) -> Iterator[str]:
    for child in element:
        if isinstance(child.tag, str):
            yield escape(child.get(f"{{{_URN}ri}}content-title") or child.get(f"{{{_URN}ri}}filename") or "")


def _image(element: etree._Element) -> Iterator[str]:
    yield escape(_said(element, "alt"))
    for caption in _own(element, "caption"):
        yield from _inside(caption)


def _emoticon(element: etree._Element) -> Iterator[str]:
    fallback = _said(element, "emoji-fallback")
    yield "" if fallback.startswith(":") else escape(fallback)


def _task(element: etree._Element) -> Iterator[str]:
    done = any(_text(status).strip() == "complete" for status in _own(element, "task-status"))
    yield f"<li>[{'x' if done else ' '}] "
    for body in _own(element, "task-body"):
        yield from _inside(body)
    yield "</li>"


def _tasks(element: etree._Element) -> Iterator[str]:
    yield "<ul>"
    yield from _inside(element)
    yield "</ul>"


def _extension(element: etree._Element) -> Iterator[str]:
    """Of the new editor's own nodes what they hold, else what stands in for them."""
    if any(True for _ in element.iter(f"{{{_URN}ac}}adf-content")):
        for node in _own(element, "adf-node"):
            yield from _inside(node)
    else:
        for fallback in _own(element, "adf-fallback"):
            yield from _inside(fallback)


def _nothing(element: etree._Element) -> Iterator[str]:
    yield from ()


_OWN: dict[str, Callable[[etree._Element], Iterator[str]]] = {
    "structured-macro": _macro, "macro": _macro, "link": _link, "image": _image, "emoticon": _emoticon, "task": _task,
    "task-list": _tasks, "adf-extension": _extension, "layout": _block, "layout-section": _block, "layout-cell": _block,
    "adf-content": _block, "adf-fallback": _nothing, "plain-text-body": _nothing,
}  # fmt: skip


def _own(element: etree._Element, name: str) -> list[etree._Element]:
    return list(element.findall(f"{{{_URN}ac}}{name}"))


def _said(element: etree._Element, name: str) -> str:
    return element.get(f"{{{_URN}ac}}{name}") or ""


def _text(element: etree._Element) -> str:
    return "".join(map(str, element.itertext()))
