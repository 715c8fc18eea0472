"""The one door to every chat model: which are tried for a question, in what order, and what a call cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Self

from vouch.core.data_class import UNCLASSIFIED
from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway import tokens
from vouch.gateway.chat import ChatModel, ChatReply, DraftRequest, Hear
from vouch.gateway.lane import Lane
from vouch.gateway.loop import Loop
from vouch.gateway.model_file import EXTRACTIVE, Difficulty, ModelFile, ModelSpec, Route, read_models
from vouch.gateway.salt import salted
from vouch.gateway.steady import Steady

USUAL_OUTPUT = 2_048
"""Tokens that an answer has at most, where a model's entry does not say."""


@dataclass(frozen=True, slots=True)
class Call:
    """What routes go by. ``workflow``: what the application says it asks for; ``data_classes``: those of what it may be
    answered from."""

    tenant: str
    difficulty: Difficulty
    workflow: str | None = None
    data_classes: frozenset[str] = frozenset((UNCLASSIFIED,))


class Gateway:
    """Shared by threads. Without models every question is the embedded answerer's."""

    def __init__(self, models: Iterable[Steady] = (), file: ModelFile | None = None, loop: Loop | None = None) -> None:
        self.models: Mapping[str, Steady] = {model.name: model for model in models}
        self.currency = file.currency if file else "USD"
        self._specs: Mapping[str, ModelSpec] = file.models if file else {}
        self._routes = (file.routes if file else ()) or (Route(models=(*self.models, EXTRACTIVE)),)
        self._loop = loop

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """By the file of models, or the settings' one. Raises :class:`vouch.core.errors.BadConfig`; connects to
        nothing."""
        file = read_models(settings)
        if file is None:
            return cls()
        from vouch.gateway.chat_agent import AgentChat
        from vouch.gateway.privacy.chat import confine

        loop = Loop("chat-models")
        for spec in file.models.values():
            if spec.key is not None:
                spec.key.read()  # what is missing shows at the start, and not with the first question
            if spec.tokenizer is not None:
                tokens.loaded(spec.tokenizer)
        asked = (confine(AgentChat(name, spec, loop), spec, settings) for name, spec in file.models.items())
        return cls(map(_steady, asked, file.models.values()), file, loop)

    @classmethod
    def of(cls, *models: ChatModel) -> Self:
        """With models that are there already, each as any question's."""
        spec = ModelSpec(provider="openai", url="http://localhost", model="-")
        return cls(_steady(model, spec) for model in models)

    def chain(self, call: Call) -> tuple[str, ...]:
        """Names in the order to try; ``extractive`` is the embedded answerer. It alone where no route fits."""
        route = next((route for route in self._routes if _fits(route, call)), Route(models=(EXTRACTIVE,)))
        allowed = self.allowed(route.models, call.tenant)
        last = (EXTRACTIVE,) if route.last_resort and EXTRACTIVE not in allowed else ()
        return (*allowed, *last)

    def allowed(self, names: Iterable[str], tenant: str) -> tuple[str, ...]:
        """Those of ``names`` that may answer a tenant's questions."""
        return tuple(name for name in names if name == EXTRACTIVE or self.serves(name, tenant))

    def serves(self, name: str, tenant: str) -> bool:
        """Whether a model is one that the tenant may be answered by."""
        spec = self._specs.get(name)
        return spec is None or spec.tenants is None or tenant in spec.tenants

    def described(self) -> Json:
        """The file of models as JSON, without anything of its keys."""
        specs = {name: spec.model_dump(mode="json", exclude={"key"}) for name, spec in self._specs.items()}
        routes = [route.model_dump(mode="json") for route in self._routes]
        return {"currency": self.currency, "models": specs, "routes": routes, "named": list(self.models)}

    def write(self, name: str, request: DraftRequest, deadline: Deadline, hear: Hear | None = None) -> ChatReply:
        """Raises :class:`vouch.core.errors.ModelUnavailable` as :meth:`Steady.write`, with ``data_class`` what the
        model may not be shown, and with ``too_long`` what is more than it reads at once."""
        spec = self._specs.get(name)
        if spec is not None and not _may_see(spec.data_classes, request.data_classes):
            raise ModelUnavailable(f"The chat model {name} may not be shown this evidence.", reason="data_class")
        if spec is not None and sum(self.most(name, request)) > spec.context:
            raise ModelUnavailable(f"The chat model {name} cannot read so much at once.", reason="too_long")
        return self.models[name].write(request, deadline, hear)

    def fitting(self, name: str, request: DraftRequest) -> DraftRequest:
        """``request`` without as many of its last passages as the model cannot read besides, in its own tokens; with
        one, at least."""
        spec = self._specs.get(name)
        while spec is not None and len(request.passages) > 1 and sum(self.most(name, request)) > spec.context:
            request = replace(request, passages=request.passages[:-1])
        return request

    def salted(self, name: str, request: DraftRequest, key: str, tenant: str) -> DraftRequest:
        """As it is sent for a tenant: its beginning is no other tenant's. ``key``: the platform's secret."""
        spec = self._specs.get(name)
        return salted(request, "tenant" if spec is None else spec.cache, key, tenant)

    def most(self, name: str, request: DraftRequest) -> tuple[int, int]:
        """Tokens that a call reads, and may write at most: what is set aside for it."""
        spec = self._specs.get(name)
        read = tokens.of_prompt(request, spec.tokenizer if spec else None)
        written = spec.max_output if spec and spec.max_output else USUAL_OUTPUT
        return read, written

    def cost(self, name: str, input_tokens: int, output_tokens: int) -> Decimal:
        """Money, in :attr:`currency`; 0 where no price is given."""
        spec = self._specs.get(name)
        return Decimal(0) if spec is None else spec.price.of(input_tokens, output_tokens)

    def behind(self, name: str) -> tuple[str, str]:
        """The provider and the model that a name stands for; "" and the name itself where no file says."""
        spec = self._specs.get(name)
        return ("", name) if spec is None else (spec.provider, spec.model)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()


def _steady(model: ChatModel, spec: ModelSpec) -> Steady:
    lane = Lane(spec.concurrency, spec.queue)
    return Steady(model, timeout_s=spec.timeout_s, retries=spec.retries, lane=lane)


def _fits(route: Route, call: Call) -> bool:
    return (
        (route.tenants is None or call.tenant in route.tenants)
        and (route.workflows is None or call.workflow in route.workflows)
        and (route.difficulty is None or call.difficulty in route.difficulty)
        and _may_see(route.data_classes, call.data_classes)
    )


def _may_see(allowed: Iterable[str] | None, data_classes: frozenset[str]) -> bool:
    return allowed is None or data_classes <= frozenset(allowed)
