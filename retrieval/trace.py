"""The record of one question: what was asked, seen, refused, written, verified and released, and how long it took.

Of documents only ids, offsets and scores are kept. Who may read what of a trace is decided when it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from acl.audit import record, record_reading, shown
from acl.caller import Asker, Caller
from acl.recheck import recheck
from acl.resolve import Access, resolve
from retrieval.export import PARENT, Attempt, Told
from retrieval.listing import Listed
from retrieval.metrics import QUESTION_SECONDS, STEP_SECONDS
from retrieval.pack import Packed
from retrieval.recheck import Admitted
from retrieval.rounds import as_one
from retrieval.search import Found
from retrieval.services import Services
from retrieval.types import Candidate, Draft, Hit, Question, Released, Rewritten, Verified
from vouch.catalog import epoch as epochs
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Answer, Approval, Trace
from vouch.core.clock import rfc3339
from vouch.core.errors import NotFound
from vouch.core.ids import new_id
from vouch.core.types import Json

_INSERT = sa.text(
    "INSERT INTO trace (tenant_id, id, user_id, kind, query, data)"
    " VALUES (:tenant, :id, :user, :kind, :query, CAST(:data AS jsonb))"
)
Kind = Literal["search", "ask", "eval"]
"""``eval``: of the same walk, taken to measure it; none is kept."""
Follow = Callable[[str], None]
"""Told the name of each step as it begins; what it raises ends the question."""


class Recorder:
    """Collects one question's trace. Not shared by threads."""

    def __init__(self, kind: Kind, asker: Asker, question: Question, follow: Follow = lambda _: None) -> None:
        self.id = new_id()
        self.asker = asker
        self.kind: Kind = kind
        self._question, self._follow = question, follow
        self._began, self._began_ns = time.perf_counter(), time.time_ns()
        self._parent = PARENT.get()
        self._attempts: list[Attempt] = []
        self._walk: list[tuple[str, float, float]] = []
        """Each step as it was entered: its name, when it began, and the seconds it took."""
        self._facts: Json = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block under ``name``, each time that it is entered."""
        self._follow(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - began
            self._walk.append((name, began, seconds))
            STEP_SECONDS.labels(self.kind, name).observe(seconds)

    def tried(self, attempt: Attempt) -> None:
        """Of a writer; what came of it stands in the answer's usage too."""
        self._attempts.append(attempt)

    def told(self, error: str | None) -> Told:
        """All of it so far, for who exports it."""
        asker, seconds = self.asker, time.perf_counter() - self._began
        times = (self._began, self._began_ns, seconds, self._walk, self._attempts)
        return Told(self.id, self.kind, asker.tenant, *times, self._facts, error, self._parent)

    def note(self, **facts: Any) -> None:
        """Keep facts under their names; a later value replaces an earlier one."""
        self._facts.update(facts)

    def keep(self, session: Session) -> None:
        """Insert the trace, with the time taken so far."""
        seconds = time.perf_counter() - self._began
        QUESTION_SECONDS.labels(self.kind).observe(seconds)
        asked = asdict(self._question)
        where = {name: value for name, value in asked.pop("where").items() if value}
        moments = {name: rfc3339(where[name]) for name in ("modified_after", "modified_before") if name in where}
        asker, query = self.asker, asked.pop("text")
        told = {"asked": {**asked, "filter": {**where, **moments}}, **self._facts, **self._times(), "ms": _ms(seconds)}
        row = {"tenant": asker.tenant, "id": self.id, "user": asker.user, "kind": self.kind, "query": query}
        session.execute(_INSERT, {**row, "data": json.dumps(told)})

    def _times(self) -> Json:
        """``steps``: what each took, all times that it was entered together; ``walk``: each time by itself."""
        spent: dict[str, float] = {}
        for name, _, seconds in self._walk:
            spent[name] = spent.get(name, 0.0) + seconds
        walk = [{"name": name, "at_ms": _ms(at - self._began), "ms": _ms(taken)} for name, at, taken in self._walk]
        return {"steps": [{"name": name, "ms": _ms(taken)} for name, taken in spent.items()], "walk": walk}


def search_facts(
    services: Services, rewritten: Rewritten, found: Found, admitted: Admitted, hits: Sequence[Hit]
) -> Json:
    """What the first half of the walk leaves behind; ``hits`` in their final order."""
    return {
        "access": {"epoch": admitted.access.epoch, "principals_hash": admitted.access.principals_hash},
        "rewrite": asdict(rewritten),
        "index": {"generation": services.generation, "embedder": services.recipe.model, "plan": found.hits.plan},
        "candidates": [*map(_scored, hits), *map(_scored, admitted.rest)],
        "demoted": [_fell(one) for one in hits if one.demoted is not None],
        "dropped": [{**_scored(one), "state": state} for one, state in admitted.dropped],
        "refused": [_scored(one) for one in admitted.refused],
        "outdated": admitted.outdated,
    }


def together(searches: Sequence[Json]) -> Json:
    """What several searches for one question leave behind: each candidate once, at the first that found it."""
    one = dict(searches[-1])
    for name in ("candidates", "demoted", "dropped", "refused"):
        every = {
            (row["document_id"], row["version"], row["ordinal"]): row for facts in searches[::-1] for row in facts[name]
        }
        one[name] = list(every.values())[::-1]
    return one | {"outdated": sum(facts["outdated"] for facts in searches)}


def listing_facts(services: Services, rewritten: Rewritten, listed: Listed) -> Json:
    """What a list leaves behind, for which no index was asked: the shape is that of a search."""
    return {
        "access": {"epoch": listed.access.epoch, "principals_hash": listed.access.principals_hash},
        "rewrite": asdict(rewritten),
        "index": {"generation": services.generation, "embedder": services.recipe.model, "plan": {}},
        "candidates": [_scored(hit) for hit in listed.hits],
    }


def outcome_facts(packed: Packed, draft: Draft, verified: Verified, released: Released) -> Json:
    """What the second half leaves behind."""
    document_of = {passage.n: passage.document_id for passage in packed.passages}
    return {
        "writer": {"name": draft.writer, "confidence": round(draft.confidence, 4), "missing": draft.missing}
        | draft.usage,
        "passages": [
            {
                "n": passage.n,
                "document_id": passage.document_id,
                "version": passage.version,
                "span": asdict(passage.span),
                "score": round(passage.score, 6),
            }
            for passage in packed.passages
        ],
        "suspected": [{**asdict(one), "document_id": document_of.get(one.passage or 0)} for one in draft.suspected],
        "rejected": [{**asdict(one), "document_id": document_of.get(one.passage or 0)} for one in verified.rejected],
        "answer": {
            "answer_id": released.id,
            "kind": "abstention" if released.abstention else "answer",
            "text": released.text,
            "claims": [asdict(claim) for claim in released.claims],
            "citations": [
                {
                    "n": citation.n,
                    "document_id": citation.document.document_id,
                    "version": citation.version,
                    "span": asdict(citation.span),
                }
                for citation in released.citations
            ],
            "abstention": asdict(released.abstention) if released.abstention else None,
        },
        "inputs": sorted(released.inputs),
        "made_by": released.made_by,
    }


def _scored(one: Candidate | Hit) -> Json:
    named = (("dense", one.scores.dense), ("lexical", one.scores.lexical), ("fused", one.scores.fused))
    scores = {name: round(value, 6) for name, value in (*named, ("rerank", one.scores.rerank)) if value is not None}
    return {"document_id": one.document_id, "version": one.version, "ordinal": one.ordinal, "scores": scores}


def _fell(hit: Hit) -> Json:
    """``successor``: what it yields to, where that is why."""
    successor = hit.freshness.superseded_by if hit.demoted == "superseded" else None
    place = {"document_id": hit.document_id, "version": hit.version, "ordinal": hit.ordinal}
    return {**place, "state": hit.demoted, "successor": successor}


def save_search(catalog: Catalog, trace: Recorder, hits: Sequence[Hit], epoch: int) -> None:
    """Insert a search's trace, and into the audit log what it showed. The commit does not wait for the disk: a crash
    of PostgreSQL may lose the last moments' searches from both, a shutdown loses none."""
    with catalog.transaction(trace.asker.tenant, durable=False) as session:
        trace.keep(session)
        detail = shown([(hit.document_id, hit.version) for hit in hits], epoch)
        record(session, trace.asker, "search", f"trace:{trace.id}", detail)


def read_trace(catalog: Catalog, caller: Caller, trace_id: str) -> Json:
    """A trace under today's access.

    Its asker sees what was asked and answered, less every row of a document they may no longer read, and the answer
    only while all that fed it is readable. An administrator sees how it went, and nothing of what was asked or
    answered, unless they are the asker: what gate 2 refused, the epoch and the index's plan depend on documents and
    people that an asker is not to know of. Others: :class:`NotFound`.
    """
    with catalog.reading(caller.tenant) as session:
        row = session.get(Trace, (caller.tenant, trace_id))
        asked = row is not None and caller.user == row.user_id and "ask" in caller.scopes
        administers = "admin" in caller.scopes
        if row is None or not (asked or administers):
            raise NotFound()
        data = row.data
        told: Json = {
            "trace_id": row.id,
            "kind": row.kind,
            "created_at": rfc3339(row.created_at),
            "ms": data["ms"],
            "steps": data["steps"],
            "walk": _walk(data, administers),
            "access": data.get("access", {}) if administers else {},
            "index": {name: value for name, value in data.get("index", {}).items() if administers or name != "plan"},
            # What the evidence lacks is said in the question's words.
            "writer": {name: value for name, value in data.get("writer", {}).items() if name != "missing"},
            "outdated": data.get("outdated", 0),
            "made_by": data.get("made_by"),
            "reuse": {name: value for name, value in data.get("reuse", {}).items() if asked or name != "answer_id"},
        }
        if asked:
            told |= _for_asker(session, resolve(session, caller.tenant, row.user_id), row)
        epoch = epochs.current(session, caller.tenant)
    named = [(one["document_id"], one["version"]) for one in (*told.get("candidates", ()), *told.get("passages", ()))]
    record_reading(catalog, caller, "trace.read", f"trace:{trace_id}", shown(named, epoch, whole=asked))
    return told | ({"refused": data.get("refused", [])} if administers else {})


def _walk(data: Json, administers: bool) -> list[Json] | None:
    """None for a trace that was kept before beginnings were."""
    walk: list[Json] | None = data.get("walk")
    return walk if walk is None or administers else as_one(walk)


def _for_asker(session: Session, access: Access, row: Trace) -> Json:
    data = row.data
    candidates: list[Json] = data["candidates"]
    passages: list[Json] = data.get("passages", [])
    inputs = set(data.get("inputs", []))
    shown_to_writer = {passage["document_id"] for passage in passages}
    dropped: list[Json] = data.get("dropped", [])
    spoken = {one["document_id"] for one in (*candidates, *dropped)}
    _, readable = recheck(session, access, spoken | shown_to_writer | inputs)
    all_shown = shown_to_writer <= readable
    told = _told(session, row)
    writer: Json = data.get("writer", {})
    return {
        "writer": writer if all_shown else {name: value for name, value in writer.items() if name != "missing"},
        "query": row.query,
        "asked": data["asked"],
        "rewrite": data["rewrite"],
        "candidates": [one for one in candidates if one["document_id"] in readable],
        "demoted": [
            one for one in data.get("demoted", []) if {one["document_id"], one["successor"] or ""} <= {*readable, ""}
        ],
        "dropped": [one for one in dropped if one["document_id"] in readable],
        "passages": [one for one in passages if one["document_id"] in readable],
        "suspected": [one for one in data.get("suspected", []) if one["document_id"] in {None, *readable}],
        # A refused claim is prose that may speak of anything its writer was shown.
        "rejected": data.get("rejected", []) if all_shown and told else [],
        "answer": data.get("answer") if inputs <= readable and told else None,
    }


def _told(session: Session, row: Trace) -> bool:
    """Whether what was written is what the asker was told: not while a person has to approve it, nor after they
    rejected or edited it."""
    written: Json | None = row.data.get("answer")
    if written is None:
        return True
    key = (row.tenant_id, written["answer_id"])
    answer, approval = session.get(Answer, key), session.get(Approval, key)
    released = answer is not None and answer.status == "released"
    return released and (approval is None or approval.original is None)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
