"""A chat model behind an OpenAI-compatible URL, through pydantic-ai. Imported only where one is configured."""

from __future__ import annotations

import asyncio
import logging

from openai import AsyncOpenAI, OpenAIError
from pydantic_ai import Agent, ModelSettings, NativeOutput, PromptedOutput, ToolOutput, UsageLimits
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelTimeoutError,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from vouch.core.errors import ModelUnavailable
from vouch.core.settings import Settings
from vouch.gateway.chat import ChatReply, ChatUsage, Draft, DraftRequest
from vouch.gateway.enclosure import enclose

log = logging.getLogger(__name__)

_OUTPUT_TRIES = 2
_TRANSPORT_RETRIES = 1
_OUTPUTS: dict[str, type[ToolOutput[Draft] | NativeOutput[Draft] | PromptedOutput[Draft]]] = {
    "tool": ToolOutput,
    "json_schema": NativeOutput,
    "prompted": PromptedOutput,
}
_DESCRIPTION = "Gives the answer, each claim with its citations."


class OpenAiChat:
    """A :class:`vouch.gateway.chat.ChatModel`. Output that does not fit the schema is sent back once.

    Each call runs an event loop and a client of its own, because a connection belongs to the loop it was opened
    in and callers are plain threads. ``VOUCH_CHAT_TIMEOUT_S`` bounds the whole call, retries included.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.chat_url is not None and settings.chat_model is not None
        self.name = settings.chat_model
        self._url = settings.chat_url
        # A server that wants no key still gets one, so that no other key is taken from the environment.
        self._key = settings.chat_api_key.get_secret_value() if settings.chat_api_key else "none"
        self._timeout_s = settings.chat_timeout_s
        output = _OUTPUTS[settings.chat_output](Draft, name="answer", description=_DESCRIPTION)
        self._agent: Agent[object, Draft] = Agent(output_type=output, retries=_OUTPUT_TRIES - 1)

    def write(self, request: DraftRequest) -> ChatReply:
        # The causes are left behind with `from None`: provider errors quote bodies, and bodies may quote the key.
        try:
            return asyncio.run(self._write(request))
        except TimeoutError:
            raise self._unavailable("timeout", f"gave no answer within {self._timeout_s:g} seconds") from None
        except (AgentRunError, OpenAIError) as error:
            reason, words = _why(error)
            log.warning("chat model %s: %s (%s)", self.name, reason, type(error).__name__)
            raise self._unavailable(reason, words) from None

    async def _write(self, request: DraftRequest) -> ChatReply:
        async with (
            asyncio.timeout(self._timeout_s),
            AsyncOpenAI(
                base_url=self._url, api_key=self._key, timeout=self._timeout_s, max_retries=_TRANSPORT_RETRIES
            ) as client,
        ):
            provider = OpenAICompatibleProvider("vouch-chat", openai_client=client)
            result = await self._agent.run(
                enclose(request),
                model=OpenAIChatModel(self.name, provider=provider),
                instructions=request.system_prompt,
                model_settings=ModelSettings(temperature=0.0),
                usage_limits=UsageLimits(request_limit=_OUTPUT_TRIES),
            )
        usage = result.usage
        return ChatReply(
            draft=result.output,
            model=result.response.model_name or self.name,
            usage=ChatUsage(usage.input_tokens, usage.output_tokens, usage.requests),
        )

    def _unavailable(self, reason: str, words: str) -> ModelUnavailable:
        return ModelUnavailable(f"The chat model {self.name} {words}.", reason=reason)


def _why(error: Exception) -> tuple[str, str]:
    """One stable word and a phrase that continues "The chat model …". Neither quotes the server."""
    status = f" (HTTP {error.status_code})" if isinstance(error, ModelHTTPError) else ""
    match error:
        case ModelTimeoutError():
            return "timeout", "did not answer in time"
        case ModelConnectionError():
            return "unreachable", "cannot be reached"
        case ModelRateLimitError():
            return "rate_limited", f"is over its rate limit{status}"
        case ModelRequestRejectedError() | ContentFilterError():
            return "refused", f"refused the request{status}"
        case ModelAPIError():
            return "server_error", f"failed{status}"
        case _:
            return "malformed", "gave no usable draft"
