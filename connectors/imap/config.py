"""The configuration of a mailbox source."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.declared import Clauses


class ImapConfig(BaseModel):
    """Configuration of a mailbox source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {"folders", "exclude", "since", "owner", "access", "max_messages", "max_message_mb"}
    )

    host: str = Field(min_length=1, max_length=253, description="The mail server: `imap.example.org`.")
    port: int | None = Field(None, ge=1, le=65535, description="Its port; else 993, or 143 with `starttls`.")
    security: Literal["tls", "starttls"] = Field(
        "tls", description="Encrypted from the first byte, or before anything is said of the user."
    )
    user: str = Field(min_length=1, max_length=255, description="Name to log in with.")
    password: SecretStr = Field(min_length=1, max_length=1000, description="Its password. Sealed.")
    folders: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=200, description="Globs over folder names; one must match."
    )
    exclude: tuple[str, ...] = Field((), max_length=200, description="Globs over the names of folders left out.")
    since: date | None = Field(None, description="Mail that arrived before this day is not read.")
    owner: str | None = Field(
        None,
        description="Whose mailbox it is, `user:carol`: owner of its documents; without `access` their reader.",
    )
    access: Clauses = Field((), max_length=16, description="Who may read it in the owner's place: clauses.")
    max_messages: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more messages fails.")
    max_message_mb: int = Field(25, ge=1, le=200, description="Largest message read, attachments included, MiB.")
