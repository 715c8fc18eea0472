"""Break-glass and notifications over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from acl import break_glass
from retrieval.break_glass import Notice
from retrieval.guard import clean
from retrieval.schemas.responses import Moment
from vouch.catalog.tables import BreakGlass
from vouch.core.types import Json


class BreakGlassRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "document_id": "0199c0de-7a51-7c3e-9a1b-2f6d5b0c9e11",
                    "reason": "Incident 4711: the on-call rota is needed while its owner cannot be reached.",
                    "minutes": 30,
                }
            ]
        },
    )

    document_id: str = Field(min_length=1, max_length=128)
    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=break_glass.REASON.start, max_length=1000),
        AfterValidator(clean),
    ] = Field(description="Kept on the audit log for good, and told to the document's owner.")
    minutes: int = Field(ge=break_glass.MINUTES.start, le=break_glass.MINUTES.stop - 1)


class Grant(BaseModel):
    id: str
    document_id: str
    user: str
    reason: str
    granted_by: str = Field(description="The user and the key that asked for it.")
    state: Literal["active", "expired", "ended"]
    created_at: Moment
    expires_at: Moment
    first_read_at: Moment | None
    ended_at: Moment | None

    @classmethod
    def of(cls, row: BreakGlass) -> Self:
        return cls(
            id=row.id,
            document_id=row.document_id,
            user=row.user_id,
            reason=row.reason,
            granted_by=row.granted_by,
            state=break_glass.state(row),
            created_at=row.created_at,
            expires_at=row.expires_at,
            first_read_at=row.first_read_at,
            ended_at=row.ended_at,
        )


class GrantPage(BaseModel):
    grants: list[Grant]
    next_cursor: str | None


class Told(BaseModel):
    """``title`` is null where you may not read the document."""

    id: str
    kind: str = Field(examples=["break_glass.granted", "break_glass.read", "answer.released", "answer.rejected"])
    document_id: str | None
    title: str | None
    detail: Json = Field(
        description="Of break-glass: `grant`, `user`, `reason`, `expires_at`; of an answer: `answer`, its id."
    )
    created_at: Moment
    seen_at: Moment | None

    @classmethod
    def of(cls, notice: Notice) -> Self:
        row = notice.row
        return cls(
            id=row.id,
            kind=row.kind,
            document_id=row.document_id,
            title=notice.title,
            detail=row.detail,
            created_at=row.created_at,
            seen_at=row.seen_at,
        )


class ToldPage(BaseModel):
    notifications: list[Told]
    next_cursor: str | None
