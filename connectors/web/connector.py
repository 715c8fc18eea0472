"""A web site: what its sitemaps name and its pages link to, with access declared in the source's configuration.

How a site is asked is in :mod:`connectors.web.manners`, the walk in :mod:`connectors.web.walk`, reading pages in
:mod:`connectors.web.pages`. Everything goes through the platform's one door to the outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel, SecretStr

from connectors.pace import http_date
from connectors.protocol import Membership
from connectors.web.config import WebClause, WebConfig
from connectors.web.manners import Manners
from connectors.web.pages import canonical
from connectors.web.walk import HTML, Known, Limits, Met, Unmet, Walk
from vouch.core.clock import duration
from vouch.core.errors import (
    BadConfig,
    DocumentRejected,
    InvalidInput,
    NotFound,
    OutboundRefused,
    PayloadTooLarge,
)
from vouch.core.types import (
    Body,
    Change,
    Checkpoint,
    Clause,
    Json,
    RawAcl,
    RawClause,
    Unreached,
    Upsert,
    principal_name,
)
from vouch.outbound.addresses import ENDS_IN_NUMBER
from vouch.outbound.door import Outbound
from vouch.outbound.url import Url, parse_url

_TOGETHER = 100
"""Documents after which a walk that is interrupted need not begin anew."""


class WebConnector:
    """Reads a web site from its sitemaps and links."""

    kind: ClassVar[str] = "web"
    Config: ClassVar[type[BaseModel]] = WebConfig
    lists_everything: ClassVar[bool] = True
    goes_out: ClassVar[bool] = True

    def __init__(self, config: WebConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address, host, principal or duration that is none, and for an address that
        is not public and not allowed. Names are resolved when they are asked, not here."""
        self.config = config
        self._outbound = outbound
        self._start = tuple(_address(text, "start", outbound) for text in config.start)
        self._sitemaps = tuple(_address(text, "sitemaps", outbound) for text in config.sitemaps)
        self._hosts = frozenset(
            (
                *(url.authority for url in (*self._start, *self._sitemaps)),
                *(_address(f"https://{host}", "hosts", outbound).authority for host in config.hosts),
            )
        )
        self._headers = _authorization(config.authorization, self._start)
        with _fault_in("access"):
            self._acl = _acl(config.access)
        with _fault_in("owner"):
            self._owner = principal_name(config.owner) if config.owner is not None else None
        with _fault_in("review_every"):
            if config.review_every is not None:
                duration(config.review_every)

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Every document that the walk meets; with a cursor, pages are asked for only if they changed.

        A page that cannot be reached is :class:`Unreached`. Raises :class:`Unavailable` when nothing answers, and
        :class:`DocumentRejected` (``unreached``) at the end of a walk that did not meet everything while no earlier
        one had: what it did not name may be there all the same.
        """
        limits = Limits(
            depth=self.config.max_depth,
            pages=self.config.max_pages,
            page_bytes=self.config.max_page_mb << 20,
            total_bytes=self.config.max_total_mb << 20,
            enters=self._enters,
            offers=self._offers,
        )
        walk = Walk(self._manners(), limits, cursor)
        for n, step in enumerate(walk.steps(self._start, self._sitemaps), start=1):
            if isinstance(step, Met):
                yield self._change(step)
            elif isinstance(step, Unmet):
                yield Unreached(step.url, "unreached", step.detail, self._acl)
            else:
                yield step
            if n % _TOGETHER == 0:
                yield Checkpoint(walk.state_so_far)
        yield Checkpoint(walk.state)
        if not walk.may_delete:
            raise DocumentRejected(f"Nothing counts as gone: {walk.incomplete}.", reason="unreached")

    def fetch(self, external_id: str) -> Body:
        try:
            url = parse_url(external_id)
        except OutboundRefused as error:
            raise NotFound() from error
        if str(url) != external_id or not self._offers(url):
            raise NotFound()
        manners = self._manners()
        manners.robots(url, again=False)
        if not manners.allows(url):
            raise NotFound()
        try:
            answer = manners.get(url, {}, self.config.max_page_mb << 20)
        except PayloadTooLarge as error:
            raise DocumentRejected(error.detail, reason="too_large") from error
        if answer.status in (404, 410) or answer.leads_to is not None:
            raise NotFound()
        if answer.status != 200:
            raise DocumentRejected(f"The site answered with status {answer.status}.", reason="unreadable")
        said, _, parameters = answer.headers.get("content-type", "").partition(";")
        mime = said.strip().lower() or None
        article = self.config.article and (mime is None or mime in HTML)
        return Body(_as_utf8(answer.body, parameters), mime, article)

    def memberships(self) -> Iterator[Membership]:
        yield from ()

    def _manners(self) -> Manners:
        return Manners(self._outbound, self.config.delay_s, self._headers)

    def _enters(self, url: Url) -> bool:
        text = str(url)
        return url.authority in self._hosts and not any(fnmatchcase(text, glob) for glob in self.config.exclude)

    def _offers(self, url: Url) -> bool:
        return self._enters(url) and any(fnmatchcase(str(url), glob) for glob in self.config.include)

    def _change(self, met: Met) -> Upsert:
        return Upsert(
            external_id=met.url,
            title="",
            uri=met.url,
            fingerprint=self._fingerprint(met.known),
            acl=self._acl,
            mime=met.known.mime,
            owner=self._owner,
            modified_at=http_date(met.known.modified),
            review_every=self.config.review_every,
        )

    def _fingerprint(self, known: Known) -> str:
        """Of the bytes and of how they are read: a page whose article is wanted from now on is another."""
        return f"{known.fingerprint}.article" if self.config.article and known.mime in HTML else known.fingerprint


def _address(text: str, field: str, outbound: Outbound) -> Url:
    with _fault_in(field):
        url = canonical(parse_url(text), "")
        if url is None:
            raise OutboundRefused("The address is too long, or repeats itself.")
        if ":" in url.host or ENDS_IN_NUMBER.fullmatch(url.host):
            outbound.ways.open_to(url.host, url.port)
    return url


@contextmanager
def _fault_in(field: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        raise BadConfig(f"config.{field}: {error.detail}", field=f"config.{field}") from error


def _acl(access: tuple[WebClause, ...]) -> RawAcl | None:
    """Checked when it is told: what names no principal there is a slip, and nobody else's rule."""
    clauses = [Clause.of(clause.allow, clause.deny) for clause in access]
    raw = tuple(RawClause(tuple(sorted(c.allow)), tuple(sorted(c.deny)), "config.access") for c in clauses)
    return raw or None


def _authorization(secret: SecretStr | None, start: tuple[Url, ...]) -> dict[str, dict[str, str]]:
    if secret is None:
        return {}
    text = secret.get_secret_value()
    if not all(" " <= char <= "~" for char in text) or text != text.strip():
        raise BadConfig("config.authorization: not the value of a header", field="config.authorization")
    return {url.origin: {"authorization": text} for url in start}


def _as_utf8(data: bytes, parameters: str) -> bytes:
    """Text in UTF-8 where the server alone says in what it is written; whoever reads it later sees only the bytes."""
    charset = parameters.partition("charset=")[2].partition(";")[0].strip(" \"'")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return data.decode(charset).encode() if charset else data
        except (LookupError, UnicodeError):
            return data
    return data
