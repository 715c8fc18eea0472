"""A chat model of any provider, through pydantic-ai. Imported only where one is configured."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import cached_property
from typing import Any

from pydantic_ai import Agent, ModelSettings, NativeOutput, PromptedOutput, ToolOutput, UsageLimits
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelTimeoutError,
)
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model
from pydantic_ai.usage import RunUsage

from vouch.core.errors import ModelUnavailable
from vouch.gateway.chat import ChatReply, ChatUsage, Draft, DraftClaim, DraftRequest, Hear
from vouch.gateway.enclosure import enclose
from vouch.gateway.loop import Loop
from vouch.gateway.model_file import ModelSpec, Output
from vouch.gateway.partial_draft import finished
from vouch.gateway.providers import model_of

log = logging.getLogger(__name__)

_OUTPUT_TRIES = 2
_BETWEEN_LOOKS_S = 0.05
"""Of a reply that is heard as it is written, how often it is looked at."""
_OUTPUTS: dict[Output, type[ToolOutput[Draft] | NativeOutput[Draft] | PromptedOutput[Draft]]] = {
    "tool": ToolOutput,
    "json_schema": NativeOutput,
    "prompted": PromptedOutput,
}
_DESCRIPTION = "Gives the answer, each claim with its citations."


class AgentChat:
    """A :class:`vouch.gateway.chat.ChatModel`. Output that does not fit the schema is sent back once.

    ``loop`` is shared by all models; connections are kept in it.
    """

    def __init__(self, name: str, spec: ModelSpec, loop: Loop) -> None:
        self.name = name
        self._spec, self._loop = spec, loop
        output = _OUTPUTS[spec.output](Draft, name="answer", description=_DESCRIPTION)
        self._agent: Agent[object, Draft] = Agent(output_type=output, retries=_OUTPUT_TRIES - 1)
        settings = ModelSettings(temperature=0.0)
        self._settings = settings if spec.max_output is None else settings | ModelSettings(max_tokens=spec.max_output)

    @cached_property
    def _model(self) -> Model:
        """Made within the loop, where its connections belong."""
        return model_of(self._spec)

    def write(self, request: DraftRequest, timeout_s: float, hear: Hear | None = None) -> ChatReply:
        if hear is None:
            return self._loop.run(self._bounded(self._write(request), timeout_s))
        return self._loop.run_heard(lambda tell: self._bounded(self._write_aloud(request, tell), timeout_s), hear)

    async def _bounded(self, writing: Coroutine[Any, Any, ChatReply], timeout_s: float) -> ChatReply:
        # The causes are left behind with `from None`: provider errors quote bodies, and bodies may quote the key.
        try:
            async with asyncio.timeout(timeout_s):
                return await writing
        except TimeoutError:
            raise self._unavailable("timeout", f"gave no answer within {timeout_s:.3g} seconds") from None
        except Exception as error:  # noqa: BLE001 - five vendors' libraries, each with errors of its own
            reason, words = _why(error)
            log.warning("chat model %s: %s (%s)", self.name, reason, type(error).__name__)
            failed = self._unavailable(reason, words)
            failed.retry_after_s = error.retry_after if isinstance(error, ModelAPIError) else None
            raise failed from None

    async def _write(self, request: DraftRequest) -> ChatReply:
        result = await self._agent.run(
            enclose(request),
            model=self._model,
            instructions=request.system_prompt,
            model_settings=self._settings,
            usage_limits=UsageLimits(request_limit=_OUTPUT_TRIES),
        )
        return self._reply(result.output, result.response, result.usage)

    async def _write_aloud(self, request: DraftRequest, tell: Callable[[DraftClaim], None]) -> ChatReply:
        told = 0
        async with self._agent.run_stream(
            enclose(request),
            model=self._model,
            instructions=request.system_prompt,
            model_settings=self._settings,
            usage_limits=UsageLimits(request_limit=_OUTPUT_TRIES),
        ) as stream:
            async for response in stream.stream_response(debounce_by=_BETWEEN_LOOKS_S):
                for claim in finished(response)[told:]:
                    told += 1
                    tell(_storable(claim))
            draft = await stream.get_output()
            reply = self._reply(draft, stream.response, stream.usage)
        for claim in draft.claims[told:]:
            tell(_storable(claim))
        return reply

    def _reply(self, draft: Draft, response: ModelResponse, usage: RunUsage) -> ChatReply:
        return ChatReply(
            draft=replace(draft, claims=tuple(map(_storable, draft.claims))),
            model=_text(response.model_name or self._spec.model),
            usage=ChatUsage(usage.input_tokens, usage.output_tokens, usage.requests),
        )

    def _unavailable(self, reason: str, words: str) -> ModelUnavailable:
        return ModelUnavailable(f"The chat model {self.name} {words}.", reason=reason)


def _storable(claim: DraftClaim) -> DraftClaim:
    """Without what the catalog cannot keep, for what is refused is kept too. Quotes stay as they were given: no
    document has such a character, so none of them holds."""
    return replace(claim, text=_text(claim.text))


def _text(given: str) -> str:
    """Without null characters and halves of surrogate pairs."""
    return given.replace("\0", "").encode("utf-8", "ignore").decode()


def _why(error: Exception) -> tuple[str, str]:
    """One stable word and a phrase that continues "The chat model …". Neither quotes the server."""
    status = f" (HTTP {error.status_code})" if isinstance(error, ModelHTTPError) else ""
    match error:
        case ModelTimeoutError() | ModelRequestTimeout():
            return "timeout", "did not answer in time"
        case ModelConnectionError():
            return "unreachable", "cannot be reached"
        case ModelRateLimitError() | ModelQuotaExceededError():
            return "rate_limited", f"is over its rate limit{status}"
        case ModelContextWindowExceededError():
            return "too_long", f"cannot read so much at once{status}"
        case ModelRequestRejectedError() | ContentFilterError():
            return "refused", f"refused the request{status}"
        case ModelAPIError():
            return "server_error", f"failed{status}"
        case AgentRunError():
            return "malformed", "gave no usable draft"
        case _:
            return "server_error", "failed in a way of its own"
