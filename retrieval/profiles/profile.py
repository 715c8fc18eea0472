"""Profiles: how an answer is made, by a name. Those of ours, and those of the file ``VOUCH_PROFILES``.

    [profiles.careful]
    prompt = "answer.v1"
    writers = ["strong", "extractive"]        # models of the models' file, in the order that they are tried
    passages = 12
    approval = true

``writers`` is a list of names, or ``routes`` (who the routes of the models' file say), ``chat`` (the same, with prose
before sentences) or ``extractive``. A profile never changes once it is released: its digest is kept with the release.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from retrieval.guard import MAX_LIMIT
from retrieval.prompts import ANSWER, require
from vouch.core.errors import BadConfig, BadPrompt, InvalidInput
from vouch.core.ids import sha256
from vouch.core.settings import Settings
from vouch.core.types import Json
from vouch.gateway.gateway import Gateway
from vouch.gateway.model_file import EXTRACTIVE

LARGEST = 1_000_000
"""Bytes of the file."""
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
ROUTES, CHAT = "routes", "chat"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(_Part):
    """What a profile says. ``passages``: how many an answer is written from, where a question does not say;
    ``approval``: whether a person has to release what it writes; ``abstain_below``: for verbatim sentences, in the
    place of the setting."""

    prompt: str = Field(ANSWER, max_length=64)
    writers: Literal["routes", "chat", "extractive"] | tuple[str, ...] = "routes"
    passages: int | None = Field(None, ge=1, le=MAX_LIMIT)
    rerank: bool = True
    approval: bool = False
    abstain_below: float | None = Field(None, ge=0, le=1)

    @field_validator("writers")
    @classmethod
    def _each_once(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, tuple) and not 1 <= len(set(value)) == len(value) <= 10:
            raise ValueError("are 1 to 10 names, each once")
        return value

    @field_validator("prompt")
    @classmethod
    def _of_answers(cls, value: str) -> str:
        try:
            require(value, "answer")
        except BadPrompt as error:
            raise ValueError(error.detail) from None
        return value


class _File(_Part):
    profiles: dict[Annotated[str, Field(pattern=NAME)], Spec] = Field(max_length=100)


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    spec: Spec

    @property
    def digest(self) -> str:
        """Of what it says: two that differ in anything differ in it."""
        return sha256(json.dumps(self.told(), sort_keys=True).encode())[:16]

    def told(self) -> Json:
        """What it says, as JSON has it."""
        return self.spec.model_dump(mode="json")


OURS = tuple(Profile(name, Spec(writers=name)) for name in (ROUTES, CHAT, EXTRACTIVE))


@dataclass(frozen=True, slots=True)
class Profiles:
    """Every profile by its name, ours first."""

    named: Mapping[str, Profile] = field(default_factory=lambda: {one.name: one for one in OURS})

    @classmethod
    def open(cls, settings: Settings, gateway: Gateway) -> Self:
        """Ours and the file's. Raises :class:`BadConfig`, which names the field, also for a model that is not there."""
        found = {one.name: one for one in OURS}
        for name, spec in _read(settings.profiles).items() if settings.profiles is not None else ():
            fault = _fault(name, spec, gateway)
            if fault is not None:
                where = f"profiles.{name}" + (f".{fault[0]}" if fault[0] else "")
                raise BadConfig(f"{settings.profiles}: {where}: {fault[1]}", field=where)
            found[name] = Profile(name, spec)
        return cls(found)

    def require(self, name: str, gateway: Gateway, *, field: str) -> Profile:
        """Raises :class:`InvalidInput` for one that there is not, or that no chat model is there for."""
        if name not in self.named:
            raise InvalidInput(f"There is no profile {name!r}.", field=field)
        if self.named[name].spec.writers == CHAT and not gateway.models:
            raise InvalidInput("No chat model is configured here.", field=field)
        return self.named[name]


def _fault(name: str, spec: Spec, gateway: Gateway) -> tuple[str, str] | None:
    if name in (one.name for one in OURS):
        return "", "is a profile of ours, which a file does not change"
    if spec.writers == CHAT and not gateway.models:
        return "writers", "no chat model is configured"
    if isinstance(spec.writers, tuple):
        unknown = [one for one in spec.writers if one != EXTRACTIVE and one not in gateway.models]
        if unknown:
            return "writers", f"there are no models {', '.join(unknown)}"
    return None


def _read(path: Path) -> dict[str, Spec]:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise BadConfig(f"{path} is longer than {LARGEST:,} bytes.", field="profiles")
        found = _File.model_validate(tomllib.loads(raw.decode("utf-8"))).profiles
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}.", field="profiles") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig(f"{path} is not TOML: {error}", field="profiles") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"][:3])  # behind the field stands which of its types was tried
        raise BadConfig(f"{path}: {where or 'the file'}: {first['msg']}", field=where or "profiles") from error
    return found
