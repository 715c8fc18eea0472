"""Two tenants with sources, jobs and webhooks, and a real HTTP server that is called; time is moved by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ingestion.jobs import settle
from ingestion.webhooks import queue, targets
from ingestion.webhooks.deliver import take_turn
from ingestion.webhooks.targets import Asked, Event
from tests.outbound.serving import Asked as Heard
from tests.outbound.serving import Reply
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, Job, Source, Stage, Tenant, Webhook, WebhookDelivery
from vouch.core import clock
from vouch.core.ids import new_id
from vouch.core.settings import Settings
from vouch.outbound.door import Outbound

ALL: tuple[Event, ...] = ("job.ended", "document.quarantined", "documents.stale")
SECRET_WORDS = ("Salaries of the board", "salaries-2026.xlsx", "the vault is in the cellar")
"""What stands in titles, external ids and problems, and may be in no call."""


def verified(secrets: Sequence[str], heard: Heard) -> Any:
    """The body of a call, of which a receiver has checked the signature as the specification tells it."""
    signed = b".".join([heard.headers["webhook-id"].encode(), heard.headers["webhook-timestamp"].encode(), heard.body])
    given = dict(part.split(",") for part in reversed(heard.headers["webhook-signature"].split()))
    assert set(given) == {"v1"} and heard.headers["content-type"] == "application/json"
    told = [part.split(",")[1] for part in heard.headers["webhook-signature"].split()]
    made = [
        base64.b64encode(hmac.new(base64.b64decode(secret[len("whsec_") :]), signed, hashlib.sha256).digest()).decode()
        for secret in secrets
    ]
    assert told == made
    return json.loads(heard.body)


@dataclass
class Receiver:
    """Answers in turn, then 200; ``on_call`` is done while the caller waits."""

    replies: list[Reply] = field(default_factory=list)
    on_call: Callable[[Heard], object] = field(default=lambda heard: None)

    def __call__(self, heard: Heard) -> Reply:
        self.on_call(heard)
        return self.replies.pop(0) if self.replies else Reply(200)


@dataclass
class Hooks:
    catalog: Catalog
    settings: Settings
    url: str
    heard: list[Heard]
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def door(self) -> Outbound:
        return Outbound.of(self.settings)

    def tenant(self, name: str, *sources: str) -> None:
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            session.add(Tenant(id=name, name=name))
            session.flush()
            session.add_all(Source(tenant_id=name, id=one, name=f"name of {one}", kind="push") for one in sources)

    def webhook(self, tenant: str = "acme", *, events: Sequence[Event] = ALL, **given: Any) -> str:
        asked = Asked(given.pop("url", self.url), events, given.pop("sources", ()), True)
        with self.catalog.transaction(tenant) as session:
            row, secret = targets.create(session, self.settings, tenant, asked)
        self.secrets[row.id] = secret
        return row.id

    def document(self, source: str = "s", tenant: str = "acme", **given: Any) -> str:
        document_id = new_id()
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            title, external = SECRET_WORDS[0], f"{document_id}/{SECRET_WORDS[1]}"
            values = {
                "state": "live",
                "current_version": 1,
                "external_id": external,
                "title": title,
                "uri": "",
                **given,
            }
            session.add(Document(tenant_id=tenant, id=document_id, source_id=source, **values))
        return document_id

    def job(self, *failed: str, tenant: str = "acme", source: str = "s", kind: str = "incremental") -> str:
        """A job with nothing left to do, some of whose documents failed; it has not ended."""
        job_id = new_id()
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            job = Job(tenant_id=tenant, id=job_id, source_id=source, kind=kind, state="running", scanned=True)
            job.counts = {"seen": 12, "quarantined": 0}
            session.add(job)
            session.flush()
            problem = {"reason": "corrupt", "detail": SECRET_WORDS[2], "attempts": 3}
            for name, document in [("scan", ""), *(("parse", one) for one in failed)]:
                state = "failed" if document else "done"
                session.add(
                    Stage(
                        tenant_id=tenant, id=new_id(), job_id=job_id, source_id=source, document_id=document,
                        version=0, name=name, state=state, problem=problem if document else None,
                    )
                )  # fmt: skip
        return job_id

    def ended(self, *jobs: str) -> None:
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            settle(session, jobs)

    def turn(self, webhook: str, tenant: str = "acme", *, at: datetime | None = None, after_s: float = 0) -> int:
        """Every call that is owed at that moment."""
        with clock.frozen((at or clock.now()) + timedelta(seconds=after_s)):
            return take_turn(self.catalog, self.settings, self.door, (tenant, webhook))

    def row(self, webhook: str, tenant: str = "acme") -> Webhook:
        with self.catalog.reading(tenant) as session:
            return targets.find(session, tenant, webhook)

    def deliveries(self, webhook: str, tenant: str = "acme") -> list[WebhookDelivery]:
        """Oldest first."""
        with self.catalog.reading(tenant) as session:
            return list(queue.deliveries(session, tenant, webhook, state=None, limit=1000, before=""))[::-1]

    def told(self, webhook: str) -> list[Any]:
        """What a receiver makes of everything that arrived."""
        return [verified([self.secrets[webhook]], one) for one in self.heard]

    def waits_for_a_lock(self) -> bool:
        """Whether a transaction waits for another's."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with self.catalog.reading(ACROSS_TENANTS) as session:
            return bool(session.execute(sa.text(waiting)).scalar())

    def whole_database(self) -> str:
        with self.catalog.reading(ACROSS_TENANTS) as session:
            tables = ("webhook", "webhook_delivery", "audit_entry")
            return str([session.execute(sa.text(f"SELECT to_jsonb(t) FROM {t} t")).all() for t in tables])
