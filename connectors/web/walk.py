"""A walk over a site: breadth first from where it begins, within its bounds, with what the last walk knew.

begin ─▶ queue ─▶ allowed by robots.txt? ─▶ ask (only if changed) ─▶ document, redirect, refusal or failure ─▶ links

A page that cannot be reached is not gone: it keeps what was taken in of it, and its links are those that it had. Where
those are not known, whatever the walk does not meet may hang on it, and nothing counts as gone.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from mimetypes import guess_type

from connectors.web.manners import Manners
from connectors.web.pages import read_page
from connectors.web.sitemaps import read_sitemaps
from vouch.core.errors import DocumentRejected, OutboundRefused, PayloadTooLarge, Unavailable, VouchError
from vouch.core.types import Json, Refused
from vouch.outbound.door import Answer
from vouch.outbound.url import Url, parse_url

HTML = ("text/html", "application/xhtml+xml")
READ = frozenset(
    {
        *HTML, "application/pdf", "text/plain", "text/markdown", "text/csv", "application/rtf", "application/epub+zip",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.oasis.opendocument.text",
    }
)  # fmt: skip
_UNREAD = frozenset(
    {
        "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "avif", "css", "js", "mjs", "map", "woff", "woff2", "ttf",
        "mp3", "mp4", "webm", "mov", "avi", "zip", "gz", "tgz", "exe", "dmg", "iso",
    }
)  # fmt: skip
_MAX_QUERIES = 50
"""Of one path: a calendar has a page for every day that there ever will be."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a walk knows of an address. ``fingerprint`` is empty where there is no document, only the way on."""

    links: tuple[str, ...] = ()
    fingerprint: str = ""
    mime: str = ""
    etag: str = ""
    modified: str = ""

    def kept(self) -> list[object]:
        return [list(self.links), self.fingerprint, self.mime, self.etag, self.modified]

    @classmethod
    def of(cls, kept: list[object]) -> Known:
        links, *texts = kept
        return cls(tuple(map(str, links)) if isinstance(links, list) else (), *map(str, texts))


@dataclass(frozen=True, slots=True)
class Unmet:
    """A document that may well be there, and could not be looked at."""

    url: str
    detail: str


@dataclass(frozen=True, slots=True)
class Met:
    url: str
    known: Known


Step = Met | Unmet | Refused


@dataclass(frozen=True, slots=True)
class Limits:
    """``enters``: whether an address may be asked for; ``offers``: whether its document is one of the source's."""

    depth: int
    pages: int
    page_bytes: int
    total_bytes: int
    enters: Callable[[Url], bool]
    offers: Callable[[Url], bool]


class Walk:
    """One walk. Go through :meth:`steps` once; then ``state`` is what the next one should know.

    A state is *whole* when it names every document that there may be: that of a walk that met everything, and those
    that follow it. Only against such a one can what was not met be told apart from what is gone.
    """

    def __init__(self, manners: Manners, limits: Limits, cursor: Json | None) -> None:
        self._manners, self._limits = manners, limits
        self._before = {url: Known.of(kept) for url, kept in ((cursor or {}).get("pages") or {}).items()}
        self._now: dict[str, Known] = {}
        self._whole_before = bool((cursor or {}).get("whole"))
        self._queue: deque[tuple[Url, int]] = deque()
        self._met: set[Url] = set()
        self._queries: Counter[str] = Counter()
        self._aliases: set[Url] = set()
        self._bytes = 0
        self._answered = False
        self._failure: Unavailable | None = None
        self.incomplete = ""
        """Why what was not met may be there all the same; empty after a walk that met everything."""

    @property
    def state(self) -> Json:
        whole = self._whole_before or not self.incomplete
        return {"whole": whole, "pages": {url: known.kept() for url, known in self._now.items()}}

    @property
    def state_so_far(self) -> Json:
        """Of a walk that has not ended: what the last one knew, and what this one has learnt since."""
        pages = {url: known.kept() for url, known in {**self._before, **self._now}.items()}
        return {"whole": self._whole_before, "pages": pages}

    @property
    def may_delete(self) -> bool:
        """Whether what the walk did not name is gone."""
        return self._whole_before or not self.incomplete

    def steps(self, begin: Iterable[Url], sitemaps: Iterable[Url]) -> Iterator[Step]:
        """Every document, each once. Raises :class:`Unavailable` when nothing at all answered."""
        begin = list(begin)
        for url in begin:
            self._enqueue(url, 0)
        mapped = read_sitemaps(self._manners, begin, sitemaps, self._limits.enters)
        for url in mapped.pages:
            self._enqueue(url, 0)
        self.incomplete, self._answered, self._failure = mapped.missing, mapped.answered, mapped.failure
        named: set[str] = set()
        asked = 0
        while self._queue:
            url, depth = self._queue.popleft()
            if asked >= self._limits.pages:
                said = f"The walk ends after {self._limits.pages} addresses; this one is beyond"
                named.add(str(url))
                yield Refused(str(url), "too_many_pages", said)
                break
            asked += 1
            for step in self._visit(url, depth):
                named.add(step.external_id if isinstance(step, Refused) else step.url)
                yield step
        if self._failure is not None and not self._answered:
            raise self._failure
        yield from self._left_over(named)

    def _left_over(self, named: set[str]) -> Iterator[Step]:
        """What was there before and was not met: gone, unless the walk was not whole."""
        if self.incomplete:
            for url, known in self._before.items():
                if url not in named and url not in self._now:
                    self._now[url] = known
                    if known.fingerprint:
                        yield Unmet(url, f"It was not met: {self.incomplete}")

    # -- one address --

    def _visit(self, url: Url, depth: int) -> Iterator[Step]:
        before = self._before.get(str(url))
        try:
            if self._bytes >= self._limits.total_bytes:
                raise Unavailable(f"The walk has read {self._limits.total_bytes >> 20} MiB, as much as it may.")
            if not self._manners.allows(url):
                return
            answer = self._manners.get(url, _validators(before), self._limits.page_bytes)
        except Unavailable as error:
            self._failure = self._failure or error
            yield from self._failed(url, depth, before, error)
            return
        except (OutboundRefused, PayloadTooLarge) as error:
            reason = "too_large" if isinstance(error, PayloadTooLarge) else error.code
            yield from self._refused(url, depth, before, DocumentRejected(error.detail, reason=reason))
            return
        self._answered = True
        self._bytes += len(answer.body)
        if answer.status in (401, 403):
            forbidden = DocumentRejected(f"The site answered with status {answer.status}", reason="unreadable")
            yield from self._refused(url, depth, before, forbidden)
        elif answer.status == 304 and before is not None:
            yield from self._take(url, depth, before)
        elif answer.leads_to is not None:
            self._redirected(url, depth, answer.leads_to)
        elif answer.status == 200:
            yield from self._take(url, depth, self._known(url, answer))

    def _failed(self, url: Url, depth: int, before: Known | None, error: VouchError) -> Iterator[Step]:
        if before is None:
            self.incomplete = self.incomplete or f"{url} could not be reached ({error.detail})"
        yield Unmet(str(url), error.detail)
        self._remember(url, depth, before)

    def _refused(self, url: Url, depth: int, before: Known | None, error: DocumentRejected) -> Iterator[Step]:
        if before is None and error.reason != "too_large":
            self.incomplete = self.incomplete or f"{url} may not be read ({error.detail})"
        if self._limits.offers(url):
            yield Refused(str(url), error.reason, error.detail)
        self._remember(url, depth, before)

    def _remember(self, url: Url, depth: int, before: Known | None) -> None:
        """Go on from what was known of an address that cannot be looked at now."""
        if before is not None:
            self._now[str(url)] = before
            self._follow(before, depth)

    def _redirected(self, url: Url, depth: int, to: Url) -> None:
        self._now[str(url)] = Known((str(to),))
        self._aliases.add(url)
        self._enqueue(to, depth)

    def _take(self, url: Url, depth: int, known: Known) -> Iterator[Step]:
        self._now[str(url)] = known
        self._follow(known, depth)
        if known.fingerprint and self._limits.offers(url):
            yield Met(str(url), known)

    def _known(self, url: Url, answer: Answer) -> Known:
        mime = _mime(url, answer)
        if mime not in READ:
            return Known()
        headers = {"etag": answer.headers.get("etag", ""), "modified": answer.headers.get("last-modified", "")}
        fingerprint = hashlib.sha256(answer.body).hexdigest()[:32]
        if mime not in HTML:
            return Known((), fingerprint, mime, **headers)
        page = read_page(url, answer.body, answer.headers.get("x-robots-tag", ""))
        links, own = tuple(map(str, page.links)), page.canonical
        if own is not None and own != url and own not in self._aliases and self._limits.enters(own):
            self._aliases.add(url)  # two pages that name each other: the second one met is the document
            return Known((str(own), *links))
        return Known(links, fingerprint if page.keep else "", mime, **headers)

    # -- the way on --

    def _follow(self, known: Known, depth: int) -> None:
        if not known.fingerprint and not known.mime:  # a redirect, or a page that gives another as its own
            self._enqueue_all(known.links[:1], depth)
        self._enqueue_all(known.links, depth + 1)

    def _enqueue_all(self, urls: Iterable[str], depth: int) -> None:
        for url in urls:
            self._enqueue(parse_url(url), depth)

    def _enqueue(self, url: Url, depth: int) -> None:
        if url in self._met or depth > self._limits.depth or not self._limits.enters(url):
            return
        path, _, query = url.target.partition("?")
        if path.rpartition(".")[2].lower() in _UNREAD:
            return
        if query and depth > 0:
            self._queries[url.origin + path] += 1
            if self._queries[url.origin + path] > _MAX_QUERIES:
                return
        self._met.add(url)
        self._queue.append((url, depth))


def _validators(before: Known | None) -> dict[str, str]:
    found = {"if-none-match": before.etag, "if-modified-since": before.modified} if before else {}
    return {name: value for name, value in found.items() if value}


def _mime(url: Url, answer: Answer) -> str:
    said = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said in ("", "application/octet-stream", "binary/octet-stream"):
        return guess_type(url.target.partition("?")[0])[0] or ""
    return said
