"""How a site is asked: as its robots.txt says, not faster than agreed, and not again while it asks for peace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from protego import Protego

from connectors.pace import MOST_WAIT_S, PACE, Pace, retry_after
from vouch.core.errors import PayloadTooLarge, Unavailable
from vouch.outbound.door import Answer, Bounds, Outbound
from vouch.outbound.url import Url

ROBOT = "Vouch"
"""The name that robots.txt may address it by."""
_ROBOTS_BYTES = 512 << 10
_ROBOTS_AGE_S = 600.0
_FAILURES = 5
"""In a row, after which a scan asks a host no more."""


_robots: dict[str, tuple[float, Protego]] = {}


class Manners:
    """One scan's, or one fetch's, way of asking. ``headers`` are sent to the origins they are for, and no others."""

    def __init__(
        self, outbound: Outbound, delay_s: float, headers: Mapping[str, Mapping[str, str]], pace: Pace = PACE
    ) -> None:
        self._outbound, self._delay_s, self._headers, self._pace = outbound, delay_s, headers, pace
        self._failures: Counter[str] = Counter()
        self._read: dict[str, Protego] = {}

    def allows(self, url: Url) -> bool:
        """Whether robots.txt does. Raises as :meth:`get` where it cannot be read: then nothing is asked for."""
        return bool(self.robots(url).can_fetch(str(url), ROBOT))

    def robots(self, url: Url, *, again: bool = True) -> Protego:
        """The rules of the origin; read once by each scan, and by fetches (``again`` False) once in ten minutes."""
        if url.origin not in self._read:
            kept = _robots.get(url.origin)
            if again or kept is None or self._pace.moment() - kept[0] > _ROBOTS_AGE_S:
                kept = _robots[url.origin] = (self._pace.moment(), self._rules(url))
            self._read[url.origin] = kept[1]
        return self._read[url.origin]

    def _rules(self, url: Url) -> Protego:
        place = Url(url.scheme, url.host, url.port, "/robots.txt")
        try:
            answer = self._asked(place, {}, Bounds(_ROBOTS_BYTES), self._delay_s)
        except PayloadTooLarge as error:
            raise Unavailable(f"The robots.txt of {url.host} is too large to be read.") from error
        # RFC 9309: without rules everything may be read, and while they cannot be had nothing.
        return Protego.parse(answer.body.decode("utf-8", "replace") if answer.status == 200 else "")

    def get(self, url: Url, headers: Mapping[str, str], max_bytes: int) -> Answer:
        """The answer, redirects included; 408, 429 and 5xx are none.

        Raises :class:`Unavailable` for those and for a host that is left alone (``retry_after_s``, where it says),
        and what the door raises.
        """
        wanted = self.robots(url).crawl_delay(ROBOT) or 0.0
        if wanted > MOST_WAIT_S:
            raise Unavailable(f"{url.host} allows one request in {wanted:.0f} s.", retry_after_s=wanted)
        return self._asked(url, headers, Bounds(max_bytes, redirects=0), max(wanted, self._delay_s))

    def _asked(self, url: Url, headers: Mapping[str, str], bounds: Bounds, delay_s: float) -> Answer:
        host = url.authority
        self._pace.require_awake(host)
        if self._failures[host] >= _FAILURES:
            raise Unavailable(f"{host} failed {_FAILURES} times in a row.", retry_after_s=MOST_WAIT_S)
        try:
            answer = self._patiently(url, {**headers, **self._headers.get(url.origin, {})}, bounds, delay_s)
        except Unavailable:
            self._failures[host] += 1
            raise
        self._failures[host] = 0
        return answer

    def _patiently(self, url: Url, headers: Mapping[str, str], bounds: Bounds, delay_s: float) -> Answer:
        for last in (False, True):
            self._pace.wait(url.authority, delay_s)
            answer = self._outbound.get(url, headers, bounds)
            if answer.status < 500 and answer.status not in (408, 429):
                return answer
            pause = retry_after(answer)
            if pause is None:
                break
            if pause > MOST_WAIT_S:
                self._pace.rest(url.authority, pause)
            else:
                self._pace.hold(url.authority, pause)
            if last or pause > MOST_WAIT_S:
                raise Unavailable(f"{url.host} asks for a pause of {pause:.0f} s.", retry_after_s=pause)
        raise Unavailable(f"{url.host} answered with status {answer.status}.")
