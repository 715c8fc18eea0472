"""A person goes through what is proposed: one question at a time, one key for each decision.

What may be shown was decided by the platform, for the user that the set belongs to; here it is only made harmless for
a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evals.compare.compared import FEWEST
from evals.own.folder import Decision, OwnSet, Verdict, document_key
from retrieval.guard import clean
from vouch.client.evals import ProposedQuestion
from vouch.client.results import Hit

USEFUL = math.ceil((1.96 * 0.5 / 0.1) ** 2)
"""Questions from which on a share over them is known to a tenth, whatever it is: 95 % of the time it lies so near."""
KEYS = "a accept  r reject  e edit  s skip  u undo  q quit"
OFFERED = 5
"""Documents offered for a question of which nobody knows the answer."""
_WIDTH = 100


class Terminal(Protocol):
    """Whom the review talks with."""

    def key(self) -> str:
        """One key; "" when there will be no more."""
        ...

    def edited(self, text: str) -> str:
        """``text`` as the person leaves it."""
        ...

    def say(self, text: str) -> None: ...


Look = Callable[[str], Sequence[Hit]]
"""What the platform finds for a question, for the user that the set belongs to."""


@dataclass
class Review:
    """``proposals`` in the order in which they are shown; those that are decided are not shown."""

    own: OwnSet
    proposals: Sequence[ProposedQuestion]
    look: Look
    terminal: Terminal
    _edited: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Until all is decided or the person has enough. Every decision is kept at once."""
        while (one := self._next()) is not None:
            offered = self._show(one)
            if not self._decide(one, offered):
                break
        else:
            self.terminal.say("\nall that is proposed is decided; another --seed proposes others")

    def _next(self) -> ProposedQuestion | None:
        decided = self.own.decided
        return next((one for one in self.proposals if one.id not in decided), None)

    def _show(self, one: ProposedQuestion) -> dict[str, str]:
        """Prints it. By key (1, 2, …), what can be chosen as answering it, where that is for the person to say."""
        left = sum(proposal.id not in self.own.decided for proposal in self.proposals)
        self.terminal.say(f"\n[{left} left · {len(self.own.accepted)} accepted] {one.kind}")
        self.terminal.say(f"  {plain(self._question(one))}")
        for evidence in one.evidence:
            where = " > ".join((evidence.title, *evidence.heading_path))
            self.terminal.say(f"    {plain(where)}\n      {plain(evidence.quote)[:_WIDTH]}")
        if one.evidence:
            self.terminal.say(f"  {KEYS}")
            return {}
        offered: dict[str, str] = {}
        for hit in self.look(self._question(one)):
            key = document_key(hit.source_id, hit.external_id)
            if key not in offered.values() and len(offered) < OFFERED:
                offered[str(len(offered) + 1)] = key
                self.terminal.say(f"    {len(offered)}  {plain(hit.title)}\n       {plain(hit.text)[:_WIDTH]}")
        self.terminal.say(
            f"  1-{len(offered)} what answers it, then  {KEYS}" if offered else f"  nothing found  {KEYS}"
        )
        return offered

    def _decide(self, one: ProposedQuestion, offered: dict[str, str]) -> bool:
        """False when the person has enough."""
        chosen: dict[str, None] = {}
        while True:
            key = self.terminal.key().lower()
            if key in ("", "q", "\x03", "\x04"):
                return False
            if key in offered:
                document = offered[key]
                (chosen.pop if document in chosen else chosen.setdefault)(document, None)
                self.terminal.say(f"  chosen: {', '.join(k for k, d in offered.items() if d in chosen) or 'nothing'}")
            elif key == "a" and (one.evidence or chosen):
                self._keep(one, "accepted", tuple(chosen))
                return True
            elif key == "a":
                self.terminal.say("  say first by number what answers it; s skips it")
            elif key in ("r", "s"):
                self._keep(one, "rejected" if key == "r" else "skipped", ())
                return True
            elif key == "e":
                self._edited[one.id] = " ".join(self.terminal.edited(self._question(one)).split()) or one.question
                return True
            elif key == "u":
                if self.own.undo() is None:
                    self.terminal.say("  there is nothing to undo")
                else:
                    return True

    def _question(self, one: ProposedQuestion) -> str:
        return self._edited.get(one.id, one.question)

    def _keep(self, one: ProposedQuestion, verdict: Verdict, chosen: tuple[str, ...]) -> None:
        self.own.decide(decision(one, verdict, self._question(one), chosen))


def decision(
    one: ProposedQuestion, verdict: Verdict, question: str | None = None, documents: Sequence[str] = ()
) -> Decision:
    """Of a proposal as it stands, but for what the person changed."""
    evidence = dict.fromkeys(document_key(part.source_id, part.external_id) for part in one.evidence)
    taken = dict.fromkeys(document_key(page.source_id, page.external_id) for page in one.taken_from)
    accepted = verdict == "accepted"
    return Decision(
        id=one.id,
        verdict=verdict,
        kind=one.kind,
        question=question or one.question,
        documents=tuple(documents or evidence) if accepted else (),
        taken_from=tuple(taken) if accepted else (),
    )


def undecided(own: OwnSet, proposals: Iterable[ProposedQuestion]) -> list[ProposedQuestion]:
    decided = own.decided
    return [one for one in proposals if one.id not in decided]


def standing(own: OwnSet) -> str:
    """How many questions there are, and what they are good for."""
    n = len(own.accepted)
    if n == 0:
        return f"no question is accepted yet; {FEWEST} decide a comparison, {USEFUL} tell a figure to ± 0.10"
    width = 1.96 * 0.5 / math.sqrt(n)
    told = f"{n} accepted: a figure over them is known to ± {min(width, 0.5):.2f}"
    if n < FEWEST:
        return f"{told}; {FEWEST - n} more decide a comparison, {USEFUL - n} more tell it to ± 0.10"
    return f"{told}; {USEFUL - n} more tell it to ± 0.10" if n < USEFUL else told


def plain(text: str) -> str:
    """One line that steers no terminal: a document's text is not ours."""
    return " ".join(clean(text).split())
