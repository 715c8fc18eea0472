"""Sources, their syncs, and the documents pushed to them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from vouch.client.http import Connection, segment
from vouch.client.results import Connector, PushedLine, Result, Source

Clause = Mapping[str, Sequence[str]]
"""``{"allow": ["group:hr"], "deny": ["user:mallory"]}``"""


@dataclass(frozen=True, slots=True)
class Sources:
    """`/v1/sources` and `/v1/connectors`. A source is named by its id or its name."""

    connection: Connection

    def __iter__(self) -> Iterator[Source]:
        """All sources, by name."""
        return self.connection.pages("/v1/sources", "sources", Source)

    def add(self, name: str, kind: str, config: Mapping[str, Any], **options: Any) -> Source:
        """Register a source. ``options``: ``owner``, ``schedule``, ``freshness``, ``acl_max_age``,
        ``deletion_guard``, ``access_schedule``, ``priority``, ``data_class``."""
        body = {"name": name, "kind": kind, "config": dict(config), **options}
        return Source.model_validate(self.connection.send("POST", "/v1/sources", body))

    def get(self, source: str) -> Source:
        return self.connection.get(_path(source), Source)

    def change(self, source: str, **fields: Any) -> Source:
        """Change what is given; None clears."""
        return Source.model_validate(self.connection.send("PATCH", _path(source), fields))

    def remove(self, source: str) -> None:
        """Delete a source with its documents, chunks, vectors and blobs."""
        self.connection.send("DELETE", _path(source))

    def sync(
        self,
        source: str,
        kind: Literal["incremental", "full", "access"] = "incremental",
        *,
        confirm_deletions: bool = False,
    ) -> str:
        """Start a sync, or join the one under way. Returns the job's id.

        ``confirm_deletions``, of a full one: delete what is gone, however much of the source that is.
        """
        body = {"kind": kind, **({"confirm_deletions": True} if confirm_deletions else {})}
        return str(self.connection.send("POST", f"{_path(source)}/syncs", body)["job_id"])

    def connectors(self) -> tuple[Connector, ...]:
        """The kinds of source there are."""
        return self.connection.get("/v1/connectors", _Connectors).connectors

    def push(self, source: str, external_id: str, text: str, **fields: Any) -> str:
        """Send a text document. Without ``access`` nobody may read it. Returns the job's id.

        ``fields``: ``title``, ``mime``, ``uri``, ``owner``, ``modified_at``, ``access``, ``supersedes``.
        """
        path = f"{_path(source)}/documents/{segment(external_id, slashes=True)}"
        return str(self.connection.send("PUT", path, {"text": text, **fields})["job_id"])

    def push_many(self, source: str, documents: Iterable[Mapping[str, Any]]) -> tuple[PushedLine, ...]:
        """Send up to 1,000 documents at once: ``external_id``, ``text`` and the fields of :meth:`push`. Returns what
        became of each, in order; one that is refused raises nothing and keeps none of the others out."""
        done = self.connection.send_lines(f"{_path(source)}/documents", documents)
        return tuple(PushedLine.model_validate(line) for line in done["documents"])

    def push_file(
        self, source: str, external_id: str, content: bytes, *, mime: str, access: Sequence[Clause] | None = None
    ) -> str:
        """Send a file's bytes. Returns the job's id."""
        path = f"{_path(source)}/documents/{segment(external_id, slashes=True)}"
        name = external_id.rpartition("/")[2]
        fields = {} if access is None else {"access": json.dumps([dict(clause) for clause in access])}
        return str(self.connection.upload(path, (name, content, mime), fields)["job_id"])

    def set_access(self, source: str, external_id: str, access: Sequence[Clause]) -> str:
        """Replace a pushed document's clauses. Returns the authorization token."""
        path = f"{_path(source)}/documents/{segment(external_id, slashes=True)}/access"
        return str(self.connection.send("PUT", path, [dict(clause) for clause in access])["authz_token"])

    def set_access_under(self, source: str, prefix: str, access: Sequence[Clause]) -> tuple[str, int]:
        """Replace the clauses of every pushed document whose id begins with ``prefix``. Returns the authorization
        token and the number of documents."""
        path = f"{_path(source)}/access?{urlencode({'prefix': prefix})}"
        done = self.connection.send("PUT", path, [dict(clause) for clause in access])
        return str(done["authz_token"]), int(done["documents"])

    def remove_document(self, source: str, external_id: str) -> str:
        """Delete a pushed document. Returns the authorization token."""
        path = f"{_path(source)}/documents/{segment(external_id, slashes=True)}"
        return str(self.connection.send("DELETE", path)["authz_token"])


class _Connectors(Result):
    connectors: tuple[Connector, ...]


def _path(source: str) -> str:
    return f"/v1/sources/{segment(source)}"
