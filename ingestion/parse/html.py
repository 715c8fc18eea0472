"""HTML through `unstructured`, after what a reader of the page would not see is taken away."""

from __future__ import annotations

import re
from itertools import islice

from lxml import etree
from lxml import html as lxml_html

from ingestion.parse import article, hidden, partition
from ingestion.parse.detect import decode
from ingestion.parse.document import Block, Draft
from ingestion.parse.linked import MOST_MET
from ingestion.parse.normalise import one_line
from vouch.core.errors import DocumentRejected

_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{2,40})", re.I)
_THREAD = re.compile(r"[\"']@type[\"']\s{0,20}:\s{0,20}\[?\s{0,20}[\"'](?:DiscussionForumPosting|QAPage)[\"']")
_WRAPPERS = {"details": "div", "summary": "p", "figure": "div", "figcaption": "p"}
_UNSEEN = ("script", "style", "template", "noscript", "nav", "iframe", "object", "svg", "head")


def read(data: bytes, name: str) -> Draft:
    return from_text(_text(data))


def read_article(data: bytes, name: str) -> Draft:
    """A page of a web site without what stands around its article. A thread is all of what was written there."""
    text = _text(data)
    return from_text(text, only_article=_THREAD.search(text) is None)


def from_text(text: str, *, only_article: bool = False) -> Draft:
    """A page or a fragment of one. Hidden elements, scripts and navigation are left out."""
    root = _root(text)
    if root is None:
        return Draft(())
    title = _head_title(root)
    language = re.match(r"[a-z]{2}\b", (root.get("lang") or "").lower())
    count = _drop_unseen(root)
    _unwrap(root)
    notes = article.narrow(root) if only_article else ()
    visible = etree.tostring(root, encoding="unicode", method="html")
    elements = partition.partitioner("html")(text=visible, languages=[""])
    found = partition.blocks(elements, heading_level=lambda e: (e.metadata.category_depth or 0) + 1, outer_list=1)
    blocks = tuple(found)
    return Draft(
        blocks,
        title=_page_title(title, blocks),
        language=language[0] if language else "",
        pictures=root.find(".//img") is not None,
        notes=(*hidden.note(count), *notes),
        links=tuple(a.get("href", "") for a in islice(root.iter("a"), MOST_MET)),
    )


def _text(data: bytes) -> str:
    declared = _CHARSET.search(data[:4096])
    return decode(data, declared=declared[1].decode("ascii") if declared else None)


def _root(text: str) -> etree._Element | None:
    """Raises :class:`DocumentRejected` (``too_deep``) where libxml2 stops reading, which is not where the page ends."""
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True)
    root = etree.fromstring(text.encode("utf-8", errors="replace"), parser)
    if any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise DocumentRejected("The page is nested deeper than is read", reason="too_deep")
    return root


def _drop_unseen(root: etree._Element) -> int:
    """How many elements were there to be hidden, rather than to be run or clicked."""
    count = 0
    for element in list(root.iter()):
        if not isinstance(element.tag, str) or element.getparent() is None:
            continue
        if is_hidden := hidden.is_hidden(element):
            count += bool("".join(element.itertext()).strip())
        if is_hidden or element.tag in _UNSEEN:
            hidden.remove(element)
    return count


def _unwrap(root: etree._Element) -> None:
    """`unstructured` passes over what these hold: answers that unfold, tables with a caption, a page in one form."""
    for element in root.iter(*_WRAPPERS):
        element.tag = _WRAPPERS[element.tag]
    whole = len("".join(root.itertext()))
    for form in root.iter("form"):
        if 2 * len("".join(form.itertext())) > whole:
            form.tag = "div"


def _head_title(root: etree._Element) -> str:
    """What ``<title>`` says, or as much of it as ``og:title`` says again: the rest is the site's name."""
    title = one_line(root.findtext(".//title") or "")
    shared = [one_line(text) for text in root.xpath("//meta[@property = 'og:title']/@content")]
    return shared[0] if shared and shared[0] and shared[0] in title else title


def _page_title(title: str, blocks: tuple[Block, ...]) -> str:
    """The page's own main heading where there is just one: <title> often carries the site's name as well."""
    main = [b.text for b in blocks if b.kind == "heading" and b.level == 1]
    return one_line(main[0]) if len(main) == 1 else title
