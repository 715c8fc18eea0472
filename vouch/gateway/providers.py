"""From an entry of the file of models to a model of pydantic-ai. Each vendor's library is imported where it is used.

What a library would do of its own accord is switched off: it takes no key from the environment, and tries once, for
how often a call is tried again is decided in one place (``vouch/gateway/steady.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic_ai.models import Model

from vouch.gateway.model_file import ModelSpec, Provider

_NO_KEY = "none"
"""Sent to a server that wants no key, so that no other key is taken from the environment."""


def model_of(spec: ModelSpec) -> Model:
    """Connects to nothing yet. Raises :class:`vouch.core.errors.BadConfig` where the key is missing."""
    return _MAKERS[spec.provider](spec)


def _openai(spec: ModelSpec) -> Model:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    client = AsyncOpenAI(base_url=spec.url, api_key=_key(spec), timeout=spec.timeout_s, max_retries=0)
    return OpenAIChatModel(spec.model, provider=OpenAICompatibleProvider("vouch-chat", openai_client=client))


def _azure(spec: ModelSpec) -> Model:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.azure import AzureProvider

    provider = AzureProvider(azure_endpoint=spec.url, api_version=spec.api_version, api_key=_key(spec))
    provider.client.max_retries = 0
    return OpenAIChatModel(spec.model, provider=provider)


def _anthropic(spec: ModelSpec) -> Model:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(api_key=_key(spec), base_url=spec.url, timeout=spec.timeout_s, max_retries=0)
    return AnthropicModel(spec.model, provider=AnthropicProvider(anthropic_client=client))


def _google(spec: ModelSpec) -> Model:
    from google.genai.types import HttpRetryOptions
    from pydantic_ai.models.google import GoogleModel
    from pydantic_ai.providers.google import GoogleProvider

    once = HttpRetryOptions(attempts=1)
    provider = GoogleProvider(api_key=_key(spec), base_url=spec.url, retry_options=once)
    return GoogleModel(spec.model, provider=provider)


def _bedrock(spec: ModelSpec) -> Model:
    """Without a key: by the machine's own AWS identity."""
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    if spec.key is None:
        provider = BedrockProvider(region_name=spec.region, base_url=spec.url, aws_read_timeout=spec.timeout_s)
    else:
        provider = BedrockProvider(
            api_key=_key(spec), region_name=spec.region, base_url=spec.url, aws_read_timeout=spec.timeout_s
        )
    return BedrockConverseModel(spec.model, provider=provider)


def _key(spec: ModelSpec) -> str:
    return _NO_KEY if spec.key is None else spec.key.read()


_MAKERS: Mapping[Provider, Callable[[ModelSpec], Model]] = {
    "openai": _openai,
    "azure": _azure,
    "anthropic": _anthropic,
    "google": _google,
    "bedrock": _bedrock,
}
