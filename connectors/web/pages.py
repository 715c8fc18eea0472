"""What a page and a sitemap say: one form of each address, the links, and whether the page wants to be kept."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from urllib.parse import quote

from lxml import etree
from lxml import html as lxml_html

from vouch.core.errors import OutboundRefused
from vouch.outbound.url import Url, join

MAX_LINKS = 500
MAX_URL = 1000
_MAX_SEGMENTS = 20
_MAX_REPEATED = 3
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TRACKING = re.compile(r"(?:utm_[a-z]+|gclid|fbclid|msclkid|mc_[ce]id|phpsessid|jsessionid|sessionid|sid)=.*", re.I)
_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?;]*", re.I)
_SITEMAP_BYTES = 50 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """``canonical``: the address that the page itself gives as its own."""

    links: tuple[Url, ...] = ()
    canonical: Url | None = None
    keep: bool = True


def canonical(base: Url, reference: str) -> Url | None:
    """The one form of an address as seen from ``base``; None for what is no page's address, or a trap's.

    The fragment, tracking parameters and session ids go, percent-encoding and dots in the path become those of RFC
    3986's normal form.
    """
    text = quote(reference.strip(" \t\n\r\f").partition("#")[0], safe="%/:=&?~+!$,;'@()*[]")
    try:
        url = join(base, text) if text else base
    except OutboundRefused:
        return None
    path, mark, query = url.target.partition("?")
    path = _SESSION.sub("", _plain_dots(_ESCAPED.sub(_normal, path)))
    query = "&".join(part for part in _ESCAPED.sub(_normal, query).split("&") if not _TRACKING.fullmatch(part))
    found = Url(url.scheme, url.host, url.port, f"{path}?{query}" if mark and query else path)
    return None if len(str(found)) > MAX_URL or _is_trap(path) else found


def _normal(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()


def _plain_dots(path: str) -> str:
    kept: list[str] = []
    *folders, last = path.split("/")[1:]
    for part in folders:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if last == "..":
        del kept[-1:]
    return "/".join(("", *kept, "" if last in (".", "..") else last))


def _is_trap(path: str) -> bool:
    """Whether the path looks like one that goes on for ever: links that are relative by mistake repeat themselves."""
    parts = [part for part in path.split("/") if part]
    return len(parts) > _MAX_SEGMENTS or any(parts.count(part) > _MAX_REPEATED for part in set(parts))


def read_page(url: Url, body: bytes, robots_header: str = "") -> Page:
    """The links of an HTML page, and what it says of itself in ``meta`` and ``link``; nothing where it is broken."""
    parser = lxml_html.HTMLParser(encoding=_charset(body), no_network=True, huge_tree=False, remove_comments=True)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return Page()
    if root is None:
        return Page()
    metas = root.xpath("//meta[translate(@name, 'ROBTS', 'robts') = 'robots']/@content")
    said = {word.strip().lower() for text in (*metas, robots_header) for word in text.split(",")}
    bases = root.xpath("//base/@href")
    base = (canonical(url, bases[0]) if bases else None) or url
    own = root.xpath("//link[@rel='canonical']/@href")
    links: dict[Url, None] = {}
    if not said & {"nofollow", "none"}:
        for element in root.iter("a", "area"):
            if element.get("href") is not None and "nofollow" not in (element.get("rel") or "").lower().split():
                found = canonical(base, element.get("href"))
                if found is not None and len(links) < MAX_LINKS:
                    links[found] = None
    return Page(tuple(links), canonical(url, own[0]) if own else None, not said & {"noindex", "none"})


def _charset(body: bytes) -> str | None:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return None  # lxml looks for what the page declares
    return "utf-8"


def read_sitemap(url: Url, body: bytes) -> tuple[list[Url], list[Url]]:
    """Pages, and further sitemaps, that a sitemap names; gzip and plain lists of addresses too.

    Raises ``ValueError`` for what is none.
    """
    if body.startswith(b"\x1f\x8b"):
        body = _unzipped(body)
    if not body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _urls(url, body.decode("utf-8", "replace").split()), []
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError("the sitemap is not XML") from error
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise ValueError("the sitemap is of no known kind")
    named = [text for text in root.xpath("/*/*/*[local-name() = 'loc']/text()") if isinstance(text, str)]
    found = _urls(url, named)
    return (found, []) if kind == "urlset" else ([], found)


def _urls(base: Url, texts: list[str]) -> list[Url]:
    return [found for found in (canonical(base, text) for text in texts) if found is not None]


def _unzipped(body: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(body, _SITEMAP_BYTES)
    except zlib.error as error:
        raise ValueError("the sitemap cannot be unpacked") from error
    if not unpack.eof:
        raise ValueError("the sitemap is cut off, or larger than a sitemap may be")
    return found
