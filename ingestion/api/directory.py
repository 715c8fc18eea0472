"""`/v1/directory`: users, groups and memberships. Every change begins a new epoch and answers with its token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from acl import directory
from ingestion.api.requests import DirectoryCaller, Id, ServicesDep
from ingestion.schemas import AuthzToken, Input, PrincipalText, Text200, example
from ingestion.services import Services
from vouch.catalog.epoch import token
from vouch.core.errors import Forbidden, InvalidInput, NotFound
from vouch.serving.responses import problems

router = APIRouter(prefix="/directory", tags=["directory"])
_ERRORS = problems(InvalidInput, Forbidden, NotFound)


class UserIn(Input):
    model_config = example({"name": "Alice Okafor", "active": True})

    name: Text200
    active: bool = True


class GroupIn(Input):
    model_config = example({"name": "Engineering", "members": ["user:alice", "group:platform"]})

    name: Text200
    members: Annotated[list[PrincipalText], Field(max_length=10_000)] | None = None


class MembersIn(Input):
    model_config = example({"add": ["user:alice", "group:platform"], "remove": ["user:bob"]})

    add: Annotated[list[PrincipalText], Field(max_length=10_000)] = []
    remove: Annotated[list[PrincipalText], Field(max_length=10_000)] = []


def _answer(services: Services, tenant: str, epoch: int) -> AuthzToken:
    return AuthzToken(authz_token=token(services.catalog.audit_key, tenant, epoch))


@router.put("/users/{user_id:path}", responses=_ERRORS)
def put_user(user_id: str, body: UserIn, caller: DirectoryCaller, services: ServicesDep) -> AuthzToken:
    """Create or replace a user. `active: false` ends their access with the next request."""
    with services.catalog.transaction(caller.tenant) as session:
        epoch = directory.put_user(
            session, caller.tenant, f"user:{user_id}", name=body.name, active=body.active, actor=caller.actor
        )
    return _answer(services, caller.tenant, epoch)


@router.delete("/users/{user_id:path}", responses=_ERRORS)
def delete_user(user_id: Id, caller: DirectoryCaller, services: ServicesDep) -> AuthzToken:
    """Remove a user and their memberships."""
    with services.catalog.transaction(caller.tenant) as session:
        epoch = directory.delete_user(session, caller.tenant, f"user:{user_id}", actor=caller.actor)
    return _answer(services, caller.tenant, epoch)


@router.post("/groups/{group_id:path}/members", responses=_ERRORS)
def change_members(group_id: Id, body: MembersIn, caller: DirectoryCaller, services: ServicesDep) -> AuthzToken:
    """Add and remove members: users or groups, nested to any depth, cycles allowed."""
    with services.catalog.transaction(caller.tenant) as session:
        epoch = directory.change_members(
            session, caller.tenant, f"group:{group_id}", add=body.add, remove=body.remove, actor=caller.actor
        )
    return _answer(services, caller.tenant, epoch)


@router.put("/groups/{group_id:path}", responses=_ERRORS)
def put_group(group_id: str, body: GroupIn, caller: DirectoryCaller, services: ServicesDep) -> AuthzToken:
    """Create or replace a group. Without `members` those it has stay."""
    with services.catalog.transaction(caller.tenant) as session:
        epoch = directory.put_group(
            session, caller.tenant, f"group:{group_id}", name=body.name, members=body.members, actor=caller.actor
        )
    return _answer(services, caller.tenant, epoch)


@router.delete("/groups/{group_id:path}", responses=_ERRORS)
def delete_group(group_id: Id, caller: DirectoryCaller, services: ServicesDep) -> AuthzToken:
    """Remove a group: what it allowed is allowed no more, what it denied is denied no more."""
    with services.catalog.transaction(caller.tenant) as session:
        epoch = directory.delete_group(session, caller.tenant, f"group:{group_id}", actor=caller.actor)
    return _answer(services, caller.tenant, epoch)
