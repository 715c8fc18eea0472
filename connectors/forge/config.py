"""What a source of repositories is configured by, whatever forge keeps them; which they are, each forge adds."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from connectors.accounts import Issuer, People
from connectors.declared import owner


class ForgeConfig(BaseModel):
    """What of each repository is read, and who its accounts are."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "skip", "archived", "ref", "include", "exclude", "hidden", "owners", "issuer", "people", "max_file_mb",
            "max_thread_kb", "max_items",
        }
    )  # fmt: skip

    base: str = Field(min_length=1, max_length=2000, description="Address of the API.")
    token: SecretStr | None = Field(None, min_length=1, max_length=2000, description="An access token. Sealed.")
    skip: tuple[str, ...] = Field((), max_length=1000, description="Globs over the path of those that are not read.")
    archived: bool = Field(True, description="Whether those are read that are archived.")
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
    issuer: Issuer = Field(description="The issuer of the groups that this source tells.")
    people: People = Field(default_factory=People, description="Which account, by its numeric id, is which user.")
    max_file_mb: int = Field(10, ge=1, le=200, description="Largest file read, MiB.")
    max_thread_kb: int = Field(2048, ge=1, le=50 * 1024, description="Largest text of an issue and the like, KiB.")
    max_items: int = Field(200_000, ge=1, le=2_000_000, description="A scan that meets more fails.")
