"""`/v1/evals`: questions for an evaluation set of one's own; sets that the platform runs itself, and their runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime

from vouch.client.http import Connection, segment
from vouch.client.results import Result


class NamedDocument(Result):
    source_id: str
    external_id: str


class ProposedEvidence(NamedDocument):
    """A part of a document that answers, and how it begins."""

    document_id: str
    version: int
    title: str
    heading_path: tuple[str, ...]
    quote: str


class ProposedQuestion(Result):
    """``evidence`` is empty where a person has to say what answers it."""

    id: str
    kind: Literal["link", "heading", "helpful", "unhelpful", "abstention"]
    question: str
    evidence: tuple[ProposedEvidence, ...]
    taken_from: tuple[NamedDocument, ...]


class Proposals(Result):
    """``dropped``: candidates that were passed over, by reason."""

    proposals: tuple[ProposedQuestion, ...]
    considered: int
    dropped: dict[str, int]


class Drift(Result):
    """What differs from another run of the same questions."""

    against: Literal["before", "baseline"]
    run_id: str
    measure: str
    difference: float
    low: float
    high: float
    p: float
    questions: int
    won: int
    lost: int
    verdict: Literal["better", "worse", "even", "too_few"]
    changed: tuple[str, ...]


class EvalRun(Result):
    """``missing``: documents that the set names and its user may not read."""

    id: str
    state: Literal["queued", "running", "succeeded", "failed"]
    user: str
    digest: str
    generation: str | None
    recipe: dict[str, str]
    profile: dict[str, Any]
    questions: int
    missing: int
    figures: dict[str, dict[str, float]]
    drift: tuple[Drift, ...]
    problem: dict[str, str] | None
    created_at: AwareDatetime | None
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    measured: dict[str, dict[str, float]] | None = None

    @property
    def worse(self) -> bool:
        """Than the run before, or than the baseline."""
        return any(one.verdict == "worse" for one in self.drift)


class EvalSet(Result):
    id: str
    name: str
    user: str
    questions: int
    digest: str
    mode: str
    rerank: bool
    schedule: str | None
    next_at: AwareDatetime | None
    baseline: str | None
    latest: EvalRun | None
    created_at: AwareDatetime | None


class _Sets(Result):
    sets: tuple[EvalSet, ...]


@dataclass(frozen=True, slots=True)
class Evals:
    """`/v1/evals`."""

    connection: Connection

    def proposals(self, *, limit: int = 100, seed: int = 0, asked: bool = False) -> Proposals:
        """What the documents and the questions of the user that the client acts for propose (scope `ask`); the
        questions alone where what was ``asked`` is wanted."""
        given = {"limit": limit, "seed": seed}
        return self.connection.get("/v1/evals/proposals", Proposals, {**given, "asked": "true" if asked else None})

    def sets(self) -> tuple[EvalSet, ...]:
        """Those that the platform has (scope `admin`, as all below)."""
        return self.connection.get(_PATH, _Sets).sets

    def set(self, set_id: str) -> EvalSet:
        return self.connection.get(_path(set_id), EvalSet)

    def create(
        self, name: str, user: str, questions: Sequence[Mapping[str, Any]], schedule: str | None = None, **more: Any
    ) -> EvalSet:
        """``questions``: of each ``id``, ``text`` and ``documents``, by ``source_id`` and ``external_id``. ``more``:
        ``mode``, ``rerank``. Needs the scope `act_as` besides, as all that has questions asked."""
        body = {"name": name, "user": user, "questions": list(map(dict, questions)), "schedule": schedule, **more}
        return EvalSet.model_validate(self.connection.send("POST", _PATH, body))

    def change(self, set_id: str, **given: Any) -> EvalSet:
        """As :meth:`create`, and ``baseline``: what is given is changed."""
        return EvalSet.model_validate(self.connection.send("PATCH", _path(set_id), given))

    def delete(self, set_id: str) -> None:
        """With all its runs."""
        self.connection.send("DELETE", _path(set_id))

    def start(self, set_id: str) -> EvalRun:
        """Run it now."""
        return EvalRun.model_validate(self.connection.send("POST", f"{_path(set_id)}/runs"))

    def runs(self, set_id: str) -> Iterator[EvalRun]:
        """Newest first; without single questions."""
        return self.connection.pages(f"{_path(set_id)}/runs", "runs", EvalRun)

    def run(self, set_id: str, run_id: str) -> EvalRun:
        """With every measure by question."""
        return self.connection.get(f"{_path(set_id)}/runs/{segment(run_id)}", EvalRun)


_PATH = "/v1/evals/sets"


def _path(set_id: str) -> str:
    return f"{_PATH}/{segment(set_id)}"
