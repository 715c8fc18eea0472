"""What a Confluence source is configured by: where it is, as whom it is asked, what of it is read."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.accounts import People
from connectors.confluence_access import Public
from connectors.declared import Address

_READABLE = ("pdf", "docx", "pptx", "xlsx", "odt", "epub", "rtf", "md", "txt", "csv", "tsv", "html", "eml", "msg")
Key = Annotated[str, Field(pattern=r"^~?[A-Za-z0-9._:-]{1,255}$")]


class ConfluenceConfig(BaseModel):
    """Configuration of a Confluence source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "base_url", "spaces", "exclude_spaces", "personal", "archived", "blog_posts", "comments", "attachments",
            "public", "people", "trust_emails", "max_items", "max_page_kb", "max_attachment_mb", "delay_s",
        }
    )  # fmt: skip

    site: str = Field(max_length=1000, description="Address of the wiki: `https://….atlassian.net/wiki`.")
    base_url: Address | None = Field(None, max_length=1000, description="Where people open it; else `site`.")
    user: str | None = Field(
        None, min_length=3, max_length=300, description="E-mail address of the account whose API token this is."
    )
    token: SecretStr = Field(
        min_length=1, max_length=8000, description="API token with `user`; without, a bearer token. Sealed."
    )
    issuer: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="Issuer of the site's groups: `confluence`.")
    people: People = Field(
        default_factory=lambda: People.model_validate({}), description="Which account is which user."
    )
    trust_emails: bool = Field(
        False, description="Whether `people.named` may name accounts by the e-mail address that the site shows of them."
    )
    spaces: tuple[Key, ...] = Field((), max_length=1000, description="Keys of the spaces that are read; none: all.")
    exclude_spaces: tuple[Key, ...] = Field((), max_length=1000, description="Keys of spaces that are not.")
    personal: bool = Field(False, description="Whether personal spaces are read that `spaces` does not name.")
    archived: bool = Field(False, description="Whether archived spaces and pages are read.")
    blog_posts: bool = Field(True, description="Whether blog posts are read.")
    comments: bool = Field(True, description="Whether comments are part of their page's text.")
    attachments: tuple[str, ...] = Field(
        tuple(f"*.{suffix}" for suffix in _READABLE),
        max_length=100,
        description="Globs over the name of a file, in small letters; one must match. None: no attachments.",
    )
    public: Public = Field(
        "nobody", description="Whom a space lets in that it opens to anonymous users or to all of the site."
    )
    max_items: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more documents fails.")
    max_page_kb: int = Field(2048, ge=1, le=20 * 1024, description="Largest text of a page, comments included, KiB.")
    max_attachment_mb: int = Field(50, ge=1, le=200, description="Largest attachment, MiB.")
    delay_s: float = Field(0.0, ge=0, le=60, description="Least seconds between two requests.")

    @model_validator(mode="after")
    def _addresses_count(self) -> ConfluenceConfig:
        if not self.trust_emails and any("@" in account for account in self.people.named):
            raise ValueError("people.named names e-mail addresses: set trust_emails, or name account ids")
        return self
