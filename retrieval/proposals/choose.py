"""Which candidates are worth a person's time: none that is empty, common, told by the title or said already, and no
source more than another while there is a choice. The same candidates and seed give the same proposals.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.folding import fold, unspaced
from retrieval.proposals.candidates import Candidate
from vouch.core.ids import sha256

Reason = Literal["too_short", "too_long", "too_common", "in_title", "no_words", "shared", "near_duplicate"]
LONGEST = 200
"""Characters of a link or a heading that is still a question; what was asked may be longer."""
LONGEST_ASKED = 1_000
ALIKE = 0.8
"""Of two questions' words together, the share that both have from which on they are one."""
MOST_OF_ONE = 2
"""Questions that one document answers."""
_FEWEST_WORDS = 2
_FEWEST_UNSPACED = 4
_GENERIC_WORDS = """
    a about above all an and appendix article back background below changelog chapter click conclusion contact contents
    continue definition definitions details document documentation download email example examples faq faqs file files
    footnotes for from full further general glossary go guide help here history home how in index info information
    introduction intro it its learn link links list main misc miscellaneous more next note notes of on online open other
    our out overview page part pdf prerequisites previous purpose questions read reading reference references related
    requirements resources scope section see setup site source sources step steps summary table template that the these
    this to toc todo top topic topics update updates usage use view visit website what with you your
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
"""Words that every page has: a question of these alone asks nothing."""
_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"://|^www\.|^\S+@\S+$|^[\w./\\-]+\.[a-z0-9]{2,5}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """``id``: of the question and what answers it, the same whenever it is proposed."""

    id: str
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Chosen:
    """``dropped``: how many candidates were passed over, by reason."""

    proposals: tuple[Proposal, ...]
    considered: int
    dropped: Mapping[Reason, int]


def choose(candidates: Sequence[Candidate], shared: int, *, limit: int, seed: int) -> Chosen:
    """Up to ``limit`` of ``candidates``; ``shared``: how many more have their words in common with others."""
    dropped: Counter[Reason] = Counter({"shared": shared}) if shared else Counter()
    good: list[Proposal] = []
    for one in candidates:
        reason = unfit(one)
        if reason is not None:
            dropped[reason] += 1
        else:
            good.append(Proposal(_id(one), one))
    kept: list[Proposal] = []
    said: list[frozenset[str]] = []
    answering: Counter[str] = Counter()
    for proposal in _in_turn(good, seed):
        words = _words(proposal.candidate.question)
        documents = [evidence.document_id for evidence in proposal.candidate.evidence]
        if any(answering[document] >= MOST_OF_ONE for document in documents):
            continue
        if any(_alike(words, other) for other in said):
            dropped["near_duplicate"] += 1
            continue
        kept.append(proposal)
        said.append(words)
        answering.update(documents)
        if len(kept) == limit:
            break
    return Chosen(tuple(kept), len(candidates) + shared, dict(dropped))


def unfit(one: Candidate) -> Reason | None:
    """Why it is no question, if it is none. What somebody asked is one, whatever its words."""
    question, words = one.question, _WORD.findall(fold(one.question))
    asked = one.kind not in ("link", "heading")
    if not words:
        return "no_words"
    if len(question) > (LONGEST_ASKED if asked else LONGEST):
        return "too_long"
    if asked:
        return None
    if _ADDRESS.search(question):
        return "no_words"
    if common(question):
        return "too_common"
    dense = sum(map(unspaced, question))
    if dense < _FEWEST_UNSPACED and len([word for word in words if len(word) > 1]) < _FEWEST_WORDS:
        return "too_short"
    titled = {word for evidence in one.evidence for word in _WORD.findall(fold(evidence.title))}
    return "in_title" if titled.issuperset(words) else None


def common(text: str) -> bool:
    """Whether every page has such words."""
    return all(word in _GENERIC or word.isdecimal() for word in _WORD.findall(fold(text)))


def _in_turn(proposals: Iterable[Proposal], seed: int) -> Iterable[Proposal]:
    """Shuffled by ``seed``; one of each source in turn, and within a source one of each kind."""
    rows: dict[str, dict[str, deque[Proposal]]] = {}
    for one in sorted(proposals, key=lambda one: sha256(f"{seed}\0{one.id}".encode())):
        evidence = one.candidate.evidence
        source = evidence[0].name.source_id if evidence else ""
        rows.setdefault(source, {}).setdefault(one.candidate.kind, deque()).append(one)
    turns = deque(deque(kinds.values()) for _, kinds in sorted(rows.items()))
    while turns:
        source_turns = turns.popleft()
        waiting = source_turns.popleft()
        yield waiting.popleft()
        if waiting:
            source_turns.append(waiting)
        if source_turns:
            turns.append(source_turns)


def _words(question: str) -> frozenset[str]:
    """Of scripts without spaces, pairs of characters."""
    folded = fold(question)
    if sum(map(unspaced, folded)) >= _FEWEST_UNSPACED:
        close = "".join(_WORD.findall(folded))
        return frozenset(close[at : at + 2] for at in range(len(close) - 1))
    return frozenset(_WORD.findall(folded))


def _alike(a: frozenset[str], b: frozenset[str]) -> bool:
    return len(a & b) >= ALIKE * len(a | b)


def _id(one: Candidate) -> str:
    answering = sorted(f"{evidence.name.source_id}\0{evidence.name.external_id}" for evidence in one.evidence)
    return sha256("\0".join([fold(one.question), *answering]).encode())[:16]
