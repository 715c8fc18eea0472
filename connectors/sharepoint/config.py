"""Configuration of a SharePoint source."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connectors.accounts import Issuer, People

Readers = Literal["nobody", "authenticated"]
ALL_SITES = "*"
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SITE = re.compile(rf"[A-Za-z0-9.-]{{1,253}},{GUID},{GUID}")
_DRIVE = re.compile(r"[A-Za-z0-9!_-]{1,200}")


class SiteGroup(BaseModel):
    """A site's own group, such as its members, as an administrator declares it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str = Field(pattern=rf"^{GUID}$", description="Id of the site collection: the second part of a site's id.")
    group: str = Field(pattern=r"^[0-9]{1,10}$", description="Its number there.")
    members: tuple[str, ...] = Field(min_length=1, max_length=1000, description="Groups of Entra, by object id.")

    @field_validator("members")
    @classmethod
    def _guids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not re.fullmatch(GUID, one):
                raise ValueError(f"{one!r} is not an object id")
        return value


class SharePointConfig(BaseModel):
    """Configuration of a SharePoint source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset(
        {
            "sites", "drives", "include", "exclude", "max_files", "max_file_mb", "people", "site_groups",
            "organization_links", "anonymous_links", "everyone_claim", "sharing_changes",
        }
    )  # fmt: skip

    issuer: Issuer = Field(description="Issuer of its accounts and groups here: `sharepoint`.")
    people: People = Field(People(), description="Which account is which user.")
    tenant: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$", description="Id or domain of the Entra tenant.")
    client_id: str = Field(pattern=rf"^{GUID}$", description="Id of the app registration.")
    client_secret: SecretStr | None = Field(None, min_length=1, max_length=500, description="Its secret. Sealed.")
    certificate: SecretStr | None = Field(
        None, min_length=1, max_length=40_000, description="Or a private key and its certificate, PEM. Sealed."
    )
    sites: tuple[str, ...] = Field((), max_length=500, description="Sites, by id; `*` for all.")
    drives: tuple[str, ...] = Field((), max_length=500, description="Document libraries, by drive id.")
    include: tuple[str, ...] = Field(("*",), min_length=1, max_length=100, description="Globs of names to read.")
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs of names to leave out.")
    site_groups: tuple[SiteGroup, ...] = Field((), max_length=2000, description="What Graph does not tell.")
    organization_links: Readers = Field("nobody", description="Who reads what a link for the organisation leads to.")
    anonymous_links: Readers = Field("nobody", description="Who reads what a link for anyone leads to.")
    everyone_claim: Readers = Field("nobody", description="Who is everyone, and everyone except external users.")
    sharing_changes: bool = Field(False, description="Ask the feed for sharing too: needs Sites.FullControl.All.")
    max_files: int = Field(100_000, ge=1, le=1_000_000, description="A scan that meets more files fails.")
    max_file_mb: int = Field(50, ge=1, le=500, description="Largest file read, MiB.")
    api: str = Field("https://graph.microsoft.com/v1.0", max_length=1000, description="Base of Microsoft Graph.")
    login: str = Field("https://login.microsoftonline.com", max_length=1000, description="Where tokens are had.")

    @field_validator("sites")
    @classmethod
    def _sites(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if one != ALL_SITES and not _SITE.fullmatch(one):
                raise ValueError(f"{one!r} is not a site's id: host,site collection,site")
        if ALL_SITES in value and len(value) > 1:
            raise ValueError(f"{ALL_SITES!r} stands alone")
        return value

    @field_validator("drives")
    @classmethod
    def _drives(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _DRIVE.fullmatch(one):
                raise ValueError(f"{one!r} is not a drive's id")
        return value
