"""Answers as kept: saved with what they cite, and decided anew each time they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from acl.audit import record, record_reading, shown
from acl.caller import Asker
from acl.proof import digest
from acl.resolve import Access, resolve
from retrieval.approval import withheld
from retrieval.documents import cards
from retrieval.metrics import FEEDBACK
from retrieval.reuse.store import disliked
from retrieval.services import Services
from retrieval.trace import Recorder
from retrieval.types import Abstention, Card, Citation, CitedClaim, Notice, Question, Released
from vouch.catalog.database import Catalog
from vouch.catalog.tables import Answer as AnswerRow
from vouch.catalog.tables import Approval, Feedback
from vouch.catalog.tables import Citation as CitationRow
from vouch.catalog.tables import Conversation as ConversationRow
from vouch.core.errors import Conflict, NotFound
from vouch.core.types import Span

_INPUTS = sa.text("SELECT data->'inputs' FROM trace WHERE tenant_id = :tenant AND id = :trace")
MOST_LISTED = 200
"""Questions of a conversation, newest kept."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer read back: ``released`` speaks of its documents as they stand today. ``approval``: what a person had to
    decide about it, if one had."""

    released: Released
    row: AnswerRow
    approval: Approval | None = None


def save_answer(services: Services, access: Access, question: Question, released: Released, trace: Recorder) -> None:
    """Insert the answer, its citations and its trace, all or nothing."""
    tenant = access.tenant
    with services.catalog.transaction(tenant) as session:
        if question.conversation_id is not None:
            conversation = {"tenant_id": tenant, "id": _own(access.user, question.conversation_id)}
            mine = insert(ConversationRow).values(user_id=access.user, **conversation)
            # Written also where it is there: so its row is held, and nobody removes it as empty meanwhile.
            kept = mine.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={"user_id": access.user})
            session.execute(kept)
        session.add(
            AnswerRow(
                tenant_id=tenant,
                id=released.id,
                user_id=access.user,
                conversation_id=question.conversation_id,
                question=question.text,
                kind="abstention" if released.abstention else "answer",
                text=released.text,
                claims=[asdict(claim) for claim in released.claims],
                notices=[asdict(notice) for notice in released.notices],
                abstention=asdict(released.abstention) if released.abstention else None,
                usage={**released.usage, "rejected": released.rejected},
                trace_id=trace.id,
                epoch=released.proof["epoch"],
                principals_hash=released.proof["principals_hash"],
                generation=released.proof["generation"],
                proof=released.proof,
                made_by=released.made_by,
                status="awaiting_review" if released.awaits else "released",
            )
        )
        session.flush()
        if released.awaits:
            _hold(session, tenant, released)
        session.add_all(citation_row(tenant, released.id, citation) for citation in released.citations)
        trace.keep(session)
        kind = "abstention" if released.abstention else "answer"
        told = {"kind": kind, "trace": trace.id, "made_from": sorted(released.inputs), "proof": digest(released.proof)}
        held = {"awaits": released.awaits} if released.awaits else {}
        detail = shown([] if held else _cited(released), released.proof["epoch"], **told, **held)
        record(session, trace.asker, "ask", f"answer:{released.id}", detail | {"made_by": released.made_by})


def _hold(session: Session, tenant: str, released: Released) -> None:
    row = Approval(tenant_id=tenant, answer_id=released.id, why=str(released.awaits), inputs=sorted(released.inputs))
    session.add(row)


def read_answer(catalog: Catalog, asker: Asker, answer_id: str) -> Kept:
    """Only for who asked it, and only while they may read everything it was made from.

    Raises :class:`NotFound` otherwise. Titles and freshness are today's. Of what a person has yet to approve, or did
    not, there is nothing in it.
    """
    access, kept = _read(catalog, asker, answer_id)
    detail = shown(_cited(kept.released), access.epoch)
    record_reading(catalog, asker, "answer.read", f"answer:{answer_id}", detail)
    return kept


def _read(catalog: Catalog, asker: Asker, answer_id: str) -> tuple[Access, Kept]:
    with catalog.reading(asker.tenant) as session:
        row = session.get(AnswerRow, (asker.tenant, answer_id))
        if row is None or row.user_id != asker.user:
            raise NotFound()
        access, released = read_back(session, resolve(session, asker.tenant, asker.user), row)
        approval = session.get(Approval, (asker.tenant, answer_id))
    return access, Kept(released if row.status == "released" else withheld(released), row, approval)


def read_back(session: Session, access: Access, row: AnswerRow) -> tuple[Access, Released]:
    """All of an answer, whatever its status, for a user who may read everything it was made from now.

    Raises :class:`NotFound` otherwise.
    """
    quotes = session.exec(
        select(CitationRow)
        .where(col(CitationRow.tenant_id) == access.tenant, col(CitationRow.answer_id) == row.id)
        .order_by(col(CitationRow.n))
    ).all()
    inputs = session.execute(_INPUTS, {"tenant": access.tenant, "trace": row.trace_id}).scalar()
    if inputs is None:  # the trace is gone, and with it what the answer was made from
        raise NotFound()
    needed = set(inputs) | {quote.document_id for quote in quotes}
    spoken = {id_ for notice in row.notices for id_ in notice["document_ids"]}
    access, found = cards(session, access, needed | spoken)
    if not needed <= found.keys():
        raise NotFound()
    return access, _released(row, quotes, found, frozenset(inputs))


def give_feedback(catalog: Catalog, asker: Asker, answer_id: str, helpful: bool, comment: str | None) -> None:
    """Keep the asker's verdict on their own answer; a second one replaces the first.

    Raises :class:`NotFound`, and :class:`Conflict` for one that nobody has released.
    """
    access, kept = _read(catalog, asker, answer_id)
    if kept.row.status != "released":
        raise Conflict("The answer is not released, so nobody can say whether it helped.")
    verdict = {"helpful": helpful, "comment": comment}
    with catalog.transaction(asker.tenant) as session:
        session.execute(
            insert(Feedback)
            .values(tenant_id=asker.tenant, answer_id=answer_id, user_id=asker.user, **verdict)
            .on_conflict_do_update(index_elements=["tenant_id", "answer_id", "user_id"], set_=verdict)
        )
        if not helpful:
            disliked(session, asker.tenant, answer_id)
        detail = {"helpful": helpful, "epoch": access.epoch}
        record(session, asker, "answer.feedback", f"answer:{answer_id}", detail)
    FEEDBACK.labels("yes" if helpful else "no").inc()


def read_conversation(catalog: Catalog, asker: Asker, conversation_id: str) -> list[AnswerRow]:
    """The asker's own questions in order; of the rows only what the asker wrote may be shown.

    Raises :class:`NotFound` for one that they never began.
    """
    with catalog.reading(asker.tenant) as session:
        if session.get(ConversationRow, (asker.tenant, _own(asker.user, conversation_id))) is None:
            raise NotFound()
        newest = (
            select(AnswerRow)
            .where(
                col(AnswerRow.tenant_id) == asker.tenant,
                col(AnswerRow.user_id) == asker.user,
                col(AnswerRow.conversation_id) == conversation_id,
            )
            .order_by(col(AnswerRow.created_at).desc(), col(AnswerRow.id).desc())
            .limit(MOST_LISTED)
        )
        rows = list(session.exec(newest))
        session.expunge_all()
    record_reading(catalog, asker, "conversation.read", f"conversation:{conversation_id}", {"questions": len(rows)})
    return rows[::-1]


def _own(user: str, conversation_id: str) -> str:
    """Conversations are named within a user, so no one can meet, or test for, another's."""
    return f"{user} {conversation_id}"


def _cited(released: Released) -> list[tuple[str, int]]:
    return [(citation.document.document_id, citation.version) for citation in released.citations]


def citation_row(tenant: str, answer_id: str, citation: Citation) -> CitationRow:
    return CitationRow(
        tenant_id=tenant,
        answer_id=answer_id,
        n=citation.n,
        document_id=citation.document.document_id,
        version=citation.version,
        span_start=citation.span.start,
        span_end=citation.span.end,
        quote=citation.quote,
        place=citation.place,
    )


def _released(
    row: AnswerRow,
    quotes: Sequence[CitationRow],
    found: Mapping[str, Card],
    inputs: frozenset[str],
) -> Released:
    citations = tuple(
        Citation(q.n, found[q.document_id], q.version, Span(q.span_start, q.span_end), q.quote, q.place) for q in quotes
    )
    return Released(
        id=row.id,
        text=row.text,
        claims=tuple(CitedClaim(**{**claim, "citations": tuple(claim["citations"])}) for claim in row.claims),
        citations=citations,
        notices=tuple(
            Notice(n["kind"], n["text"], tuple(n["document_ids"]), tuple(n["citations"]))
            for n in row.notices
            if found.keys() >= set(n["document_ids"])
        ),
        abstention=Abstention(**{**row.abstention, "ask": tuple(row.abstention.get("ask", ()))})
        if row.abstention
        else None,
        rejected=row.usage["rejected"],
        usage={name: value for name, value in row.usage.items() if name != "rejected"},
        inputs=inputs,
        proof=row.proof,
        made_by=row.made_by,
    )
