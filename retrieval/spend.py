"""A call of a chat model that somebody pays for: set aside before it, settled after it, whatever comes of it."""

from __future__ import annotations

import logging

from retrieval.draft import Write
from retrieval.metrics import MODEL_COST, MODEL_TOKENS, OVER_BUDGET
from retrieval.services import Services
from vouch.catalog import spending
from vouch.catalog.spending import Amount, Held, OverBudget, Payer
from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable, ModelWithheld
from vouch.core.ids import new_id
from vouch.core.types import Json
from vouch.gateway.chat import ChatReply, DraftRequest, Hear

log = logging.getLogger(__name__)

READ = frozenset({"timeout", "server_error", "malformed"})
"""Failures that a model may have read the prompt for. The prompt counts then: no server says what such a call cost,
and what keeps failing must come to an end of its budget too."""


ABANDONED = "abandoned"
"""Outcome of a call that who asked for it did not wait for. What it wrote by then is not known, so it counts whole."""


def paying(services: Services, payer: Payer, name: str, deadline: Deadline) -> Write:
    """Writes by ``name``, and tells what that took. What it makes raises :class:`ModelUnavailable` as the gateway
    does, and with ``over_budget`` before anything is sent; :class:`ModelWithheld` as well."""

    def write(request: DraftRequest, hear: Hear | None = None) -> tuple[ChatReply, Json]:
        request = services.gateway.salted(name, request, services.secret_key, payer.tenant)
        request = services.gateway.fitting(name, request)
        held = _hold(services, payer, name, request)
        try:
            reply = services.gateway.write(name, request, deadline, hear)
        except ModelUnavailable as error:
            reason = str(error.extra["reason"])
            read = _amount(services, name, held.amount.input_tokens, 0, reason in READ)
            _settle(services, payer, held, (name, reason), read)
            raise
        except ModelWithheld:
            _settle(services, payer, held, (name, "withheld"), Amount())
            raise
        except BaseException:
            _settle(services, payer, held, (name, ABANDONED), held.amount)
            raise
        spent = _amount(services, name, reply.usage.input_tokens, reply.usage.output_tokens)
        _settle(services, payer, held, (name, "abstained" if reply.draft.insufficient else "wrote"), spent)
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


def _settle(services: Services, payer: Payer, held: Held, became: tuple[str, str], spent: Amount) -> None:
    """``became``: the writer's name and what became of it."""
    name, outcome = became
    with services.catalog.transaction(payer.tenant) as session:
        spending.settle(session, payer.tenant, held, outcome, spent)
    MODEL_COST.labels(name, services.gateway.currency).inc(float(spent.money))


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
