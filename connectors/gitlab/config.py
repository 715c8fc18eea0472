"""What a ``gitlab`` source is configured by."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from connectors.forge.config import ForgeConfig

Part = Literal["files", "issues", "merge_requests", "wiki"]
PARTS: tuple[Part, ...] = ("files", "issues", "merge_requests", "wiki")
Place = Annotated[
    str, Field(pattern=r"^(?:[1-9][0-9]{0,17}|[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,20})$")
]


class GitlabConfig(ForgeConfig):
    """Configuration of a GitLab source."""

    keeps_secrets_through: ClassVar[frozenset[str]] = ForgeConfig.keeps_secrets_through | {
        "projects", "group", "read", "public",
    }  # fmt: skip

    base: str = Field(
        "https://gitlab.com/api/v4", min_length=1, max_length=2000, description="Address of the API, with `/api/v4`."
    )
    projects: tuple[Place, ...] = Field((), max_length=1000, description="Projects: paths, or ids.")
    group: Place | None = Field(None, description="All projects of a group and the groups below it: path, or id.")
    read: tuple[Part, ...] = Field(PARTS, min_length=1, max_length=4, description="What is read of a project.")
    public: Literal["members", "authenticated"] = Field(
        "members", description="Who reads public projects; `authenticated` is everyone here."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if bool(self.projects) == (self.group is not None):
            raise ValueError("projects or group is needed, and not both")
        return self
