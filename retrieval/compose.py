"""From hits to an answer that is ready for release: packed, written, settled, mended.

    pack ─▶ given before? or generate ─▶ settle: contrast, verify, guard ─▶ repair, settle

Where somebody listens each claim is settled as soon as it is written, and the answer as it stands then is released and
told: by the same check of access as the whole will be, and after the audit log has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from acl.audit import record, shown
from retrieval.generate import Writers, generate
from retrieval.neighbours import neighbours
from retrieval.pack import Packed, pack
from retrieval.release import release
from retrieval.repair import MENDED, repair
from retrieval.reuse.asked import Asked
from retrieval.reuse.find import given_before
from retrieval.services import Services
from retrieval.settle import Checks, Settled, Settling
from retrieval.texts import Texts
from retrieval.trace import Recorder
from retrieval.types import Draft, Hit, Released, Rewritten
from vouch.gateway.model_file import EXTRACTIVE

Tell = Callable[[Released, str], None]
"""Given the answer so far, and its trace's id, each time that it has grown. What it raises ends the question."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer is made of: who asks what, the question as it was searched for, and the hits, of which as many are
    packed as the question's limit says."""

    asked: Asked
    rewritten: Rewritten
    hits: tuple[Hit, ...]


def compose(
    services: Services, ground: Ground, writers: Writers, trace: Recorder, tell: Tell | None = None
) -> tuple[Packed, Settled]:
    """The evidence, and what was written of it as far as it holds. Raises what :func:`generate` does."""
    access, size = ground.asked.access, ground.asked.question.limit
    texts = Texts(services.blobs, access.tenant)
    with trace.step("pack"):
        prose = writers.names[:1] != (EXTRACTIVE,)  # who takes whole sentences needs none around them
        around = neighbours(services, access, ground.hits) if prose else {}
        packed = pack(texts, ground.hits, size, around)
    again = given_before(ground.asked, texts, packed, trace)
    if again is not None:
        return packed, Settling(Checks.of(services, writers, packed), texts, packed, trace.step).settle(again)
    settled = _Composing(services, ground, trace, tell).of(packed, texts, writers)
    if not settled.draft.claims and packed.withheld:  # the current documents do not answer: ask the superseded ones
        with trace.step("pack"):
            packed = pack(texts, ground.hits, size, around, outdated=True)
        settled = _Composing(services, ground, trace, tell).of(packed, texts, writers)
    return packed, settled


@dataclass(slots=True)
class _Composing:
    services: Services
    ground: Ground
    trace: Recorder
    tell: Tell | None
    told: int = 0
    """Claims that the asker has."""

    def of(self, packed: Packed, texts: Texts, writers: Writers) -> Settled:
        services, asked = self.services, self.ground.rewritten
        settling = Settling(Checks.of(services, writers, packed), texts, packed, self.trace.step)

        def hear(draft: Draft) -> bool:
            return self._tell(packed, settling.settle(draft))

        with self.trace.step("generate"):
            heard = replace(writers, hear=None if self.tell is None else hear)
            written = generate(services, asked, packed.passages, heard)
        settled = settling.settle(written)
        lost = [why for _, why in settled.failed if why in MENDED]
        if not lost or settled.leaked:
            return settled
        with self.trace.step("repair"):
            repaired = repair(services, asked.query, packed.passages, writers, settling)
        after = settling.settle(repaired, again=True)
        gained = len(after.verified.claims) - len(settled.verified.claims)
        return replace(after, left_out=max(0, len(lost) - gained))

    def _tell(self, packed: Packed, settled: Settled) -> bool:
        """Whether anything was told by now. An answer of which nothing is supported yet is not begun."""
        with self.trace.step("release"):
            released = release(self.services, self.ground.asked.access, self.ground.rewritten.query, packed, settled)
        if self.tell is not None and len(released.claims) > self.told:
            self.told = len(released.claims)
            cited = [(one.document.document_id, one.version) for one in released.citations]
            detail = shown(cited, released.proof["epoch"], claims=self.told)
            with self.services.catalog.transaction(self.ground.asked.access.tenant) as session:
                record(session, self.trace.asker, "answer.told", f"trace:{self.trace.id}", detail)
            self.tell(released, self.trace.id)
        return self.told > 0
