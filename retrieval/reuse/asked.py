"""A question as the cache knows it: for whom and by whom it would be answered, what it asks, from which passages."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from acl.resolve import Access
from retrieval.fingerprint import fingerprint
from retrieval.pack import Packed
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.types import Passage, Question
from vouch.core.data_class import UNCLASSIFIED
from vouch.core.ids import sha256
from vouch.core.types import Json

_AT_THE_END = re.compile(r"[\s?!.…]+$")
_SENTENCE_CASE = re.compile(r"[^\W\d_][^\W\d_A-Z]*(?!\w)")


@dataclass(frozen=True, slots=True)
class Asked:
    """``question``: narrowed, its text as it is searched for. ``writers``: the digest of
    the profile, and who is to write, in order. ``data_classes``: of what they may be shown, for who may write depends
    on it."""

    services: Services
    access: Access
    question: Question
    sieve: Sieve
    writers: tuple[str, ...]
    data_classes: frozenset[str] = frozenset((UNCLASSIFIED,))

    @property
    def words(self) -> str:
        return self.question.text

    @property
    def key(self) -> str:
        """All but the question itself. Who asks is in it by all that they are: a change of any access, of a group of
        theirs, of the index, or of how answers are made is another key."""
        asked = asdict(self.question)
        facts = {
            "tenant": self.access.tenant,
            "principals": self.access.principals_hash,
            "epoch": self.access.epoch,
            "generation": self.services.generation,
            "made_by": fingerprint(self.services),
            "writers": self.writers,
            "data_classes": self.data_classes,
            "asked": {name: asked[name] for name in asked if name not in ("text", "conversation_id", "fresh")},
            "sieve": asdict(self.sieve),
        }
        return _hash(facts)


def question_hash(words: str) -> str:
    """Of the question, whatever marks end it and whether it begins with a capital."""
    kept = _AT_THE_END.sub("", words)
    first = _SENTENCE_CASE.match(kept)
    return sha256((kept if first is None else kept[0].lower() + kept[1:]).encode())


def evidence_hash(packed: Packed) -> str:
    """Of what a writer is shown, and of how it stands today: its versions, order, titles, classes, dates and
    freshness."""
    return _hash([_shown(packed.passages), sorted(packed.withheld)])


def _shown(passages: Sequence[Passage]) -> list[Json]:
    return [
        {
            "document": passage.document_id,
            "version": passage.version,
            "span": [passage.span.start, passage.span.end],
            "title": passage.title,
            "headings": passage.heading_path,
            "owner": passage.owner,
            "data_class": passage.data_class,
            "place": passage.place,
            "modified_at": passage.modified_at,
            "state": passage.freshness.state,
            "superseded_by": passage.freshness.superseded_by,
        }
        for passage in passages
    ]


def _hash(facts: Any) -> str:
    return sha256(json.dumps(facts, sort_keys=True, default=_plain).encode())


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else str(value)
