"""`/scim/v2/{issuer}`: SCIM 2.0 (RFC 7643, 7644), by which an identity provider keeps users and groups.

Its credential is an API key with the scope `directory`. The subset that Okta and Microsoft Entra use; errors in SCIM's
own form.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from acl.scim import Kind, Page, Provisioning
from acl.scim_messages import parse_filter
from acl.scim_schemas import MAX_RESULTS, resource_types, schemas, service_provider_config
from ingestion.api.requests import DirectoryCaller, Id, ServicesDep
from vouch.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    StateNotReached,
    Unauthenticated,
    Unavailable,
    VouchError,
)
from vouch.core.types import Json
from vouch.serving.problems import problem_response

MEDIA_TYPE = "application/scim+json"
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MAX_OPERATIONS = 1000


class ScimResponse(JSONResponse):
    media_type = MEDIA_TYPE


def error_body(error: VouchError) -> Json:
    """RFC 7644, section 3.12."""
    status = 400 if isinstance(error, InvalidInput) and error.status == 422 else error.status
    body: Json = {"schemas": [_ERROR], "status": str(status), "detail": error.detail}
    if isinstance(error, Conflict):
        body["scimType"] = "uniqueness"
    elif status == 400:
        body["scimType"] = error.extra.get("scim_type", "invalidValue")
    return body


class ScimRoute(APIRoute):
    """Answers errors as SCIM does, with the same headers as everywhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, with its errors put into SCIM's words."""
        handle = super().get_route_handler()

        async def handling(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                said = "; ".join(str(fault["msg"]) for fault in error.errors()[:3])
                return _refusal(InvalidInput(said, scim_type="invalidSyntax"))
            except VouchError as error:
                return _refusal(error)

        return handling


def _refusal(error: VouchError) -> Response:
    body = error_body(error)
    headers = {
        name: value
        for name, value in problem_response(error).headers.items()
        if name not in ("content-length", "content-type")
    }
    return ScimResponse(body, int(body["status"]), headers)


class ScimError(BaseModel):
    """RFC 7644, section 3.12."""

    schemas: list[str]
    status: str
    detail: str
    scimType: str | None = None


class Resource(BaseModel):
    """A user or group as it was provisioned, with ``urn:vouch:scim:principal``: its name in access lists."""

    model_config = ConfigDict(extra="allow")

    schemas: list[str]
    meta: dict[str, Any]
    id: str | None = None


class Listing(BaseModel):
    schemas: list[str] = [_LIST]
    totalResults: int
    startIndex: int
    itemsPerPage: int
    Resources: list[dict[str, Any]]


class ResourceIn(BaseModel):
    """A user with its ``userName``, a group with its ``displayName``; what else there is, is kept."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                    "externalId": "00u1",
                    "userName": "alice@example.org",
                    "name": {"givenName": "Alice", "familyName": "Okafor"},
                    "active": True,
                }
            ]
        },
    )


class PatchIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"schemas": [_PATCH], "Operations": [{"op": "Replace", "path": "active", "value": False}]},
            ]
        }
    )

    schemas: list[str]
    Operations: Annotated[list[Any], Field(min_length=1, max_length=_MAX_OPERATIONS)]


_ALWAYS = (Unauthenticated, Forbidden, NotFound, InvalidInput, StateNotReached, Unavailable)


def _errors(*errors: type[VouchError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI ``responses``; besides ``errors`` what finding out who asks may raise."""
    documented: dict[int | str, dict[str, Any]] = {"default": {"model": ScimError, "description": "Any other error"}}
    raised: tuple[type[VouchError], ...] = (*_ALWAYS, *errors)
    for kind in raised:
        body = error_body(kind())
        content: Json = {MEDIA_TYPE: {"examples": {}}}
        entry = documented.setdefault(
            int(body["status"]), {"model": ScimError, "description": kind.title, "content": content}
        )
        entry["content"][MEDIA_TYPE]["examples"][kind.code] = {"value": body}
    return documented


_READ, _WRITE = _errors(), _errors(Conflict, PayloadTooLarge)
router = APIRouter(
    prefix="/scim/v2/{issuer}", tags=["scim"], route_class=ScimRoute, default_response_class=ScimResponse
)


class _Place:
    """Which issuer's resources, for whom, and where they are."""

    def __init__(self, issuer: Id, caller: DirectoryCaller, services: ServicesDep, request: Request) -> None:
        self.issuer, self.caller, self.services = issuer, caller, services
        self.base = str(request.base_url).rstrip("/") + f"/scim/v2/{issuer}"

    @contextmanager
    def reading(self) -> Iterator[Provisioning]:
        with self.services.catalog.reading(self.caller.tenant) as session:
            yield Provisioning(session, self.caller.tenant, self.issuer, self.caller.actor, self.base)

    @contextmanager
    def writing(self) -> Iterator[Provisioning]:
        with self.services.catalog.transaction(self.caller.tenant) as session:
            yield Provisioning(session, self.caller.tenant, self.issuer, self.caller.actor, self.base)


Place = Annotated[_Place, Depends()]
Filter = Annotated[str | None, Query(max_length=1000, description='`userName eq "alice"`; equalities joined by `and`')]
Start = Annotated[int, Query(alias="startIndex", description="Of the first one, from 1.")]
Count = Annotated[int, Query(description=f"At most so many; no more than {MAX_RESULTS}.")]
Excluded = Annotated[str, Query(alias="excludedAttributes", max_length=1000, description="`members` leaves them out.")]


@router.get("/ServiceProviderConfig", responses=_READ)
def service_provider_configuration(place: Place) -> Resource:
    """What this service can do."""
    return Resource.model_validate(service_provider_config(place.base))


@router.get("/ResourceTypes", responses=_READ)
def list_resource_types(place: Place) -> Listing:
    """Users and groups."""
    return _whole(resource_types(place.base))


@router.get("/Schemas", responses=_READ)
def list_schemas(place: Place) -> Listing:
    """The attributes that are understood."""
    return _whole(schemas(place.base))


@router.get("/Users", responses=_READ)
def list_users(place: Place, filter: Filter = None, start: Start = 1, count: Count = 100) -> Listing:
    """Users that this issuer provisioned, by `userName`, `externalId`, `displayName` or `id`."""
    return _list(place, "User", filter, (start, count), "")


@router.post("/Users", status_code=201, responses=_WRITE)
def create_user(body: ResourceIn, place: Place, response: Response) -> Resource:
    """Create a user. Which principal it is stays for good: by `externalId`, else `userName`, else its id."""
    return _created(place, "User", body, response)


@router.get("/Users/{resource_id}", responses=_READ)
def get_user(resource_id: Id, place: Place) -> Resource:
    """One user."""
    return _get(place, "User", resource_id, "")


@router.put("/Users/{resource_id}", responses=_WRITE)
def replace_user(resource_id: Id, body: ResourceIn, place: Place) -> Resource:
    """Replace a user's attributes. Without `active` it stays as it is."""
    return _replace(place, "User", resource_id, body)


@router.patch("/Users/{resource_id}", responses=_WRITE)
def patch_user(resource_id: Id, body: PatchIn, place: Place) -> Resource:
    """Change a user; `active` false ends all of their access with the next request."""
    with place.writing() as provisioning:
        return Resource.model_validate(provisioning.patch("User", resource_id, body.Operations))


@router.delete("/Users/{resource_id}", status_code=204, responses=_WRITE)
def delete_user(resource_id: Id, place: Place) -> None:
    """Remove a user, their memberships, and the keys bound to them."""
    with place.writing() as provisioning:
        provisioning.delete("User", resource_id)


@router.get("/Groups", responses=_READ)
def list_groups(
    place: Place, filter: Filter = None, start: Start = 1, count: Count = 100, excluded: Excluded = ""
) -> Listing:
    """Groups that this issuer provisioned, by `displayName`, `externalId` or `id`."""
    return _list(place, "Group", filter, (start, count), excluded)


@router.post("/Groups", status_code=201, responses=_WRITE)
def create_group(body: ResourceIn, place: Place, response: Response) -> Resource:
    """Create a group. Its members are named by their SCIM ids: users and groups of the same issuer."""
    return _created(place, "Group", body, response)


@router.get("/Groups/{resource_id}", responses=_READ)
def get_group(resource_id: Id, place: Place, excluded: Excluded = "") -> Resource:
    """One group."""
    return _get(place, "Group", resource_id, excluded)


@router.put("/Groups/{resource_id}", responses=_WRITE)
def replace_group(resource_id: Id, body: ResourceIn, place: Place) -> Resource:
    """Replace a group's name and members."""
    return _replace(place, "Group", resource_id, body)


@router.patch("/Groups/{resource_id}", status_code=204, responses=_WRITE)
def patch_group(resource_id: Id, body: PatchIn, place: Place) -> None:
    """Add, remove or replace members, or rename the group."""
    with place.writing() as provisioning:
        provisioning.patch("Group", resource_id, body.Operations)


@router.delete("/Groups/{resource_id}", status_code=204, responses=_WRITE)
def delete_group(resource_id: Id, place: Place) -> None:
    """Remove a group: what it allowed is allowed no more, what it denied is denied no more."""
    with place.writing() as provisioning:
        provisioning.delete("Group", resource_id)


def _list(place: _Place, kind: Kind, filter: str | None, window: tuple[int, int], excluded: str) -> Listing:
    where = parse_filter(filter) if filter is not None else ()
    start, count = max(1, min(window[0], 2**31)), max(0, min(window[1], MAX_RESULTS))
    with place.reading() as provisioning:
        page = provisioning.search(kind, where, start, count, members=_with_members(excluded))
    return _listing(page)


def _created(place: _Place, kind: Kind, body: ResourceIn, response: Response) -> Resource:
    with place.writing() as provisioning:
        made = provisioning.create(kind, body.model_dump())
    response.headers["Location"] = made["meta"]["location"]
    return Resource.model_validate(made)


def _get(place: _Place, kind: Kind, resource_id: str, excluded: str) -> Resource:
    with place.reading() as provisioning:
        return Resource.model_validate(provisioning.find(kind, resource_id, members=_with_members(excluded)))


def _replace(place: _Place, kind: Kind, resource_id: str, body: ResourceIn) -> Resource:
    with place.writing() as provisioning:
        return Resource.model_validate(provisioning.replace(kind, resource_id, body.model_dump()))


def _with_members(excluded: str) -> bool:
    return "members" not in (name.strip().lower() for name in excluded.split(","))


def _whole(resources: Sequence[Json]) -> Listing:
    return _listing(Page(len(resources), 1, list(resources)))


def _listing(page: Page) -> Listing:
    return Listing(
        totalResults=page.total, startIndex=page.start, itemsPerPage=len(page.resources), Resources=page.resources
    )
