"""What a ``github`` source is configured by."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.forge.config import ForgeConfig

Part = Literal["files", "issues", "pulls", "discussions", "wiki"]
PARTS: tuple[Part, ...] = ("files", "issues", "pulls", "discussions", "wiki")
_LOGIN = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})"


class AppKey(BaseModel):
    """A GitHub App, where it is installed, and the key by which it says who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int = Field(ge=1, description="The App's id.")
    installation: int = Field(ge=1, description="The id of its installation in the organisation.")
    private_key: SecretStr = Field(min_length=1, max_length=20_000, description="Its RSA key, PEM. Sealed.")


class GithubConfig(ForgeConfig):
    """Configuration of a GitHub source."""

    keeps_secrets_through: ClassVar[frozenset[str]] = ForgeConfig.keeps_secrets_through | {
        "repositories", "organisation", "read", "public", "max_wiki_mb",
    }  # fmt: skip

    base: str = Field(
        "https://api.github.com",
        min_length=1,
        max_length=2000,
        description="Address of the API; of an Enterprise Server `https://github.example.org/api/v3`.",
    )
    app: AppKey | None = Field(None, description="A GitHub App in the place of a token.")
    repositories: tuple[Annotated[str, Field(pattern=rf"^{_LOGIN}/[A-Za-z0-9._-]{{1,100}}$")], ...] = Field(
        (), max_length=1000, description="Repositories, `owner/name`."
    )
    organisation: Annotated[str, Field(pattern=rf"^{_LOGIN}$")] | None = Field(
        None, description="All repositories of an organisation. With neither, those that the App is installed for."
    )
    read: tuple[Part, ...] = Field(PARTS, min_length=1, max_length=5, description="What is read of a repository.")
    public: Literal["collaborators", "authenticated"] = Field(
        "collaborators", description="Who reads public repositories; `authenticated` is everyone here."
    )
    max_file_mb: int = Field(10, ge=1, le=90, description="Largest file offered, MiB.")
    max_wiki_mb: int = Field(64, ge=1, le=256, description="Largest wiki read, MiB, as GitHub packs it.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.token is not None and self.app is not None:
            raise ValueError("token and app exclude each other")
        if self.repositories and self.organisation is not None:
            raise ValueError("repositories and organisation exclude each other")
        if not self.repositories and self.organisation is None and self.app is None:
            raise ValueError("repositories or organisation is needed; only an app knows its repositories by itself")
        return self
