"""What a ``github`` source is configured by."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.accounts import People
from connectors.declared import owner

Part = Literal["files", "issues", "pulls", "discussions"]
PARTS: tuple[Part, ...] = ("files", "issues", "pulls", "discussions")
_LOGIN = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})"


class AppKey(BaseModel):
    """A GitHub App, where it is installed, and the key by which it says who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=1, description="The App's id.")
    installation: int = Field(ge=1, description="The id of its installation in the organisation.")
    private_key: SecretStr = Field(min_length=1, max_length=20_000, description="Its RSA key, PEM. Sealed.")


class GithubConfig(BaseModel):
    """Configuration of a GitHub source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "repositories", "organisation", "skip", "archived", "read", "ref", "include", "exclude", "hidden", "owners",
            "public", "issuer", "people", "max_file_mb", "max_thread_kb", "max_items",
        }
    )  # fmt: skip

    base: str = Field(
        "https://api.github.com",
        min_length=1,
        max_length=2000,
        description="Address of the API; of an Enterprise Server `https://github.example.org/api/v3`.",
    )
    token: SecretStr | None = Field(None, min_length=1, max_length=2000, description="A personal access token. Sealed.")
    app: AppKey | None = Field(None, description="A GitHub App in the place of a token.")
    repositories: tuple[Annotated[str, Field(pattern=rf"^{_LOGIN}/[A-Za-z0-9._-]{{1,100}}$")], ...] = Field(
        (), max_length=1000, description="Repositories, `owner/name`."
    )
    organisation: Annotated[str, Field(pattern=rf"^{_LOGIN}$")] | None = Field(
        None, description="All repositories of an organisation. With neither, those that the App is installed for."
    )
    skip: tuple[str, ...] = Field((), max_length=1000, description="Globs over `owner/name` that are not read.")
    archived: bool = Field(True, description="Whether repositories that are archived are read.")
    read: tuple[Part, ...] = Field(PARTS, min_length=1, max_length=4, description="What is read of a repository.")
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
    public: Literal["collaborators", "authenticated"] = Field(
        "collaborators", description="Who reads public repositories; `authenticated` is everyone here."
    )
    issuer: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="The issuer of the groups that this source tells."
    )
    people: People = Field(default_factory=People, description="Which account, by its numeric id, is which user.")
    max_file_mb: int = Field(10, ge=1, le=90, description="Largest file offered, MiB.")
    max_thread_kb: int = Field(2048, ge=1, le=50 * 1024, description="Largest text of an issue and the like, KiB.")
    max_items: int = Field(200_000, ge=1, le=2_000_000, description="A scan that meets more fails.")

    @model_validator(mode="after")
    def _one_of_each(self) -> GithubConfig:
        if self.token is not None and self.app is not None:
            raise ValueError("token and app exclude each other")
        if self.repositories and self.organisation is not None:
            raise ValueError("repositories and organisation exclude each other")
        if not self.repositories and self.organisation is None and self.app is None:
            raise ValueError("repositories or organisation is needed; only an app knows its repositories by itself")
        return self
