"""A call of a chat model that somebody pays for: set aside before it, settled after it, whatever comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from retrieval.metrics import MODEL_TOKENS, OVER_BUDGET
from retrieval.services import Services
from vouch.catalog import spending
from vouch.catalog.spending import Amount, Held, OverBudget, Payer
from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable, ModelWithheld
from vouch.core.ids import new_id
from vouch.core.types import Json
from vouch.gateway.chat import ChatReply, DraftRequest

log = logging.getLogger(__name__)

READ = frozenset({"timeout", "server_error", "malformed"})
"""Failures that a model may have read the prompt for. The prompt counts then: no server says what such a call cost,
and what keeps failing must come to an end of its budget too."""


def paying(
    services: Services, payer: Payer, name: str, deadline: Deadline
) -> Callable[[DraftRequest], tuple[ChatReply, Json]]:
    """Writes by ``name``, and tells what that took. What it makes raises :class:`ModelUnavailable` as the gateway
    does, and with ``over_budget`` before anything is sent; :class:`ModelWithheld` as well."""

    def write(request: DraftRequest) -> tuple[ChatReply, Json]:
        request = services.gateway.salted(name, request, services.secret_key, payer.tenant)
        held = _hold(services, payer, name, request)
        try:
            reply = services.gateway.write(name, request, deadline)
        except ModelUnavailable as error:
            reason = str(error.extra["reason"])
            _settle(services, payer, held, reason, _amount(services, name, held.amount.input_tokens, 0, reason in READ))
            raise
        except ModelWithheld:
            _settle(services, payer, held, "withheld", Amount())
            raise
        spent = _amount(services, name, reply.usage.input_tokens, reply.usage.output_tokens)
        _settle(services, payer, held, "abstained" if reply.draft.insufficient else "wrote", spent)
        MODEL_TOKENS.labels(name, "input").inc(spent.input_tokens)
        MODEL_TOKENS.labels(name, "output").inc(spent.output_tokens)
        return reply, _told(services, reply, spent, held)

    return write


def _hold(services: Services, payer: Payer, name: str, request: DraftRequest) -> Held:
    most = _amount(services, name, *services.gateway.most(name, request))
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


def _amount(services: Services, name: str, read: int, written: int, counts: bool = True) -> Amount:
    return Amount(read, written, services.gateway.cost(name, read, written)) if counts else Amount()


def _told(services: Services, reply: ChatReply, spent: Amount, held: Held) -> Json:
    """``over_budget``: soft budgets that are used up with this."""
    return {
        "model": reply.model,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "requests": reply.usage.requests,
        "cost": f"{spent.money.normalize():f}",
        "currency": services.gateway.currency,
    } | ({"over_budget": list(held.over)} if held.over else {})
