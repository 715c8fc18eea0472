"""Parse: raw bytes into normalised text and its elements, both kept as blobs. Another process does the reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from ingestion.parse.wire import Answer
from ingestion.parser import ParserKilled
from ingestion.services import Services
from ingestion.stages import links
from ingestion.stages.step import Step
from ingestion.stages.suspect import suspected
from ingestion.stages.version import Building, Noted, look, note_all, wanted
from vouch.catalog import ledger
from vouch.catalog.ledger import Lease
from vouch.core.errors import DocumentRejected
from vouch.core.types import Json


@dataclass(frozen=True, slots=True)
class Read:
    """What the parser process made of a version, the JSON that it said it in, and what of it is suspected."""

    answer: Answer
    body: bytes
    suspected: Json

    @property
    def size(self) -> int:
        return 2 * len(self.body)  # the text is in both


def _make(services: Services, lease: Lease, version: Building) -> Read:
    """Raises ``DocumentRejected`` with a stable reason for what cannot be read."""
    raw = services.blobs.get(lease.tenant, version.raw)
    try:
        meta = version.meta  # of versions from before there was a choice, the whole page was read
        article = meta.get("article", False)
        answer, body = services.parser.parse(raw, meta["name"], meta["mime_given"], article=article)
        return Read(answer, body, suspected(answer.text))
    except ParserKilled as killed:
        if lease.attempt < ledger.MAX_ATTEMPTS:
            raise
        raise DocumentRejected("The parser process died each time it was tried.", reason="parser_died") from killed


def _write(services: Services, session: Session, done: Sequence[tuple[Lease, Read]]) -> list[Lease]:
    done = wanted(session, done)
    if not done:
        return []
    services.blobs.lock(session)
    noted = list[tuple[Lease, Noted]]()
    for lease, read in done:
        elements = services.blobs.put(lease.tenant, read.body)
        text = services.blobs.put(lease.tenant, read.answer.text.encode())
        noted.append((lease, Noted(_facts(read.answer) | read.suspected, parsed=elements, text=text)))
    note_all(session, noted)
    links.keep(session, [(lease, read.answer.links) for lease, read in done])
    in_hand_s = services.settings.lease_s
    return ledger.finish_all(session, [(lease, {}) for lease, _ in done], then="chunk", in_hand_s=in_hand_s)


def _facts(parsed: Answer) -> dict[str, object]:
    return {
        "title": parsed.title,
        "mime": parsed.mime,
        "language": parsed.language,
        "characters": len(parsed.text),
        "notes": parsed.notes,
        "links": len(parsed.links),
    }


PARSE = Step(look, _make, _write)
