"""Lists in the order of the last change, from a moment on, that lose nothing while they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from connectors.forge.answers import Row, rows
from connectors.rest import Rest
from vouch.core.errors import Unavailable

OVERLAP = timedelta(minutes=2)
"""How far a scan goes back behind what the last one reached: clocks over there differ, and so do their replicas."""
PER_PAGE = 100
MOST_PAGES = 20_000


class Updated(Protocol):
    """A row of such a list."""

    @property
    def key(self) -> int: ...

    @property
    def updated_at(self) -> datetime: ...


U = TypeVar("U", bound=Row)


class Since:
    """Rows in the order of their last change, each once.

    They are asked for by the moment that was reached and not by the number of a page: what is removed, or changes,
    while the list is read shifts the pages, and a row that is passed over so would count as gone.
    """

    def __init__(self, rest: Rest, at: datetime | None, after: str, order: Mapping[str, str]) -> None:
        """``after``: the parameter that takes the moment; ``order``: those that ask for the oldest change first."""
        self._rest, self._from = rest, at
        self._after, self._order = after, order
        self.reached = at
        """Up to here everything was named as it is. Where a row changed while the list was read, not past that."""

    def rows(self, kind: type[U], path: str, params: Mapping[str, Any] | None = None) -> Iterator[U]:
        """Raises as :meth:`Rest.get`."""
        asked = {**(params or {}), **self._order, "per_page": PER_PAGE}
        at = None if self._from is None else self._from - OVERLAP
        seen: dict[int, datetime] = {}
        again = False
        reply = self._rest.get(path, {**asked, self._after: _written(at)})
        for _ in range(MOST_PAGES):
            page: list[Any] = rows(kind, reply.data)
            for found in page:
                again = again or seen.get(found.key, found.updated_at) != found.updated_at
                if not again:
                    self.reached = max(self.reached or found.updated_at, found.updated_at)
                if found.key not in seen:
                    seen[found.key] = found.updated_at
                    yield found
            following = reply.next
            if following is None:
                return
            last = page[-1].updated_at - timedelta(seconds=1) if page else None
            if last is not None and (at is None or last > at):
                at = last
                reply = self._rest.get(path, {**asked, self._after: _written(at)})
            else:  # a whole page of the same moment
                reply = self._rest.get(following)
        raise Unavailable(f"The pages of {self._rest.base.host} do not end.")


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
