"""What a Jira source is configured by, besides where it is and as whom it is asked: what of it is read."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from connectors.atlassian.config import Public, SiteConfig

Key = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,254}$")]


class JiraConfig(SiteConfig):
    """Configuration of a Jira source."""

    keeps_secrets_through: ClassVar[frozenset[str]] = SiteConfig.keeps_secrets_through | {
        "projects", "exclude_projects", "max_issue_kb",
    }  # fmt: skip

    projects: tuple[Key, ...] = Field((), max_length=1000, description="Keys of the projects that are read; none: all.")
    exclude_projects: tuple[Key, ...] = Field((), max_length=1000, description="Keys of projects that are not.")
    comments: bool = Field(True, description="Whether comments that all who see the issue see are part of its text.")
    public: Public = Field(
        "nobody", description="Whom a project lets in that it opens to anyone or to everybody who is signed in."
    )
    max_issue_kb: int = Field(2048, ge=1, le=20 * 1024, description="Largest text of an issue with its comments, KiB.")
