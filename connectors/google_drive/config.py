"""Configuration of a Google Drive source."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.accounts import Issuer, People

Readers = Literal["nobody", "authenticated"]
ALL_DRIVES = "*"
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_MAIL = r"^[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253}$"


class GoogleDirectory(BaseModel):
    """Where Google's groups and the ids of its users are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str = Field(pattern=_MAIL, description="An administrator in whose name the directory is read.")
    customer: str = Field("my_customer", pattern=r"^[A-Za-z0-9_]{1,64}$", description="Whose directory it is.")
    api: str = Field(
        "https://admin.googleapis.com/admin/directory/v1", max_length=1000, description="Base of the Directory API."
    )


class GoogleDriveConfig(BaseModel):
    """Configuration of a Google Drive source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "drives", "folders", "my_drive", "include", "exclude", "max_files", "max_file_mb", "people", "domains",
            "domain_sharing", "anyone_sharing", "link_sharing",
        }
    )  # fmt: skip

    issuer: Issuer = Field(description="Issuer of its accounts and groups here: `google`.")
    people: People = Field(People(), description="Which account is which user.")
    service_account: SecretStr | None = Field(
        None, min_length=2, max_length=20_000, description="Key of a service account, the JSON as it is. Sealed."
    )
    subject: str | None = Field(None, pattern=_MAIL, description="User in whose name the service account reads.")
    client_id: str | None = Field(None, min_length=1, max_length=500, description="Of an OAuth client.")
    client_secret: SecretStr | None = Field(None, min_length=1, max_length=500, description="Its secret. Sealed.")
    refresh_token: SecretStr | None = Field(
        None, min_length=1, max_length=4000, description="Of the user who let it read. Sealed."
    )
    directory: GoogleDirectory | None = Field(None, description="Where groups are read; without it they are empty.")
    drives: tuple[str, ...] = Field(
        (), max_length=500, description="Shared drives, by id; `*` for all that the account is a member of."
    )
    folders: tuple[str, ...] = Field((), max_length=500, description="Folders, by id, with everything below them.")
    my_drive: bool = Field(False, description="The files that the account itself owns.")
    include: tuple[str, ...] = Field(("*",), min_length=1, max_length=100, description="Globs of names to read.")
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs of names to leave out.")
    domains: tuple[str, ...] = Field((), max_length=100, description="Domains of the organisation.")
    domain_sharing: Readers = Field("nobody", description="Who reads what is shared with one of `domains`.")
    anyone_sharing: Readers = Field("nobody", description="Who reads what is shared with anyone.")
    link_sharing: Readers = Field(
        "nobody", description="Who reads it where it takes the link to find it: both have to say `authenticated`."
    )
    max_files: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more files fails.")
    max_file_mb: int = Field(50, ge=1, le=500, description="Largest file read, MiB.")
    api: str = Field("https://www.googleapis.com/drive/v3", max_length=1000, description="Base of the Drive API.")
    token_url: str = Field("https://oauth2.googleapis.com/token", max_length=1000, description="Where tokens are had.")

    @field_validator("drives", "folders")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _ID.fullmatch(one) and one != ALL_DRIVES:
                raise ValueError(f"{one!r} is not an id")
        if ALL_DRIVES in value and len(value) > 1:
            raise ValueError(f"{ALL_DRIVES!r} stands alone")
        return value

    @field_validator("folders")
    @classmethod
    def _no_star(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if ALL_DRIVES in value:
            raise ValueError(f"{ALL_DRIVES!r} is not an id")
        return value

    @field_validator("domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _DOMAIN.fullmatch(one):
                raise ValueError(f"{one!r} is not a domain in small letters")
        return value


def is_id(text: str) -> bool:
    """Whether ``text`` can name a file or a drive."""
    return _ID.fullmatch(text) is not None
