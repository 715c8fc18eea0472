"""The scheduler lets go of what was asked long enough ago, where it is told to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from ingestion import scheduler
from ingestion.scheduler import sweep
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Tenant
from vouch.core.settings import Settings

_ASKED = """
    INSERT INTO trace (tenant_id, id, user_id, kind, query, created_at)
    SELECT t.id, n, 'user:a', 'search', 'q', now() - make_interval(days => n) FROM tenant t, generate_series(1, 9) n
"""


def _asked(walk: Walk) -> None:
    """In two tenants, a search on each of the last nine days."""
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id="other", name="Other"))
        session.flush()
        session.execute(sa.text(_ASKED))


def _left(walk: Walk, tenant: str) -> object:
    return walk.scalar("SELECT count(*) FROM trace WHERE tenant_id = :tenant", tenant=tenant)


def _keeping(walk: Walk, lasts: str | None) -> Walk:
    settings = walk.services.settings.model_copy(update={"keep_traces": lasts})
    return replace(walk, services=replace(walk.services, settings=settings))


def test_the_scheduler_forgets_in_every_tenant(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "FORGOTTEN_AT_ONCE", 2)
    _asked(walk)
    sweep(walk.services)
    assert (_left(walk, TENANT), _left(walk, "other")) == (9, 9), "kept for ever unless told otherwise"
    sweep(_keeping(walk, "108h").services)
    assert (_left(walk, TENANT), _left(walk, "other")) == (4, 4)


def test_a_sweep_does_so_much_and_no_more(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "FORGOTTEN_AT_ONCE", 2)
    monkeypatch.setattr(scheduler, "MOST_AT_ONCE", 1)
    _asked(walk)
    walk = _keeping(walk, "12h")
    sweep(walk.services)
    assert _left(walk, TENANT) == 7
    sweep(walk.services)
    assert _left(walk, TENANT) == 7, "looked for a moment ago"
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        session.execute(sa.text("UPDATE heartbeat SET at = at - interval '1 hour' WHERE part = 'retention'"))
    sweep(walk.services)
    assert _left(walk, TENANT) == 5


@pytest.mark.parametrize("told", ["", "90", "3 fortnights", "0d", "-1d", "999999d"])
def test_what_is_no_duration_is_refused(told: str) -> None:
    with pytest.raises(ValidationError, match="keep_traces"):
        Settings(keep_traces=told)
