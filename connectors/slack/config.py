"""The configuration of a Slack source."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.accounts import Issuer, People


class SlackConfig(BaseModel):
    """Configuration of a Slack source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "issuer", "people", "channels", "exclude", "private", "archived", "bots", "begin", "look_back_days",
            "reply_edits_days", "max_documents", "max_document_kb", "owner",
        }
    )  # fmt: skip

    issuer: Issuer = Field(description="The issuer of the workspace's groups: `slack-acme`.")
    people: People = Field(default_factory=People, description="Which account is which user.")
    token: SecretStr = Field(min_length=1, max_length=1000, description="The app's bot token. Sealed.")
    base: str = Field(
        "https://slack.com/api", max_length=2000, description="Address of the Web API; another for a proxy."
    )
    channels: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=1000, description="Globs over names, or ids; one must match a channel."
    )
    exclude: tuple[str, ...] = Field(
        (), max_length=1000, description="Globs over names, or ids; what one matches is left out."
    )
    private: bool = Field(True, description="Private channels too, of those that the app is in.")
    archived: bool = Field(True, description="Archived channels too, as far as the token may read them.")
    bots: bool = Field(False, description="What bots and apps write too.")
    begin: date | None = Field(None, description="Messages before this day (UTC) are not read.")
    look_back_days: int = Field(
        30, ge=1, le=3650, description="Days before the last sync that an incremental one reads again."
    )
    reply_edits_days: int = Field(
        2, ge=0, le=3650, description="Days after the last reply during which edited replies are looked for."
    )
    max_documents: int = Field(
        200_000, ge=1, le=2_000_000, description="A scan that meets more threads and days fails."
    )
    max_document_kb: int = Field(1024, ge=1, le=20_000, description="Largest text of a thread or day, KiB.")
    owner: str | None = Field(None, description="Owner of its documents: `user:carol`.")
