"""Configuration of a Notion source: where it begins, and who may read what is below each beginning.

Notion's API does not tell who may read a page, so that is declared, root by root.
"""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.declared import Clauses, owner

_HEX = re.compile(r"[0-9a-f]{32}")
_DASHED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_IN_PATH = re.compile(r"(?:^|[/-])([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/?$")


class NotionRoot(BaseModel):
    """A page or a database that is read with everything below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(max_length=2000, description="A page or a database: its id, or its address in Notion.")
    access: Clauses = Field((), max_length=16, description="Clauses of it and all below it; none: nobody.")
    owner: str | None = Field(None, description="Owner of its documents: `user:carol`.")

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        found = id_in(value)
        if found is None:
            raise ValueError("neither an id nor an address of a page or a database")
        return found

    @field_validator("owner")
    @classmethod
    def _owner(cls, value: str | None) -> str | None:
        return None if value is None else owner(value)


class NotionConfig(BaseModel):
    """Configuration of a Notion source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {"roots", "max_pages", "max_depth", "max_blocks", "delay_s"}
    )

    token: SecretStr = Field(min_length=1, max_length=1000, description="Secret of the integration. Sealed.")
    roots: tuple[NotionRoot, ...] = Field(
        min_length=1, max_length=200, description="Pages and databases, each with who may read what is below it."
    )
    max_pages: int = Field(5000, ge=1, le=20_000, description="A scan that meets more pages and databases fails.")
    max_depth: int = Field(30, ge=0, le=100, description="Pages below a root; 0: the roots alone.")
    max_blocks: int = Field(5000, ge=1, le=50_000, description="A page with more blocks is refused.")
    delay_s: float = Field(0.34, ge=0, le=60, description="Least seconds between two requests.")
    api: str = Field("https://api.notion.com", max_length=1000, description="Where Notion is asked.")

    @field_validator("roots")
    @classmethod
    def _different(cls, value: tuple[NotionRoot, ...]) -> tuple[NotionRoot, ...]:
        if len({root.id for root in value}) < len(value):
            raise ValueError("a root is named twice")
        return value


def is_id(text: str) -> bool:
    """Whether ``text`` is an id as Notion writes it in answers."""
    return _DASHED.fullmatch(text) is not None


def id_in(text: str) -> str | None:
    """The id that ``text`` is or, as an address of Notion, ends with. None where it is neither, and for an address
    that shows a second page beside the first: which one is meant cannot be told."""
    text = text.strip().lower()
    if text.startswith("https://"):
        parts = urlsplit(text)
        found = _IN_PATH.search(parts.path)
        if found is None or "p" in parse_qs(parts.query):
            return None
        text = found[1]
    if _HEX.fullmatch(text):
        text = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
    return text if is_id(text) else None
