"""The client: asking and reading here, the rest in `sources`, `jobs`, `directory` and `keys`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from vouch.client.access import Access
from vouch.client.approvals import Approvals
from vouch.client.audit import Audit
from vouch.client.break_glass import BreakGlass, Notifications
from vouch.client.directory import Directory
from vouch.client.evals import Evals
from vouch.client.generations import Generations
from vouch.client.http import TIMEOUT, Connection, from_problem, segment
from vouch.client.issuers import Issuers
from vouch.client.jobs import Jobs
from vouch.client.keys import Keys
from vouch.client.mail import Mail
from vouch.client.releases import Releases
from vouch.client.reports import Reports
from vouch.client.results import (
    Answer,
    Citation,
    Conversation,
    Document,
    Result,
    SearchResult,
    Step,
    TextPart,
    Token,
)
from vouch.client.similar import Similar
from vouch.client.sources import Sources
from vouch.client.spending import Spending
from vouch.client.traces import Trace
from vouch.client.webhooks import Webhooks
from vouch.core.errors import Unavailable

Filter = Mapping[str, Any]
"""``source``, ``mime``, ``language``, ``owner``: one or a list; ``modified_after``, ``modified_before``: RFC 3339."""


class Client:
    """One key's view of a platform. Safe to share by threads; close it, or use it as a context manager.

    ``transport`` replaces the network, for tests. Methods raise the :class:`vouch.core.errors.VouchError` that the
    platform answered with, or :class:`Unavailable` when it cannot be reached.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: httpx.Timeout | float = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        http = httpx.Client(base_url=url, timeout=timeout, transport=transport, trust_env=False)
        self._use(Connection(http).saying(Authorization=f"Bearer {key}"))

    def _use(self, connection: Connection) -> None:
        self._connection = connection
        self.sources = Sources(connection)
        self.jobs = Jobs(connection)
        self.directory = Directory(connection)
        self.keys = Keys(connection)
        self.access = Access(connection)
        self.audit = Audit(connection)
        self.approvals = Approvals(connection)
        self.break_glass = BreakGlass(connection)
        self.notifications = Notifications(connection)
        self.issuers = Issuers(connection)
        self.reports = Reports(connection)
        self.mail = Mail(connection)
        self.webhooks = Webhooks(connection)
        self.generations = Generations(connection)
        self.evals = Evals(connection)
        self.spending = Spending(connection)
        self.releases = Releases(connection)

    def _saying(self, **headers: str) -> Self:
        other = self.__class__.__new__(self.__class__)
        other._use(self._connection.saying(**headers))
        return other

    def as_user(self, user: str) -> Self:
        """A client that acts for ``user`` (``user:alice``) over the same connections; the key needs `act_as`."""
        return self._saying(X_Vouch_As=user)

    def at_least(self, authz_token: str) -> Self:
        """A client whose requests are decided on the access state of ``authz_token`` or a later one."""
        return self._saying(X_Vouch_At_Least=authz_token)

    @property
    def url(self) -> str:
        """The platform's address, without a slash at its end."""
        return str(self._connection.http.base_url).rstrip("/")

    def close(self) -> None:
        """Close the connections, also of the clients made from this one."""
        self._connection.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- asking --------------------------------------------------------------------------------

    def search(
        self,
        query: str = "",
        *,
        limit: int = 10,
        mode: Literal["hybrid", "dense", "lexical"] = "hybrid",
        rerank: bool = True,
        filter: Filter | None = None,
        **more: Any,
    ) -> SearchResult:
        """The passages that the user may read and that fit ``query`` best; with filters alone, the newest documents.

        ``more``: ``facets`` to count by, the document to be ``like`` (its id), ``syntax="plain"`` for text that is
        words alone."""
        body = {"query": query, "limit": limit, "mode": mode, "rerank": rerank, "filter": dict(filter or {}), **more}
        if isinstance(more.get("like"), str):
            body["like"] = {"document_id": more["like"]}
        return SearchResult.model_validate(self._connection.send("POST", "/v1/search", body))

    def ask(self, question: str, *, filter: Filter | None = None, **options: Any) -> Answer:
        """An answer, or an abstention with its reason. ``options``: ``limit``, ``conversation_id``, ``profile``,
        ``syntax``, ``workflow``, ``fresh``."""
        body = {"question": question, "filter": dict(filter or {}), **options}
        return Answer.model_validate(self._connection.send("POST", "/v1/ask", body))

    def ask_stream(
        self, question: str, *, filter: Filter | None = None, **options: Any
    ) -> Iterator[Step | Token | Citation | Answer]:
        """As :meth:`ask`, as it comes; the last is the whole :class:`Answer`. Raises what went wrong on the way."""
        body = {"question": question, "filter": dict(filter or {}), "stream": True, **options}
        kinds: dict[str, type[Step | Token | Citation | Answer]] = {
            "step": Step,
            "token": Token,
            "citation": Citation,
            "answer": Answer,
        }
        with self._connection.events("POST", "/v1/ask", body) as events:
            for event in events:
                if event.event == "error":
                    raise from_problem(event.json())
                if event.event in kinds:
                    yield kinds[event.event].model_validate_json(event.data)
                if event.event == "answer":
                    return
        raise Unavailable("The stream ended before the answer was whole.")

    # --- reading -------------------------------------------------------------------------------

    def answer(self, answer_id: str) -> Answer:
        """An answer of the user's, decided again by today's access."""
        return self._connection.get(f"/v1/answers/{segment(answer_id)}", Answer)

    def citations(self, answer_id: str) -> tuple[Citation, ...]:
        """Its citations, likewise."""
        found = self._connection.get(f"/v1/answers/{segment(answer_id)}/citations", _Citations)
        return found.citations

    def feedback(self, answer_id: str, helpful: bool, comment: str | None = None) -> None:
        """Say whether an answer helped."""
        self._connection.send(
            "POST", f"/v1/answers/{segment(answer_id)}/feedback", {"helpful": helpful, "comment": comment}
        )

    def conversation(self, conversation_id: str) -> Conversation:
        """The user's questions in a conversation, in order."""
        return self._connection.get(f"/v1/conversations/{segment(conversation_id)}", Conversation)

    def document(self, document_id: str) -> Document:
        """What a document is."""
        return self._connection.get(f"/v1/documents/{segment(document_id)}", Document)

    def text(
        self, document_id: str, start: int | None = None, end: int | None = None, *, version: int | None = None
    ) -> TextPart:
        """Code points ``start`` to ``end`` of a document's normalised text."""
        query = {"start": start, "end": end, "version": version}
        return self._connection.get(f"/v1/documents/{segment(document_id)}/text", TextPart, query)

    def similar(self, document_id: str, *, limit: int | None = None, cursor: str | None = None) -> Similar:
        """The documents like one that the user may read too, and what contradicts what in them."""
        query = {"limit": limit, "cursor": cursor}
        return self._connection.get(f"/v1/documents/{segment(document_id)}/similar", Similar, query)

    def review(
        self, document_id: str, *, until: str | None = None, comment: str | None = None, version: int | None = None
    ) -> Document:
        """Say, as its owner, that a document holds: until a day (``2027-06-30``), or until the policy wants it looked
        at again. With ``version`` only if that one is current."""
        body = {"until": until, "comment": comment, "version": version}
        return Document.model_validate(
            self._connection.send("POST", f"/v1/documents/{segment(document_id)}/review", body)
        )

    def trace(self, trace_id: str) -> Trace:
        """How a question went."""
        return self._connection.get(f"/v1/traces/{segment(trace_id)}", Trace)


class _Citations(Result):
    citations: tuple[Citation, ...]
