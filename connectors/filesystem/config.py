"""How a folder is configured, and how its access is read: by rules, or by owner, group and mode."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.accounts import People
from connectors.declared import Address, principal


class FilesystemConfig(BaseModel):
    """Configuration of a filesystem source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, max_length=4096, description="The folder; a relative one is made absolute.")
    include: tuple[str, ...] = Field(
        ("*",),
        min_length=1,
        max_length=100,
        description="Globs over the relative path; one must match (`*` crosses `/`).",
    )
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs over the relative path; none may match.")
    hidden: bool = Field(False, description="Whether names that begin with a dot, and Office's `~$` locks, are read.")
    max_file_mb: int = Field(50, ge=1, le=200, description="Largest file offered, MiB.")
    base_url: Address | None = Field(None, max_length=2000, description="Where people open the files; else `file://`.")

    watch: bool = Field(
        False,
        description="Whether a change in the folder starts a sync within seconds, where the scheduler can see it.",
    )
    access: Literal["rules", "posix"] = Field(
        "rules",
        description="Who may read: what `.vouch.yaml` says, or owner, group and mode, and `.vouch.yaml` besides.",
    )
    issuer: str | None = Field(
        None, description="With `posix`: the name under which accounts and groups are known here."
    )
    people: People = Field(People(), description="With `posix`: which account is which user, by its login name.")
    others: str | None = Field(
        None, description="With `posix`: whom everybody else's permission is for; without it, everyone with an account."
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if "\x00" in value:
            raise ValueError("holds a NUL character")
        return os.path.abspath(value)  # noqa: PTH100  (Path.resolve would follow links, and say so only later)

    @field_validator("others")
    @classmethod
    def _principal(cls, value: str | None) -> str | None:
        return value if value is None else principal(value)

    @model_validator(mode="after")
    def _posix(self) -> Self:
        if self.access == "posix" and self.issuer is None:
            raise ValueError("access from owner, group and mode needs `issuer`, a name for the machine's accounts")
        if self.access == "rules" and (self.issuer, self.people, self.others) != (None, People(), None):
            raise ValueError("`issuer`, `people` and `others` go with `access: posix` alone")
        return self
