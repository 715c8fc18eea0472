"""The sitemaps of a site: those that are named, those that robots.txt names, and those that these name."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from connectors.web.manners import Manners
from connectors.web.pages import canonical, read_sitemap
from vouch.core.errors import OutboundRefused, Unavailable, VouchError
from vouch.outbound.url import Url

_MAX_SITEMAPS = 500
_MAX_BYTES = 50 << 20


@dataclass
class Mapped:
    """``missing``: why there may be pages that were not read of; empty when everything was read. ``failure``: the first
    that nothing was heard from; ``answered``: whether anything was."""

    pages: list[Url] = field(default_factory=list)
    missing: str = ""
    answered: bool = False
    failure: Unavailable | None = None


def read_sitemaps(
    manners: Manners, begin: Sequence[Url], sitemaps: Iterable[Url], enters: Callable[[Url], bool]
) -> Mapped:
    """Every page that the sitemaps name, in their order; only what ``enters`` allows is asked for."""
    found = Mapped()
    waiting = deque((*sitemaps, *_named_by_robots(manners, begin, found)))
    read: set[Url] = set()
    while waiting and len(read) < _MAX_SITEMAPS:
        url = waiting.popleft()
        if url in read or not enters(url):
            continue
        read.add(url)
        try:
            waiting.extend(_read(manners, url, found))
        except (VouchError, ValueError) as error:
            if isinstance(error, Unavailable):
                found.failure = found.failure or error
            found.missing = found.missing or f"the sitemap {url} could not be read ({error})"
    return found


def _read(manners: Manners, url: Url, found: Mapped) -> list[Url]:
    """Add the pages of one sitemap and return the sitemaps that it names."""
    answer = manners.get(url, {}, _MAX_BYTES)
    if answer.leads_to is not None:
        return [answer.leads_to]
    if answer.status in (404, 410):
        return []
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    pages, further = read_sitemap(url, answer.body)
    found.answered = True
    found.pages.extend(pages)
    return further


def _named_by_robots(manners: Manners, begin: Sequence[Url], found: Mapped) -> list[Url]:
    named: list[Url | None] = []
    for url in begin:
        try:
            named += [canonical(url, text) for text in manners.robots(url).sitemaps]
        except (Unavailable, OutboundRefused) as error:
            found.missing = found.missing or f"the robots.txt of {url.host} cannot be had ({error.detail})"
    return [url for url in named if url is not None]
