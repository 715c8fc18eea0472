"""Google's listings, page by page to their end: one that circles, or leaves something out, raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.rest import Rest
from vouch.core.errors import Unavailable
from vouch.core.types import Json

_MOST_PAGES = 100_000


class Tokens:
    """The page tokens of one listing, none of which may come again."""

    def __init__(self, host: str) -> None:
        self._host, self._seen = host, set[str]()

    def next(self, token: object) -> str:
        if not isinstance(token, str) or token in self._seen or len(self._seen) >= _MOST_PAGES:
            raise Unavailable(f"The pages of {self._host} do not end.")
        self._seen.add(token)
        return token


def pages(rest: Rest, path: str, asked: Json, name: str, *, left_out: bool = False) -> Iterator[list[Any]]:
    """What is called ``name``, page by page; ``left_out``: an API that says nothing of a list that is empty."""
    token, tokens = None, Tokens(rest.base.host)
    while True:
        said = rest.get(path, {**asked, "pageToken": token}).data
        if left_out and isinstance(said, dict):
            said.setdefault(name, [])
        yield listed(said, name)
        if said.get("incompleteSearch") is True:
            raise Unavailable(f"{rest.base.host} could not look everywhere.")
        if "nextPageToken" not in said:
            return
        token = tokens.next(said["nextPageToken"])


def listed(said: Any, name: str) -> list[Any]:
    """The list of an answer. Raises :class:`Unavailable` where there is none."""
    found = said.get(name) if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise Unavailable(f"Google's answer has no {name}.")
    return found


def text(said: Any, name: str) -> str:
    """A text of an answer. Raises :class:`Unavailable` where there is none."""
    found = said.get(name) if isinstance(said, dict) else None
    if not isinstance(found, str) or not found:
        raise Unavailable(f"Google's answer has no {name}.")
    return found
