"""What a source of Confluence or Jira is configured by: where it is, as whom it is asked, who its accounts are."""

from __future__ import annotations

from base64 import b64encode
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.accounts import Issuer, People
from connectors.declared import Address
from connectors.rest import Token
from vouch.core.errors import BadConfig

Public = Literal["nobody", "authenticated"]


class SiteConfig(BaseModel):
    """Configuration of a site in the cloud; what is read of it each product adds."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {"base_url", "people", "trust_emails", "public", "comments", "max_items", "delay_s"}
    )

    site: str = Field(max_length=1000, description="Address of the site: `https://….atlassian.net`.")
    base_url: Address | None = Field(None, max_length=1000, description="Where people open it; else `site`.")
    user: str | None = Field(
        None, min_length=3, max_length=300, description="E-mail address of the account whose API token this is."
    )
    token: SecretStr = Field(
        min_length=1, max_length=8000, description="API token with `user`; without, a bearer token. Sealed."
    )
    issuer: Issuer = Field(description="Issuer of the site's groups.")
    people: People = Field(
        default_factory=lambda: People.model_validate({}), description="Which account is which user."
    )
    trust_emails: bool = Field(
        False, description="Whether `people.named` may name accounts by the e-mail address that the site shows of them."
    )
    public: Public = Field("nobody", description="Whom that lets in which the site opens to everybody.")
    comments: bool = Field(True, description="Whether comments are part of a text.")
    max_items: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more fails.")
    delay_s: float = Field(0.0, ge=0, le=60, description="Least seconds between two requests.")

    @model_validator(mode="after")
    def _addresses_count(self) -> Self:
        if not self.trust_emails and any("@" in account for account in self.people.named):
            raise ValueError("people.named names e-mail addresses: set trust_emails, or name account ids")
        return self


def credential(user: str | None, token: SecretStr) -> Token:
    """An account's API token, or a bearer token where no account is named. Raises :class:`BadConfig`."""
    secret = token.get_secret_value()
    if user is None:
        return Token(f"Bearer {secret}")
    if ":" in user:
        raise BadConfig("config.user: a colon ends the name", field="config.user")
    return Token(f"Basic {b64encode(f'{user}:{secret}'.encode()).decode()}")
