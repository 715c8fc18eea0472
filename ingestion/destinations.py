"""Where a link leads: the external ids that it can mean within its own source, and the addresses on the web.

Nothing is asked: neither the catalog, so that a link finds a document that comes later, nor the network.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

PATHS = frozenset({"filesystem", "files", "git", "push"})
"""Kinds of sources whose external ids are paths, or are if whoever pushes says so."""
MOST_BYTES = 1_600
"""Of a path or an address; what is longer would not fit into an index."""
_OF_A_FOLDER = ("index.md", "index.html", "README.md")


@dataclass(frozen=True, slots=True)
class Base:
    """The document that a link stands in."""

    kind: str
    external_id: str
    uri: str


@dataclass(frozen=True, slots=True)
class Destination:
    """One thing that a link can mean: an external id of its own source, or the address of a document of any."""

    path: str | None = None
    url: str | None = None


def destinations(base: Base, target: str) -> tuple[Destination, ...]:
    """All that ``target`` can mean, most likely first; none for what can be no document (mail, scripts, elsewhere)."""
    try:
        scheme, host, path, query, _ = urlsplit(target)
        of_the_source = base.kind in PATHS and not (scheme or host)
        paths = _paths(base, path) if of_the_source else ()
        urls = _urls(base, target) if host or path or query else ()
    except ValueError:  # brackets that hold no address
        return ()
    found = [*(Destination(path=one) for one in paths), *(Destination(url=one) for one in urls)]
    return tuple(one for one in found if _fits(one.path or one.url or ""))


def _paths(base: Base, path: str) -> tuple[str, ...]:
    """Relative to the document's folder, from ``/`` on to the source's; none outside of it."""
    if not path:
        return ()
    meant = unquote(path, errors="strict")
    whole = meant.lstrip("/") if meant.startswith("/") else posixpath.join(posixpath.dirname(base.external_id), meant)
    found = posixpath.normpath(whole or ".")
    if found == ".." or found.startswith(("../", "/")) or not found.isprintable():
        return ()
    if found == ".":
        return _OF_A_FOLDER
    within = tuple(f"{found}/{name}" for name in _OF_A_FOLDER)
    if meant in (".", "..") or meant.endswith(("/", "/.", "/..")):
        return within
    return (found,) if "." in posixpath.basename(found) else (found, f"{found}.md", *within)


def _urls(base: Base, target: str) -> tuple[str, ...]:
    """The address as it is written and without its fragment; a relative one is of the page that it stands on."""
    page = next((one for one in (base.external_id, base.uri) if _on_the_web(one)), "")
    whole = urljoin(page, target)
    if not _on_the_web(whole):
        return ()
    scheme, host, path, query, fragment = urlsplit(whole)
    said = [urlunsplit((scheme.lower(), host.lower(), path or "/", query, part)) for part in ("", fragment)]
    return tuple(dict.fromkeys(said))


def _on_the_web(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _fits(text: str) -> bool:
    return 0 < len(text.encode(errors="replace")) <= MOST_BYTES
