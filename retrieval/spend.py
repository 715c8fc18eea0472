"""A call of a chat model that somebody pays for: set aside before it, settled after it, whatever comes of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from retrieval.metrics import OVER_BUDGET
from retrieval.services import Services
from vouch.catalog import spending
from vouch.catalog.spending import Amount, Held, OverBudget, Payer
from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable
from vouch.core.ids import new_id
from vouch.gateway.chat import ChatReply, DraftRequest

log = logging.getLogger(__name__)

UNREAD = frozenset({"busy", "circuit_open", "deadline", "unreachable", "rate_limited", "refused", "too_long"})
"""Failures of which the model has read nothing, or that no vendor charges for. Of any other the prompt counts: the
server does not say what it cost, and what keeps failing must come to an end of its budget too."""


@dataclass(frozen=True, slots=True)
class Paid:
    """``spent`` is what the server counted. ``over``: soft budgets that are used up."""

    reply: ChatReply
    spent: Amount
    over: tuple[str, ...]


def write(services: Services, payer: Payer, name: str, request: DraftRequest, deadline: Deadline) -> Paid:
    """Raises :class:`ModelUnavailable` as the gateway does, and with ``over_budget`` before anything is sent."""
    held = _hold(services, payer, name, request)
    try:
        reply = services.gateway.write(name, request, deadline)
    except ModelUnavailable as error:
        reason = str(error.extra["reason"])
        read = 0 if reason in UNREAD else held.amount.input_tokens
        _settle(services, payer, held, reason, Amount(read, 0, services.gateway.cost(name, read, 0)))
        raise
    used = reply.usage
    spent = Amount(
        used.input_tokens, used.output_tokens, services.gateway.cost(name, used.input_tokens, used.output_tokens)
    )
    _settle(services, payer, held, "abstained" if reply.draft.insufficient else "wrote", spent)
    return Paid(reply, spent, held.over)


def _hold(services: Services, payer: Payer, name: str, request: DraftRequest) -> Held:
    input_tokens, output_tokens = services.gateway.most(name, request)
    most = Amount(input_tokens, output_tokens, services.gateway.cost(name, input_tokens, output_tokens))
    try:
        with services.catalog.transaction(payer.tenant) as session:
            return spending.hold(session, payer, new_id(), (name, services.gateway.currency), most)
    except OverBudget as error:
        OVER_BUDGET.labels(error.scope).inc()
        log.warning("model %s was not asked: %s is used up", name, error)
        raise ModelUnavailable(f"A budget for {name} is used up.", reason="over_budget") from None


def _settle(services: Services, payer: Payer, held: Held, outcome: str, spent: Amount) -> None:
    with services.catalog.transaction(payer.tenant) as session:
        spending.settle(session, payer.tenant, held, outcome, spent)
