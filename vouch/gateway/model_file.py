"""The file that says which chat models there are, what they cost, and who is answered by which (``VOUCH_MODELS``).

    currency = "EUR"

    [models.small]
    provider = "openai"                       # anything that speaks OpenAI's protocol
    url = "http://127.0.0.1:8000/v1"
    model = "qwen3-8b"
    price = { input = 0.1, output = 0.4 }     # per million tokens

    [models.strong]
    provider = "anthropic"
    model = "some-model"
    key = { env = "ANTHROPIC_KEY" }

    [[routes]]                                # the first that fits is taken
    difficulty = ["lookup"]
    models = ["extractive", "small"]

    [[routes]]
    models = ["strong", "small"]

Names of models are those that answers and reports of usage show. ``extractive`` is the embedded answerer: it needs no
entry, and is tried last wherever a route does not say ``last_resort = false``.

``data_classes`` of a model: the classes of the sources of whose documents it may be shown. Without it, of any source;
with it of those alone, and of sources without a class where ``unclassified`` is among them. Of a route: it fits where
the evidence is of no other class.
"""

from __future__ import annotations

import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from vouch.core.data_class import DataClass
from vouch.core.errors import BadConfig
from vouch.core.settings import PLACEHOLDERS, Settings

EXTRACTIVE = "extractive"
"""The embedded answerer: verbatim sentences, no call."""
LARGEST = 1_000_000
"""Bytes of the file."""

Difficulty = Literal["lookup", "synthesis"]
Provider = Literal["openai", "azure", "anthropic", "google", "bedrock"]
Output = Literal["tool", "json_schema", "prompted"]
PromptCache = Literal["tenant", "off"]
Classes = Annotated[tuple[DataClass, ...], Field(min_length=1, max_length=100)]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}")
_MILLION = 1_000_000


def _web(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("carries a credential; put it in key")
    return url


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Part):
    """Where a model's key is: in a variable of the environment, or in a file. Never in this one."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("name either a variable (env) or a file")
        return self

    def read(self) -> str:
        """Raises :class:`BadConfig` where there is none, or a placeholder."""
        if self.env is not None:
            value = os.environ.get(self.env, "")
        else:
            try:
                value = Path(str(self.file)).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise BadConfig(f"the key's file cannot be read: {type(error).__name__}", field="key.file") from error
        if not value or value.lower() in PLACEHOLDERS:
            raise BadConfig("there is no key where the file of models says", field="key")
        return value


class HeldKey(Key):
    """One that the settings hold already."""

    held: SecretStr

    @model_validator(mode="after")
    def _one(self) -> Self:
        return self

    def read(self) -> str:
        return self.held.get_secret_value()


class Price(_Part):
    """Money per million tokens, in the file's currency."""

    input: Decimal = Field(Decimal(0), ge=0)
    output: Decimal = Field(Decimal(0), ge=0)

    def of(self, input_tokens: int, output_tokens: int) -> Decimal:
        return (self.input * input_tokens + self.output * output_tokens) / _MILLION


class ModelSpec(_Part):
    """One model. ``timeout_s`` bounds one call, tries included; ``queue`` calls may wait for the ``concurrency``
    that are under way, and further ones go on to the next model. ``tokenizer``: a ``tokenizer.json`` of the model's, by
    which its prompts are counted. ``context`` is in tokens, ``inside`` says that what is sent there stays in the
    organisation. ``cache``: for whom the server may keep the beginning of a prompt, the tenant or nobody."""

    provider: Provider
    model: str = Field(min_length=1, max_length=256)
    url: Annotated[str, AfterValidator(_web)] | None = None
    key: Key | None = None
    output: Output = "tool"
    price: Price = Price()
    context: int = Field(32_768, ge=1_024, le=10_000_000)
    tokenizer: Path | None = None
    max_output: int | None = Field(None, ge=64, le=131_072)
    timeout_s: float = Field(60.0, gt=0, le=600)
    retries: int = Field(1, ge=0, le=5)
    concurrency: int = Field(16, ge=1, le=1_000)
    queue: int = Field(32, ge=0, le=10_000)
    region: str | None = Field(None, max_length=64)
    api_version: str | None = Field(None, max_length=32)
    tenants: tuple[str, ...] | None = None
    data_classes: Classes | None = None
    inside: bool = False
    cache: PromptCache = "tenant"

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.provider in ("openai", "azure") and self.url is None:
            raise ValueError(f"a model of provider {self.provider!r} needs a url")
        if self.provider in ("anthropic", "google", "azure") and self.key is None:
            raise ValueError(f"a model of provider {self.provider!r} needs a key")
        if self.provider == "bedrock" and self.region is None:
            raise ValueError("a model of provider 'bedrock' needs a region")
        return self


class Route(_Part):
    """Models in the order that they are tried, and for whose questions. A condition that is absent always holds."""

    models: tuple[str, ...] = Field(min_length=1, max_length=10)
    tenants: tuple[str, ...] | None = None
    workflows: tuple[str, ...] | None = None
    difficulty: tuple[Difficulty, ...] | None = None
    data_classes: Classes | None = None
    last_resort: bool = True


class ModelFile(_Part):
    """All of it. Models that no route names are never asked; without routes all are, in the file's order."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    models: dict[str, ModelSpec] = Field(max_length=100)
    routes: tuple[Route, ...] = Field((), max_length=200)

    @model_validator(mode="after")
    def _named(self) -> Self:
        for name in self.models:
            if name == EXTRACTIVE or not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for a model: letters, digits and . _ : / @ -")
        for n, route in enumerate(self.routes, 1):
            unknown = [name for name in route.models if name != EXTRACTIVE and name not in self.models]
            if unknown:
                raise ValueError(f"route {n} names models that there are not: {', '.join(unknown)}")
            if len(set(route.models)) < len(route.models):
                raise ValueError(f"route {n} names a model twice")
        return self


def read_models(settings: Settings) -> ModelFile | None:
    """The file of ``VOUCH_MODELS``, or one of ``VOUCH_CHAT_MODEL`` at ``VOUCH_CHAT_URL``; None where neither is set.

    Raises :class:`BadConfig`, which names the setting or the field of the file.
    """
    if settings.models is None:
        return _only(settings)
    if settings.chat_url is not None:
        raise BadConfig("VOUCH_MODELS and VOUCH_CHAT_URL exclude each other.", field="models")
    try:
        with settings.models.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise BadConfig(f"{settings.models} is longer than {LARGEST:,} bytes.", field="models")
        return ModelFile.model_validate(tomllib.loads(raw.decode("utf-8")))
    except OSError as error:
        raise BadConfig(f"{settings.models} cannot be read: {error.strerror}.", field="models") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{settings.models} is not TOML: {error}", field="models") from error
    except ValidationError as error:
        raise _bad(settings.models, error) from None  # what pydantic quotes may be a key put in the wrong place


def _only(settings: Settings) -> ModelFile | None:
    if settings.chat_url is None:
        return None
    try:
        _web(settings.chat_url)
    except ValueError as error:
        why = str(error).replace("in key", "in VOUCH_CHAT_API_KEY")
        raise BadConfig(f"VOUCH_CHAT_URL {why}.", field="chat_url") from None
    if not settings.chat_model:
        raise BadConfig("VOUCH_CHAT_URL is set without VOUCH_CHAT_MODEL.", field="chat_model")
    spec = ModelSpec(
        provider="openai",
        url=settings.chat_url,
        model=settings.chat_model,
        output=settings.chat_output,
        timeout_s=settings.chat_timeout_s,
    )
    if settings.chat_api_key is not None:
        spec = spec.model_copy(update={"key": HeldKey(held=settings.chat_api_key)})
    try:
        return ModelFile(models={settings.chat_model: spec})
    except ValidationError:
        raise BadConfig("VOUCH_CHAT_MODEL is no name for a model.", field="chat_model") from None


def _bad(path: Path, error: ValidationError) -> BadConfig:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return BadConfig(f"{path}: {where or 'the file'}: {first['msg']}", field=f"models.{where}".rstrip("."))
