"""A chat model as the entailer: one call for all claims of an answer, paid for as every call is.

It is shown each claim beside its evidence, both of them enclosed as data (`vouch/gateway/enclosure.py`), and writes
which follow, as a draft whose citations name them. So whatever holds for a model that writes holds here: limits,
budgets, masks, deadline. What it says can only take a claim away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from retrieval.draft import Write, classes_of
from retrieval.generate import Writers
from retrieval.prompts import JUDGE, JudgePrompt, render
from retrieval.services import Services
from retrieval.spend import paying
from retrieval.types import Passage
from vouch.core.data_class import UNCLASSIFIED
from vouch.core.errors import ModelUnavailable
from vouch.core.types import Json
from vouch.gateway.chat import ChatReply, DraftRequest, Hear, PassageText
from vouch.gateway.entail import CHAT, UNTOLD, Entailer, Judged, Stated

QUESTION = "Which titles follow from the text beside them?"
RELEASE_S = 1.0
"""Of a question's time, what is left for releasing the answer."""
_FOLLOWS = Judged(1.0, 0.0, 0.0)


class ChatJudge:
    """An :class:`vouch.gateway.entail.Entailer` for one question. It says yes or no, so any threshold is as good."""

    threshold = 0.5
    floor = 0.5
    let_through: Mapping[float, tuple[float, float]] = MappingProxyType({})

    def __init__(self, name: str, write: Write, data_classes: frozenset[str] = frozenset((UNCLASSIFIED,))) -> None:
        self.name = f"{CHAT}{name}@{JUDGE}"
        self._write, self._data_classes = write, data_classes

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        """Raises as ``write``: :class:`ModelUnavailable`, :class:`vouch.core.errors.ModelWithheld`."""
        asked = {str(n): pair for n, pair in enumerate(pairs, 1) if pair.evidence.strip() and pair.claim.strip()}
        if not asked:
            return [UNTOLD] * len(pairs)
        shown = tuple(PassageText(id=n, title=pair.claim, text=pair.evidence) for n, pair in asked.items())
        request = DraftRequest(QUESTION, shown, render(JUDGE, JudgePrompt()), data_classes=self._data_classes)
        reply, _ = self._write(request, None)
        draft = reply.draft
        follow = set() if draft.insufficient else {one.passage for claim in draft.claims for one in claim.citations}
        return [_FOLLOWS if n in follow & asked.keys() else UNTOLD for n in map(str, range(1, len(pairs) + 1))]


def judging(services: Services, writers: Writers, passages: Sequence[Passage]) -> Entailer | None:
    """Who judges the claims of a question: the chat model that is set to, by what is left of the question's time and at
    the expense of who pays for it; else the entailer that is loaded, if any."""
    setting = services.settings.entailment
    if not setting.startswith(CHAT) or not services.gateway.models:
        return services.entailer
    name = setting.removeprefix(CHAT)
    if not services.gateway.serves(name, writers.payer.tenant):
        return ChatJudge(name, _not_served)
    return ChatJudge(
        name, paying(services, writers.payer, name, writers.whole.keeping(RELEASE_S)), classes_of(passages)
    )


def _not_served(request: DraftRequest, hear: Hear | None = None) -> tuple[ChatReply, Json]:
    raise ModelUnavailable("The model that judges claims is not for this tenant.", reason="no_model")
