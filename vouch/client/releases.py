"""Which profile makes the answers, and what is tried beside it (scope `admin`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime

from vouch.client.http import Connection
from vouch.client.results import Result


class Share(Result):
    """A profile, and for how many of a hundred."""

    profile: str
    percent: int


class Release(Result):
    """``sound``: whether each profile is configured as it was released."""

    id: str
    workflow: str
    stable: str | None
    canary: Share | None
    shadow: Share | None
    sound: bool
    verb: str
    by: str
    at: AwareDatetime


class Profile(Result):
    name: str
    digest: str
    says: dict[str, Any]


class Released(Result):
    """What holds now, and the profiles that there are."""

    releases: tuple[Release, ...]
    profiles: tuple[Profile, ...]


class Measured(Result):
    """``difference``: the candidate's less the former's, with its 95 % interval."""

    measure: str
    former: float
    candidate: float
    difference: float
    low: float
    high: float
    p: float


class Overlap(Result):
    mean: float
    low: float
    high: float


class Compared(Result):
    """A canary beside its stable profile, or a shadow beside what was shown. ``answers``: how many of each."""

    kind: str
    former: str
    candidate: str
    answers: tuple[int, int]
    enough: bool
    failed: int
    measures: tuple[Measured, ...]
    overlap: Overlap | None


class Comparisons(Result):
    workflow: str
    since: AwareDatetime
    until: AwareDatetime
    comparisons: tuple[Compared, ...]


@dataclass(frozen=True, slots=True)
class Releases:
    """`/v1/releases`. ``workflow``: whose; empty: the whole tenant's."""

    connection: Connection

    def list(self) -> Released:
        return self.connection.get("/v1/releases", Released)

    def history(self, workflow: str | None = None, *, limit: int = 50) -> tuple[Release, ...]:
        """Every state that held, newest first; of all workflows unless one is named."""
        return self.connection.get("/v1/releases/history", _History, {"workflow": workflow, "limit": limit}).releases

    def set(
        self,
        stable: str | None,
        *,
        workflow: str = "",
        canary: tuple[str, int] | None = None,
        shadow: tuple[str, int] | None = None,
    ) -> Release:
        """In the place of what holds. ``canary`` and ``shadow``: a profile, and for how many of a hundred."""
        body = {"workflow": workflow, "stable": stable, "canary": _share(canary), "shadow": _share(shadow)}
        return Release.model_validate(self.connection.send("PUT", "/v1/releases", body))

    def rollback(self, workflow: str = "") -> Release:
        """Drops the canary; where there is none, the stable profile of before serves again."""
        made = self.connection.send("POST", "/v1/releases/rollback", {"workflow": workflow})
        return Release.model_validate(made)

    def compare(
        self, workflow: str = "", *, since: datetime | None = None, until: datetime | None = None
    ) -> Comparisons:
        """Of the last 30 days unless told."""
        asked = {
            "workflow": workflow,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
        }
        return self.connection.get("/v1/releases/comparison", Comparisons, asked)


class _History(Result):
    releases: tuple[Release, ...]


def _share(one: tuple[str, int] | None) -> dict[str, Any] | None:
    return None if one is None else {"profile": one[0], "percent": one[1]}
