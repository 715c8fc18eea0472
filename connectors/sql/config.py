"""What a ``sql`` source is configured by. No address and no password: those are the operator's, in the environment."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.declared import Clauses, address
from connectors.sql.template import template
from vouch.core.settings import SOURCE_VARIABLES


def _select(query: str) -> str:
    """One statement that reads. It is put in brackets as part of another, where nothing but a SELECT can stand."""
    text = query.strip().removesuffix(";").rstrip()
    if not re.match(r"(?:SELECT|WITH)\b", text, re.I):
        raise ValueError("must begin with SELECT or WITH")
    if ";" in text or "\0" in text:
        raise ValueError("must be one statement, without a semicolon anywhere in it")
    return text


Query = Annotated[str, Field(max_length=50_000), AfterValidator(_select)]
Column = Annotated[str, Field(pattern=r"^[^\W\d]\w{0,127}$")]
Text = Annotated[str, Field(min_length=1, max_length=50_000), AfterValidator(template)]


class SqlConfig(BaseModel):
    """Configuration of a SQL source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url_env: str = Field(
        pattern=rf"^{SOURCE_VARIABLES}[A-Z0-9_]{{1,60}}_URL$",
        description=f"Environment variable that holds the SQLAlchemy URL: `{SOURCE_VARIABLES}…_URL`.",
    )
    query: Query = Field(description="A SELECT that gives a row for each document.")
    key: tuple[Column, ...] = Field(min_length=1, max_length=8, description="Columns that together name a row.")
    body: Text = Field(description="Markdown with `{column}` in it: the document's text.")
    title: Text | None = Field(None, description="Template of the title; else the document's own.")
    uri: Annotated[Text, AfterValidator(address)] | None = Field(
        None, description="Template of where people open it; values are escaped."
    )
    cursor: Column | None = Field(None, description="Column that grows with every change of a row.")
    overlap: int = Field(60, ge=0, le=1_000_000, description="Seconds, or units, that a sync goes back behind it.")
    modified_at: Column | None = Field(None, description="Column with the time of the last change.")
    owner_column: Column | None = Field(None, description="Column with a principal.")
    access: Clauses = Field((), max_length=16, description="Clauses of every row.")
    access_column: Column | None = Field(
        None, description="Column with who may read: an array, or separated by commas."
    )
    deny_column: Column | None = Field(None, description="Column with who may not all the same.")
    access_query: Query | None = Field(None, description="A SELECT of the key, `principal` and perhaps `deny`.")
    deleted: Column | None = Field(None, description="Column that is true of a row that is gone.")
    tombstones: Query | None = Field(None, description="A SELECT of the keys of rows that are gone.")
    max_rows: int = Field(100_000, ge=1, le=5_000_000, description="A scan that meets more fails.")
    max_row_kb: int = Field(1024, ge=1, le=50 * 1024, description="Largest text of a row, KiB.")
    timeout_s: int = Field(60, ge=1, le=3600, description="Seconds that the database may take for a step.")

    @model_validator(mode="after")
    def _one_place(self) -> SqlConfig:
        if self.access_query is not None and (self.access_column is not None or self.deny_column is not None):
            raise ValueError("access_query and access_column exclude each other")
        if self.deny_column is not None and self.access_column is None:
            raise ValueError("deny_column needs access_column: a deny alone lets nobody in")
        return self
