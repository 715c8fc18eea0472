"""What one scan of a connector told, and time that passes only by being slept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from connectors.pace import Pace
from connectors.protocol import Connector
from connectors.rest import Rest, ShortToken
from vouch.core.errors import VouchError
from vouch.core.types import AccessUnknown, Change, Checkpoint, Deleted, Json, Refused, SourceAcl, Upsert


@dataclass
class Seen:
    """What one scan told. ``raised``: what it ended with."""

    changes: list[Change]
    raised: VouchError | None = None

    @classmethod
    def until_it_ends(cls, connector: Connector, cursor: Json | None) -> Seen:
        """All of it, each external id at most once, and the error that it ends with."""
        seen = cls([])
        try:
            for change in connector.scan(cursor):
                seen.changes.append(change)
        except VouchError as error:
            seen.raised = error
        named = [change.external_id for change in seen.changes if not isinstance(change, Checkpoint)]
        assert len(set(named)) == len(named)
        return seen

    @property
    def documents(self) -> dict[str, Upsert]:
        return {c.external_id: c for c in self.changes if isinstance(c, Upsert)}

    @property
    def names(self) -> list[str]:
        return sorted(self.documents)

    @property
    def deleted(self) -> list[str]:
        return sorted(self.of(Deleted))

    @property
    def refused(self) -> dict[str, str]:
        return {c.external_id: c.reason for c in self.changes if isinstance(c, Refused)}

    @property
    def cursor(self) -> Json:
        last = self.changes[-1]
        assert isinstance(last, Checkpoint)
        return last.cursor

    def of(self, kind: type[Any]) -> set[str]:
        return {c.external_id for c in self.changes if isinstance(c, kind)}

    def readers(self, name: str) -> tuple[str, ...] | None:
        """Whom the first clause lets in."""
        acl = self.documents[name].acl
        return acl[0].allow if isinstance(acl, tuple) else None


def allowed(acl: SourceAcl) -> list[tuple[str, ...]]:
    """Whom each level lets in, where none denies anybody."""
    assert isinstance(acl, tuple), acl
    assert all(clause.deny == () for clause in acl)
    return [clause.allow for clause in acl]


def reason(acl: SourceAcl) -> str:
    """Why it is not known who may read."""
    assert isinstance(acl, AccessUnknown), acl
    return acl.reason


def members(connector: Connector) -> set[tuple[str, str]]:
    """Who is in which group."""
    return {(one.group, one.member) for one in connector.memberships()}


def pausing() -> tuple[Pace, list[float]]:
    """Time that passes only by being slept, and every pause that was taken."""
    pauses: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    return Pace(lambda: now[0], sleep), pauses


def unhurried(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time of the connector that passes only by being slept; gives every pause taken, and no test leaves tokens or
    texts."""
    pauses: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        pauses.append(round(seconds))
        now[0] += seconds

    pace = Pace(lambda: now[0], sleep)
    for module in ("github.api", "gitlab.connector"):
        monkeypatch.setattr(f"connectors.{module}.Rest", partial(Rest, pace=pace))
    monkeypatch.setattr("connectors.github.api.ShortToken", partial(ShortToken, pace=pace))
    monkeypatch.setattr("connectors.github.api._held", {})
    monkeypatch.setattr("connectors.github.wiki._held", OrderedDict())
    return pauses
