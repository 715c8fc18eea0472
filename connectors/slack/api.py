"""Slack's Web API: what it answers, and what its errors mean.

Slack says no with status 200 and a word. A word that is not known here is a refusal: nothing is ever taken for the end
of a list because it could not be read. Slack's own client for Python opens connections by itself, so the API is asked
through the platform's door.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from connectors.pace import MOST_WAIT_S, PACE
from connectors.rest import BACKOFF_S, TRIES, Reply, Rest, Token
from vouch.core.errors import NotFound, SourceRefuses, Unavailable
from vouch.core.types import Json
from vouch.outbound.door import Outbound

_MOST_PAGES = 10_000
_WORD = re.compile(r"[a-z0-9_.:,-]{1,200}")
_GONE = frozenset(
    {
        "channel_not_found", "not_in_channel", "thread_not_found", "message_not_found", "user_not_found",
        "user_not_visible",
    }
)  # fmt: skip
_AGAIN = frozenset(
    {
        "ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
        "fetch_members_failed", "team_added_to_org",
    }
)  # fmt: skip
_CREDENTIAL = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "invalid_token"}
)

Model = TypeVar("Model", bound=BaseModel)


class Slack:
    """The Web API, asked with a bot token."""

    def __init__(self, outbound: Outbound, base: str, token: str) -> None:
        """Raises :class:`BadConfig` for a token that cannot stand in a header."""
        self._rest = Rest(outbound, base, Token(f"Bearer {token}"), pace=PACE)
        self._pace = PACE
        self.host = self._rest.base.authority

    def call(self, method: str, **params: Any) -> Json:
        """What ``method`` answers where it says ok.

        Raises :class:`NotFound` for a channel, thread or account that is not there or not to be seen,
        :class:`SourceRefuses` for every other no, and :class:`Unavailable` when patience did not help.
        """
        for attempt in range(1, TRIES + 1):
            data, reply = self._asked(method, params)
            if data["ok"]:
                return data
            word = data.get("error")
            word = word if isinstance(word, str) and _WORD.fullmatch(word) else "an unknown error"
            if word not in _AGAIN:
                raise _no(self.host, method, word, data)
            named = reply.headers.get("retry-after", "")
            wait = float(named[:9]) if named.isascii() and named.isdigit() else BACKOFF_S * 2 ** (attempt - 1)
            if wait > MOST_WAIT_S:
                self._pace.rest(self.host, wait)
                break
            self._pace.hold(self.host, wait)
        raise Unavailable(f"{self.host} answers {method} with {word}.", retry_after_s=wait)

    def pages(self, method: str, **params: Any) -> Iterator[Json]:
        """Every page. Raises as :meth:`call`, and :class:`Unavailable` when they do not end as they should."""
        cursor, seen = None, set[str]()
        while len(seen) < _MOST_PAGES:
            data = self.call(method, **params, cursor=cursor)
            yield data
            metadata = data.get("response_metadata")
            cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
            if not cursor:
                if data.get("has_more") is True:
                    raise Unavailable(f"{self.host} says there is more of {method}, and not where.")
                return
            if not isinstance(cursor, str) or cursor in seen:
                break
            seen.add(cursor)
        raise Unavailable(f"The pages of {method} at {self.host} do not end.")

    def listed(self, method: str, field: str, model: type[Model], **params: Any) -> Iterator[Model]:
        """The objects of every page's ``field``. Raises as :meth:`pages`."""
        for page in self.pages(method, **params):
            found = page.get(field)
            if not isinstance(found, list):
                raise Unavailable(f"{self.host} answered {method} without {field}.")
            for one in found:
                yield self.read(method, model, one)

    def read(self, method: str, model: type[Model], data: Any) -> Model:
        """``data`` as ``model``. Raises :class:`Unavailable`."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            at = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))[:100]
            raise Unavailable(f"{self.host} answered {method} with something else than documented ({at}).") from None

    def _asked(self, method: str, params: Json) -> tuple[Json, Reply]:
        try:
            reply = self._rest.get(method, params)
        except NotFound:
            raise SourceRefuses(f"{self.host} has no {method}: is the address that of the API?", said=404) from None
        if not isinstance(reply.data, dict) or not isinstance(reply.data.get("ok"), bool):
            raise Unavailable(f"{self.host} answered {method} with something else than documented.")
        return reply.data, reply


def _no(host: str, method: str, word: str, data: Json) -> Exception:
    if word in _GONE:
        return NotFound()
    if word in _CREDENTIAL:
        return SourceRefuses(f"{host} does not accept the token: {word}.", said=401)
    needed = data.get("needed")
    lacks = f"; the app lacks the scope {needed}" if isinstance(needed, str) and _WORD.fullmatch(needed) else ""
    return SourceRefuses(f"{host} answers {method} with {word}{lacks}.", said=403)
