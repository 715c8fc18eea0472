"""What a git source is configured by: which repository of this machine, which of its files, who may read them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from connectors.declared import Address, PathRule, owner

_SCP = re.compile(r"[^/\s]+@[^/\s:]+:|[^/\s:]{2,}:(?!//)")


class GitConfig(BaseModel):
    """Configuration of a git source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(
        min_length=1, max_length=4096, description="The repository, bare or not: a folder, or `file://…`."
    )
    ref: str = Field("HEAD", min_length=1, max_length=200, description="Branch, tag, or whole name of a ref.")
    include: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=100, description="Globs over the path; one must match (`*` crosses `/`)."
    )
    exclude: tuple[str, ...] = Field((), max_length=100, description="Globs over the path; none may match.")
    hidden: bool = Field(False, description="Whether names that begin with a dot are read.")
    access: tuple[PathRule, ...] = Field(
        (), max_length=200, description="Rules, each globs and clauses; the first that matches counts, else nobody."
    )
    owners: dict[str, Annotated[str, AfterValidator(owner)]] = Field(
        default_factory=dict, max_length=2000, description="From what CODEOWNERS writes (`@team`) to principals."
    )
    max_file_mb: int = Field(50, ge=1, le=200, description="Largest file offered, MiB.")
    max_files: int = Field(200_000, ge=1, le=2_000_000, description="A scan that meets more entries fails.")
    base_url: Address | None = Field(None, max_length=2000, description="Where people open the files; else `file://`.")

    @field_validator("path")
    @classmethod
    def _local(cls, value: str) -> str:
        if "\x00" in value:
            raise ValueError("holds a NUL character")
        if value.startswith("file://"):
            url = urlsplit(value)
            if url.netloc not in ("", "localhost") or url.query or url.fragment:
                raise ValueError("must be a folder of this machine: file:///srv/handbook.git")
            value = unquote(url.path)
        elif "://" in value or (_SCP.match(value) and not Path(value).exists()):
            raise ValueError("only repositories of this machine are read; mirror it here (git clone --mirror)")
        return os.path.abspath(value)  # noqa: PTH100  (Path.resolve would follow links, and say so only later)
