"""What a Confluence source is configured by, besides where it is and as whom it is asked: what of it is read."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from connectors.atlassian.config import Public, SiteConfig

_READABLE = ("pdf", "docx", "pptx", "xlsx", "odt", "epub", "rtf", "md", "txt", "csv", "tsv", "html", "eml", "msg")
Key = Annotated[str, Field(pattern=r"^~?[A-Za-z0-9._:-]{1,255}$")]


class ConfluenceConfig(SiteConfig):
    """Configuration of a Confluence source."""

    keeps_secrets_through: ClassVar[frozenset[str]] = SiteConfig.keeps_secrets_through | {
        "spaces", "exclude_spaces", "personal", "archived", "blog_posts", "attachments", "max_page_kb",
        "max_attachment_mb",
    }  # fmt: skip

    site: str = Field(max_length=1000, description="Address of the wiki: `https://….atlassian.net/wiki`.")
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
    max_page_kb: int = Field(2048, ge=1, le=20 * 1024, description="Largest text of a page, comments included, KiB.")
    max_attachment_mb: int = Field(50, ge=1, le=200, description="Largest attachment, MiB.")
