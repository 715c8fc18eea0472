"""What prompts of each kind take, and what a model's reply to them is read as.

A file names its inputs as ``{{name}}``. They have to be those of its kind, all of them and no others, so a prompt that
forgets one, or waits for one that nobody gives, fails before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from retrieval.prompts.lock import prompt
from vouch.core.errors import BadPrompt
from vouch.gateway.chat import Draft

_INPUT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True)
class AnswerPrompt:
    """``canary``: a word that was never used before. Who finds it in an answer knows that the instructions leaked."""

    canary: str


@dataclass(frozen=True, slots=True)
class JudgePrompt:
    """Takes nothing: what is judged is in the message."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``takes``: the type of what its prompts are rendered with; ``yields``: the schema of the reply. ``ends_with``:
    versions of what is put below each of them, and is no prompt by itself."""

    takes: type[Any]
    yields: type[Any]
    ends_with: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "answer": Kind(AnswerPrompt, Draft, ("mark.v1",)),
    "repair": Kind(AnswerPrompt, Draft, ("mark.v1",)),
    "judge": Kind(JudgePrompt, Draft),
}


def require(version: str, kind: str) -> None:
    """Raises :class:`BadPrompt` unless ``version`` is a released prompt of ``kind`` whose inputs are the kind's."""
    if _kind(version) is not KINDS[kind]:
        raise BadPrompt(f"{version} is no prompt of the kind {kind}.")
    named, known = set(_INPUT.findall(template(version))), {one.name for one in fields(KINDS[kind].takes)}
    if named != known:
        raise BadPrompt(f"The prompt {version} and its kind differ in the inputs {', '.join(sorted(named ^ known))}.")


def template(version: str) -> str:
    """All of a prompt, before anything is put into it."""
    return "\n".join(prompt(one).rstrip("\n") + "\n" for one in (version, *_kind(version).ends_with))


def render(version: str, inputs: object) -> str:
    """The prompt as it is sent. Raises :class:`BadPrompt` where ``inputs`` are not what its kind takes, and as
    :func:`require`."""
    kind = _kind(version)
    if type(inputs) is not kind.takes:
        raise BadPrompt(f"The prompt {version} takes {kind.takes.__name__} and was given {type(inputs).__name__}.")
    require(version, version.partition(".")[0])
    return _INPUT.sub(lambda found: str(getattr(inputs, found[1])), template(version))


def _kind(version: str) -> Kind:
    name = version.partition(".")[0]
    if name not in KINDS:
        raise BadPrompt(f"There are no prompts of the kind {name!r}.")
    return KINDS[name]
