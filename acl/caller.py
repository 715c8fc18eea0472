"""Who makes an HTTP request, and for whom: FastAPI dependencies that every route states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from acl.keys import find_key, touch_key
from vouch.catalog import epoch as epochs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.core import clock
from vouch.core.errors import ActsForNobody, Forbidden, Unauthenticated
from vouch.core.types import principal_name

_bearer = HTTPBearer(auto_error=False, description="An API key: `vouch_…`")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request. ``user`` is set only when it acts for one, and only then may it read content."""

    tenant: str
    key_id: str
    scopes: frozenset[str]
    user: str | None

    @property
    def actor(self) -> str:
        """For logs of who changed what."""
        return self.user or f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller who acts for a user."""

    tenant: str
    user: str
    key_id: str


def authenticate(catalog: Catalog, secret_key: str, bearer: str | None, acts_for: str | None) -> Caller:
    """Decide who is calling. Raises :class:`Unauthenticated`, or :class:`Forbidden` without ``act_as``."""
    if not bearer:
        raise Unauthenticated("Send `Authorization: Bearer <key>`.")
    with catalog.reading(ACROSS_TENANTS) as session:
        key = find_key(session, secret_key, bearer)
    if key.last_used_at is None or (clock.now() - key.last_used_at).total_seconds() > 60:
        with catalog.transaction(key.tenant_id) as session:
            touch_key(session, key)
    user = key.user_id
    if acts_for is not None:
        wanted = principal_name(acts_for, kind="user", field="X-Vouch-As")
        if "act_as" not in key.scopes and wanted != user:
            raise Forbidden("The key may not act for users; it lacks the scope act_as.")
        user = wanted
    return Caller(key.tenant_id, key.id, frozenset(key.scopes), user)


def calling(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    acts_for: Annotated[
        str | None,
        Header(alias="X-Vouch-As", description="Make the request this user's: needs the scope `act_as`."),
    ] = None,
    at_least: Annotated[
        str | None,
        Header(
            alias="X-Vouch-At-Least", description="An `authz_token`: decide on that state of access or a later one."
        ),
    ] = None,
) -> Caller:
    """Dependency: the caller, on a state of access that satisfies ``X-Vouch-At-Least``."""
    state = request.app.state
    for name in ("Authorization", "X-Vouch-As", "X-Vouch-At-Least"):
        if len(request.headers.getlist(name)) > 1:  # a proxy and we might each believe another one
            raise Unauthenticated(f"{name} is given more than once.")
    bearer = credentials.credentials if credentials else None
    caller = authenticate(state.catalog, state.secret_key, bearer, acts_for)
    if at_least is not None:
        with state.catalog.reading(caller.tenant) as session:
            epochs.require(session, caller.tenant, at_least)
    return caller


def scope(name: str) -> Callable[[Caller], Caller]:
    """Dependency factory: the caller's key carries scope ``name``."""

    def having(caller: Annotated[Caller, Depends(calling)]) -> Caller:
        if name not in caller.scopes:
            raise Forbidden(f"The key lacks the scope {name}.")
        return caller

    return having


def asking(caller: Annotated[Caller, Depends(scope("ask"))]) -> Asker:
    """Dependency: the caller acts for a user and may ask and read for them."""
    if caller.user is None:
        raise ActsForNobody("Reading content needs a user: send X-Vouch-As with a key that has the scope act_as.")
    return Asker(caller.tenant, caller.user, caller.key_id)
