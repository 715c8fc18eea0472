"""Is there an answer to this already? Looked up once the passages are there that it would be written from.

Searching is done in any case: it is what says, under the access of this moment, which versions of which documents an
answer would rest on today. Where they are those that the earlier answer was written from, to the same question and by
the same writers, writing anew would repeat it; where anything differs it is written anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from sqlmodel import Session

from retrieval.metrics import NOT_REUSED, REUSED
from retrieval.pack import Packed
from retrieval.reuse import store
from retrieval.reuse.again import holds, redraft, same_versions
from retrieval.reuse.alike import NEAR, unlike
from retrieval.reuse.asked import Asked, evidence_hash, question_hash
from retrieval.settle import Settled
from retrieval.texts import Texts
from retrieval.trace import Recorder
from retrieval.types import Draft, Released
from vouch.core.errors import Unavailable
from vouch.core.types import Json, Vector

log = logging.getLogger(__name__)

Missed = Literal["fresh", "unknown", "evidence", "gone", "words", "unverified"]
"""``unknown``: nothing like it was answered; ``evidence``: it would be written from other passages today; ``words``: a
question near to it asks something else."""
_TRIED = 5
"""Answers to questions alike that are looked at."""
_FAILED_NOT = frozenset({"wrote", "abstained", "data_class"})
"""A model that may not be shown the evidence is passed over again, as long as that is of the same classes."""


def given_before(asked: Asked, texts: Texts, packed: Packed, trace: Recorder) -> Draft | None:
    """The earlier answer as a draft, or None. The trace tells which it was, or why none. Raises as reading does."""
    if asked.services.settings.reuse == "off" or not packed.passages:
        return None
    with trace.step("reuse"):
        found = _found(asked, texts, packed)
    if isinstance(found, str):
        NOT_REUSED.labels(found).inc()
        trace.note(reuse={"kind": None, "missed": found})
        return None
    draft, told = found
    REUSED.labels(told["kind"]).inc()
    trace.note(reuse=told)
    return draft


def give_again(asked: Asked, packed: Packed, settled: Settled, released: Released) -> None:
    """Have it given again, if it is one to be: an answer, written now and to its end, of which nothing was refused or
    left open, by a writer before whom none failed, and released under the access that it was looked up by."""
    services, access = asked.services, asked.access
    if services.settings.reuse == "off" or not _worth(asked, settled.draft, released):
        return
    near = services.settings.reuse == "near"
    entry = {
        "answer": released.id,
        "question": question_hash(asked.words),
        "evidence": evidence_hash(packed),
        "vector": _vector(asked).astype("<f4").tobytes() if near else None,
    }
    try:
        with services.catalog.transaction(access.tenant, durable=False) as session:
            store.keep(session, asked, entry)
    except Unavailable:
        log.warning("answer %s is given, and will not be given again", released.id, exc_info=True)


def _worth(asked: Asked, draft: Draft, released: Released) -> bool:
    proof, attempts = released.proof, draft.usage.get("attempts", ())
    return (
        released.abstention is None
        and released.awaits is None
        and not released.rejected
        and not draft.unanswered
        and draft.usage.keys().isdisjoint(("reused", "cut_off"))
        and all(one["outcome"] in _FAILED_NOT for one in attempts)
        and all(claim.verdict == "supported" for claim in released.claims)
        and (proof["epoch"], proof["principals_hash"]) == (asked.access.epoch, asked.access.principals_hash)
    )


def _found(asked: Asked, texts: Texts, packed: Packed) -> tuple[Draft, Json] | Missed:
    if asked.question.fresh:
        return "fresh"
    with asked.services.catalog.reading(asked.access.tenant) as session:
        same = store.same_question(session, asked, question_hash(asked.words))
        if same:
            return _exactly(session, asked, texts, packed, same)
        return _nearly(session, asked, texts, packed) if asked.services.settings.reuse == "near" else "unknown"


def _exactly(
    session: Session, asked: Asked, texts: Texts, packed: Packed, same: Sequence[tuple[str, str]]
) -> tuple[Draft, Json] | Missed:
    evidence = evidence_hash(packed)
    answer_id = next((answer for answer, of in same if of == evidence), None)
    if answer_id is None:
        return "evidence"
    before = store.earlier(session, asked, answer_id)
    draft = None if before is None else redraft(before, asked.words, packed)
    if draft is None:
        return "gone"
    return _again(asked, draft, answer_id, "exact", 1.0) if holds(texts, draft, packed) else "unverified"


def _nearly(session: Session, asked: Asked, texts: Texts, packed: Packed) -> tuple[Draft, Json] | Missed:
    missed: Missed = "unknown"
    for answer_id, cosine in _nearest(asked, store.with_vectors(session, asked)):
        before = store.earlier(session, asked, answer_id)
        if before is None:
            missed = "gone"
            continue
        if unlike(before.words, asked.words, cosine) is not None:
            missed = "words"
            continue
        draft = redraft(before, asked.words, packed)
        if draft is None or not same_versions(before, draft, packed):
            missed = "evidence"
        elif not holds(texts, draft, packed):
            missed = "unverified"
        else:
            return _again(asked, draft, answer_id, "near", cosine)
    return missed


def _nearest(asked: Asked, kept: Sequence[tuple[str, bytes]]) -> list[tuple[str, float]]:
    own = _vector(asked)
    told = [(answer_id, np.frombuffer(one, dtype="<f4")) for answer_id, one in kept]
    cosines = [(answer_id, float(one @ own)) for answer_id, one in told if one.shape == own.shape]
    return sorted((one for one in cosines if one[1] >= NEAR), key=lambda one: -one[1])[:_TRIED]


def _vector(asked: Asked) -> Vector:
    """As the search has it already."""
    return asked.services.query_vectors.of(asked.access.tenant, asked.words)


def _again(asked: Asked, draft: Draft, answer_id: str, kind: str, cosine: float) -> tuple[Draft, Json]:
    usage = {**draft.usage, "reused": kind, "cost": "0", "currency": asked.services.gateway.currency}
    told = {"kind": kind, "similarity": round(cosine, 4), "answer_id": answer_id}
    return replace(draft, usage=usage), told
