"""What is declared in a source's configuration: access, for sources that say nothing of it themselves, and where people
open what is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from vouch.core.errors import InvalidInput
from vouch.core.types import RawClause, SourceAcl, principal_name

_ADDRESS = re.compile(r"https?://[^\s/?#@\\]+(?:[/?#]\S*)?")


def address(text: str) -> str:
    """``text``, which readers are shown as where a document is opened. Raises ValueError."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be an http or https address, with no user or password in it: readers are shown it")
    return text


Address = Annotated[str, AfterValidator(address)]
"""Where people open what is read, or its beginning. It is no place that a connector asks."""


def principal(text: str) -> str:
    """``text`` as a written principal. Raises ValueError, as pydantic wants it."""
    try:
        return principal_name(text)
    except InvalidInput as error:
        raise ValueError(error.detail) from error


def owner(text: str) -> str:
    """A principal that can own: a user or a group. Raises ValueError."""
    if text == "authenticated":
        raise ValueError("must be a user or a group")
    return principal(text)


class DeclaredClause(BaseModel):
    """Who may read, and who may not all the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] = Field(min_length=1, max_length=1000)
    deny: tuple[str, ...] = Field((), max_length=1000)

    @field_validator("allow", "deny")
    @classmethod
    def _principals(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(principal, value))


Clauses = tuple[DeclaredClause, ...]


class PathRule(BaseModel):
    """The clauses of the paths that one of the globs matches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: tuple[str, ...] = Field(min_length=1, max_length=100)
    clauses: Clauses = Field(max_length=16)


def raw(clauses: Clauses, where: str) -> tuple[RawClause, ...] | None:
    """``clauses`` as a connector yields them; none is nobody."""
    return tuple(RawClause(clause.allow, clause.deny, where) for clause in clauses) or None


def access_of(rules: Sequence[PathRule], path: str) -> SourceAcl:
    """What the first rule that matches ``path`` says. Where none does nobody may read."""
    for n, rule in enumerate(rules):
        if any(fnmatchcase(path, glob) for glob in rule.paths):
            return raw(rule.clauses, f"config.access.{n}")
    return None
