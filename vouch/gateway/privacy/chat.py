"""A chat model outside the organisation, which is told neither personal data nor secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vouch.core.settings import Settings
from vouch.gateway.chat import ChatModel, ChatReply, DraftClaim, DraftRequest, Hear, PassageText
from vouch.gateway.model_file import ModelSpec
from vouch.gateway.privacy import presidio
from vouch.gateway.privacy.kinds import PERSONAL
from vouch.gateway.privacy.mask import Masking
from vouch.gateway.privacy.policy import Policy, is_inside

NOTE = """

# Placeholders

Words such as [EMAIL-1-{nonce}] stand for values that you are not shown. Copy each one exactly, brackets included, in
claims and in quotes: it is part of the passage's text. Do not guess what one stands for, do not shorten or change it,
and do not make up another."""
_HIDDEN = ("title", "text", "place", "owner")


def confine(model: ChatModel, spec: ModelSpec, settings: Settings) -> ChatModel:
    """``model`` itself where it is inside, by its entry or its ``url``, or nothing is to be hidden; else one that is
    sent placeholders.

    Raises :class:`vouch.core.errors.BadConfig` for ``VOUCH_PRIVACY`` or ``VOUCH_PRIVACY_INSIDE``.
    """
    policy = Policy.parse(settings.privacy, field="privacy")
    near = spec.url is not None and is_inside(spec.url, settings.privacy_inside, field="privacy_inside")
    if spec.inside or near or not policy.sought:
        return model
    if not policy.sought.isdisjoint(PERSONAL):
        presidio.recognisers()  # now, not in the first question
    return ConfinedChat(model, policy)


@dataclass(frozen=True, slots=True)
class ConfinedChat:
    """A :class:`vouch.gateway.chat.ChatModel` that masks what it sends and restores what comes back.

    A quote is restored, so that it can be compared with its document; with a placeholder in it that was not issued it
    stays as it came, and is in no document. A claim that says a value which none of its own quotes holds that stand in
    their passages, or something that looks like a placeholder and is none, loses its citations, without which it is
    refused.
    """

    model: ChatModel
    policy: Policy

    @property
    def name(self) -> str:
        return self.model.name

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        """Raises :class:`vouch.core.errors.ModelWithheld` before anything is sent, and what ``model`` raises."""
        before = (text for claim in request.failed for text in (claim.text, *claim.quotes))
        texts = [request.question, *(getattr(one, name) for one in request.passages for name in _HIDDEN), *before]
        masking = Masking(texts, self.policy)
        if not masking.counts:
            return self.model.write(request, timeout_s, hear)
        known = {passage.id: passage.text for passage in request.passages}
        restored = (lambda claim: hear(_restored(claim, masking, known))) if hear else None
        reply = self.model.write(_masked(request, masking), timeout_s, restored)
        claims = tuple(_restored(claim, masking, known) for claim in reply.draft.claims)
        missing = masking.restore(reply.draft.missing) if reply.draft.missing else None
        return replace(reply, draft=replace(reply.draft, claims=claims, missing=missing), masked=masking.counts)


def _masked(request: DraftRequest, masking: Masking) -> DraftRequest:
    hidden = iter(masking.masked)
    question = next(hidden)
    passages = tuple(_passage(one, [next(hidden) for _ in _HIDDEN]) for one in request.passages)
    failed = tuple(
        replace(claim, text=next(hidden), quotes=tuple(next(hidden) for _ in claim.quotes)) for claim in request.failed
    )
    told = request.system_prompt + NOTE.format(nonce=masking.nonce)
    return replace(request, question=question, passages=passages, system_prompt=told, failed=failed)


def _passage(passage: PassageText, hidden: list[str]) -> PassageText:
    return replace(passage, **dict(zip(_HIDDEN, hidden, strict=True)))


def _restored(claim: DraftClaim, masking: Masking, known: Mapping[str, str]) -> DraftClaim:
    quotes = tuple(replace(one, quote=masking.restore(one.quote) or one.quote) for one in claim.citations)
    text = masking.restore(claim.text)
    true = [one.quote for one in quotes if one.quote in known.get(one.passage, "")]
    if text is None or not all(any(value in quote for quote in true) for value in masking.values_in(claim.text)):
        return DraftClaim(claim.text, ())
    return DraftClaim(text, quotes)
