"""What `/metrics` tells of mail and webhooks: what became of them, how long one waits, and nothing of an hour ago."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from pydantic import SecretStr

from ingestion import metrics
from ingestion.metrics import Readings, read
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import ReportDelivery, Tenant, User, Webhook, WebhookDelivery
from vouch.cli.application import create_application
from vouch.core import clock
from vouch.core.ids import new_id
from vouch.core.settings import Settings

HOUR = timedelta(hours=1)


class Office:
    """Two tenants that are owed mail and calls."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        for tenant in ("acme", "umbrella"):
            user = User(tenant_id=tenant, id="user:carol", name="Carol")
            self.add(Tenant(id=tenant, name=tenant), user)

    def add(self, *rows: Any) -> None:
        with self.catalog.transaction(ACROSS_TENANTS) as session:
            for row in rows:
                session.add(row)
                session.flush()

    def mail(self, state: str, hours: int = 0, tenant: str = "acme") -> None:
        at = clock.now() - hours * HOUR
        delivery = ReportDelivery(tenant_id=tenant, id=new_id(), user_id="user:carol", kind="report", period=at)
        delivery.state, delivery.created_at = state, at
        self.add(delivery)

    def webhook(self, *calls: tuple[str, int], state: str = "active", tenant: str = "acme") -> None:
        webhook = Webhook(tenant_id=tenant, id=new_id(), url="https://hooks.example.org/", secret={}, state=state)
        self.add(webhook)
        now = clock.now()
        for one, hours in calls:
            call = WebhookDelivery(tenant_id=tenant, id=new_id(), webhook_id=webhook.id, event="job.ended", state=one)
            call.at, call.not_before, call.data = now - hours * HOUR, now, {}
            self.add(call)

    def read(self) -> None:
        with self.catalog.reading(ACROSS_TENANTS) as session:
            read(session)


@pytest.fixture
def office(catalog: Catalog) -> Iterator[Office]:
    yield Office(catalog)
    for gauge in (metrics.DELIVERIES, metrics.OLDEST_WAITING_SECONDS, metrics.WEBHOOKS):
        gauge.clear()


def kept(channel: str) -> dict[str, float]:
    """By state, those that there are none of left out."""
    found = {
        state: REGISTRY.get_sample_value("vouch_deliveries", {"channel": channel, "state": state})
        for state in metrics.STATES[channel]
    }
    assert None not in found.values(), "an alert needs to see the zero"
    return {state: number for state, number in found.items() if number}


def oldest(channel: str) -> float | None:
    return REGISTRY.get_sample_value("vouch_delivery_oldest_waiting_seconds", {"channel": channel})


def test_deliveries_are_counted_by_what_became_of_them(office: Office) -> None:
    office.read()
    assert (kept("mail"), kept("webhook"), oldest("mail"), oldest("webhook")) == ({}, {}, 0, 0)
    for state, tenant in (("sent", "acme"), ("sent", "umbrella"), ("dead", "acme"), ("skipped", "acme")):
        office.mail(state, len(state), tenant)
    office.mail("nothing", 9)
    office.webhook(("delivered", 1), ("dead", 2), ("dead", 3))
    office.webhook(("delivered", 1), tenant="umbrella")
    office.webhook(state="disabled")
    office.read()
    assert kept("mail") == {"sent": 2, "dead": 1, "skipped": 1, "nothing": 1}
    assert kept("webhook") == {"delivered": 2, "dead": 2}
    assert (oldest("mail"), oldest("webhook")) == (0, 0), "what has ended waits no more"
    webhooks = [REGISTRY.get_sample_value("vouch_webhooks", {"state": one}) for one in metrics.WEBHOOK_STATES]
    assert webhooks == [2, 0, 1]


def test_the_oldest_that_is_owed_is_told(office: Office) -> None:
    office.mail("waiting", 2)
    office.mail("sending", 5, "umbrella")
    office.mail("dead", 50)
    office.webhook(("waiting", 3), ("sending", 1), ("delivered", 70))
    office.webhook(("waiting", 40), state="paused")
    office.read()
    assert oldest("mail") == pytest.approx(5 * 3600, abs=600)
    assert oldest("webhook") == pytest.approx(3 * 3600, abs=600)


def test_what_has_ended_shows_at_the_next_reading_and_that_is_not_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.mail("waiting")
    readings = Readings(office.catalog)
    readings.refresh()
    with office.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE report_delivery SET state = 'dead'"))
    monkeypatch.setattr(metrics, "EVERY_S", 0.0)
    readings.refresh()
    assert kept("mail") == {"waiting": 1}, "it was read a moment ago"
    readings = Readings(office.catalog)
    for _ in range(2):
        readings.refresh()
    assert kept("mail") == {"dead": 1}


def test_while_the_catalog_is_away_nothing_is_told_rather_than_what_was(office: Office, tmp_path: Path) -> None:
    office.mail("waiting")
    office.read()
    with closing(Catalog(f"postgresql:///none?host={tmp_path}")) as away:
        Readings(away).refresh()
    assert oldest("mail") is None


def test_the_process_that_serves_ingestion_shows_it(office: Office, database_url: str, tmp_path: Path) -> None:
    office.mail("dead")
    settings = Settings(data_dir=tmp_path, database_url=SecretStr(database_url), secret_key=SecretStr("k" * 40))
    with TestClient(create_application(settings, "ingestion")) as http:
        lines = http.get("/metrics").text.splitlines()
    assert 'vouch_deliveries{channel="mail",state="dead"} 1.0' in lines
    assert 'vouch_delivery_oldest_waiting_seconds{channel="webhook"} 0.0' in lines
