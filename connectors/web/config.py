"""What a web source is configured by: where the walk begins, where it may go, who may read what it meets."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class WebClause(BaseModel):
    """One clause: the reader needs one of ``allow`` and none of ``deny``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[str, ...] = Field((), max_length=2000)
    deny: tuple[str, ...] = Field((), max_length=2000)


class WebConfig(BaseModel):
    """Configuration of a web source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "include", "exclude", "max_depth", "max_pages", "max_page_mb", "max_total_mb", "delay_s", "article",
            "access", "owner", "review_every",
        }
    )  # fmt: skip

    start: tuple[str, ...] = Field(min_length=1, max_length=100, description="Addresses where the walk begins.")
    sitemaps: tuple[str, ...] = Field(
        (), max_length=50, description="Sitemaps, besides those that the robots.txt of a start names."
    )
    hosts: tuple[str, ...] = Field(
        (), max_length=100, description="Further hosts that may be read; those of `start` always may."
    )
    include: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=100, description="Globs over the whole address; one must match a document's."
    )
    exclude: tuple[str, ...] = Field(
        (), max_length=100, description="Globs over the whole address; what one matches is not asked for."
    )
    max_depth: int = Field(3, ge=0, le=50, description="Links away from a start or a sitemap's page.")
    max_pages: int = Field(1000, ge=1, le=10_000, description="Addresses asked for in one walk.")
    max_page_mb: int = Field(10, ge=1, le=200, description="Largest page or file read, MiB.")
    max_total_mb: int = Field(1000, ge=1, le=100_000, description="Most that one walk reads, MiB.")
    delay_s: float = Field(1.0, ge=0, le=60, description="Least seconds between two requests to a host.")
    article: bool = Field(True, description="Leave out what stands around a page's article: menus, banners, footers.")
    authorization: SecretStr | None = Field(
        None, min_length=1, max_length=8000, description="Header sent to the origins of `start`: `Bearer …`. Sealed."
    )
    access: tuple[WebClause, ...] = Field((), max_length=64, description="Who may read the site; none: nobody.")
    owner: str | None = Field(None, description="Owner of its documents: `user:carol`.")
    review_every: str | None = Field(None, description="When they are due for review: `180d`.")
