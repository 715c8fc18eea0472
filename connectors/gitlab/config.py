"""What a ``gitlab`` source is configured by."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.accounts import People
from connectors.declared import owner

Part = Literal["files", "issues", "merge_requests", "wiki"]
PARTS: tuple[Part, ...] = ("files", "issues", "merge_requests", "wiki")
Place = Annotated[
    str, Field(pattern=r"^(?:[1-9][0-9]{0,17}|[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,20})$")
]


class GitlabConfig(BaseModel):
    """Configuration of a GitLab source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "projects", "group", "skip", "archived", "read", "ref", "include", "exclude", "hidden", "owners", "public",
            "issuer", "people", "max_file_mb", "max_thread_kb", "max_items",
        }
    )  # fmt: skip

    base: str = Field(
        "https://gitlab.com/api/v4", min_length=1, max_length=2000, description="Address of the API, with `/api/v4`."
    )
    token: SecretStr | None = Field(
        None, min_length=1, max_length=2000, description="Access token of a person, project or group. Sealed."
    )
    projects: tuple[Place, ...] = Field((), max_length=1000, description="Projects: paths, or ids.")
    group: Place | None = Field(None, description="All projects of a group and the groups below it: path, or id.")
    skip: tuple[str, ...] = Field((), max_length=1000, description="Globs over the path of projects that are not read.")
    archived: bool = Field(True, description="Whether projects that are archived are read.")
    read: tuple[Part, ...] = Field(PARTS, min_length=1, max_length=4, description="What is read of a project.")
    ref: str | None = Field(
        None, pattern=r"^[^\s\x00-\x1f]{1,250}$", description="Branch or tag of the files; else the default branch."
    )
    include: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=100, description="Globs over a file's path; one must match (`*` crosses `/`)."
    )
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs over a file's path; none may match.")
    hidden: bool = Field(False, description="Whether files are read whose path has a name that begins with a dot.")
    owners: dict[str, Annotated[str, AfterValidator(owner)]] = Field(
        default_factory=dict, max_length=2000, description="From what CODEOWNERS writes (`@team`) to principals."
    )
    public: Literal["members", "authenticated"] = Field(
        "members", description="Who reads public projects; `authenticated` is everyone here."
    )
    issuer: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="The issuer of the groups that this source tells."
    )
    people: People = Field(default_factory=People, description="Which account, by its numeric id, is which user.")
    max_file_mb: int = Field(10, ge=1, le=200, description="Largest file read, MiB.")
    max_thread_kb: int = Field(2048, ge=1, le=50 * 1024, description="Largest text of an issue and the like, KiB.")
    max_items: int = Field(200_000, ge=1, le=2_000_000, description="A scan that meets more fails.")

    @model_validator(mode="after")
    def _one_of_each(self) -> GitlabConfig:
        if bool(self.projects) == (self.group is not None):
            raise ValueError("projects or group is needed, and not both")
        return self
