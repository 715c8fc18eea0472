"""Who makes an HTTP request, and for whom: FastAPI dependencies that every route states."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session

from acl.keys import TOUCH_EVERY_S, find_key, is_live, touch_key
from acl.oidc import looks_like_token, sign_in
from acl.who import OIDC
from acl.who import Asker as Asker
from acl.who import Caller as Caller
from vouch.catalog import epoch as epochs
from vouch.catalog.database import Catalog
from vouch.catalog.tables import ApiKey, Issuer, User
from vouch.core import clock
from vouch.core.errors import ActsForNobody, Forbidden, InvalidInput, Unauthenticated
from vouch.core.types import principal_name

_bearer = HTTPBearer(auto_error=False, description="An API key, `vouch_…`, or an access token of a configured issuer")

TOKEN_SCOPES = frozenset({"ask"})
"""What a token may do: ask and read, for its own user."""


def authenticate(catalog: Catalog, secret_key: str, bearer: str | None, acts_for: str | None) -> Caller:
    """Decide who is calling: by an API key or an issuer's access token, and for whom.

    Raises :class:`Unauthenticated`, with one text, for a credential that is missing, malformed, unknown, expired or
    revoked, for an ``acts_for`` that names no single user, and for a user who is unknown or not active;
    :class:`Forbidden` for acting for another user without the scope ``act_as``; and what :func:`acl.oidc.sign_in` does.
    """
    wanted = _named(acts_for)
    presented = bearer or ""
    if looks_like_token(presented):
        signed_in = sign_in(catalog, presented)
        caller = Caller(
            signed_in.tenant, f"{OIDC}{signed_in.issuer}", TOKEN_SCOPES, signed_in.user, signed_in.expires_at
        )
        return _for_user(caller, wanted)
    key = find_key(catalog, secret_key, presented, wanted)
    caller = _for_user(Caller(key.tenant, key.id, key.scopes, key.user, key.expires_at), wanted)
    _require_active(_involved(caller, key.user), key.active)
    if key.last_used_at is None or (clock.now() - key.last_used_at).total_seconds() > TOUCH_EVERY_S:
        with catalog.transaction(key.tenant) as session:
            touch_key(session, key)
    return caller


def require_standing(session: Session, caller: Caller | Asker) -> None:
    """What let the caller in, looked at again in the session's snapshot: for what stays open after it was.

    Raises :class:`Unauthenticated` when the key is revoked, the issuer no longer trusted, either past its time, or the
    user no longer active.
    """
    if caller.expires_at is not None and caller.expires_at <= clock.now():
        raise Unauthenticated()
    bound = None
    if caller.key_id.startswith(OIDC):
        issuer = session.get(Issuer, (caller.tenant, caller.key_id.removeprefix(OIDC)))
        stands = issuer is not None and issuer.enabled
    else:
        key = session.get(ApiKey, (caller.tenant, caller.key_id))
        stands = key is not None and is_live(key)
        bound = key.user_id if key is not None else None
    if not stands:
        raise Unauthenticated()
    named = _involved(caller, bound)
    users = (session.get(User, (caller.tenant, user)) for user in named)
    _require_active(named, [user.id for user in users if user is not None and user.active])


def standing_of(session: Session, tenant: str, callers: Collection[Caller | Asker]) -> list[object]:
    """All that :func:`require_standing` looks at for these callers, in three queries: in this session, and as long as
    the rows are held, it asks nothing more. Where access changes, hundreds of streams are decided about at once."""
    named = {caller.key_id for caller in callers}
    issuers = {one.removeprefix(OIDC) for one in named if one.startswith(OIDC)}
    keys = session.scalars(sa.select(ApiKey).where(_in(ApiKey, tenant, named))).all()
    users = {user for one in keys for user in (one.user_id,) if user is not None}
    users |= {caller.user for caller in callers if caller.user is not None}
    trusted = session.scalars(sa.select(Issuer).where(_in(Issuer, tenant, issuers))).all()
    return [*keys, *trusted, *session.scalars(sa.select(User).where(_in(User, tenant, users))).all()]


def _in(table: type[ApiKey | Issuer | User], tenant: str, ids: Collection[str]) -> sa.ColumnElement[bool]:
    columns = sa.inspect(table).columns
    return sa.and_(columns.tenant_id == tenant, columns.id.in_(sorted(ids)))


def _named(acts_for: str | None) -> str | None:
    try:
        return None if acts_for is None else principal_name(acts_for, kind="user", field="X-Vouch-As")
    except InvalidInput:
        raise Unauthenticated() from None


def _for_user(caller: Caller, wanted: str | None) -> Caller:
    if wanted in (None, caller.user):
        return caller
    if "act_as" not in caller.scopes:
        raise Forbidden("The credential may not act for other users; it lacks the scope act_as.")
    return replace(caller, user=wanted)


def _involved(caller: Caller | Asker, bound: str | None) -> frozenset[str]:
    """Whom the request acts for, and whose the key is: with a user every credential of theirs ends."""
    return frozenset(user for user in (caller.user, bound) if user is not None)


def _require_active(named: Collection[str], active: Collection[str]) -> None:
    if not frozenset(named) <= frozenset(active):
        raise Unauthenticated()


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
            raise Unauthenticated()
    bearer = credentials.credentials if credentials else None
    caller = authenticate(state.catalog, state.secret_key, bearer, acts_for)
    if at_least is not None:
        with state.catalog.reading(caller.tenant) as session:
            epochs.require(session, caller.tenant, at_least)
    return caller


def scope(name: str) -> Callable[[Caller], Awaitable[Caller]]:
    """Dependency factory: the caller's key carries scope ``name``. Async, as what decides without waiting needs no
    thread."""

    async def having(caller: Annotated[Caller, Depends(calling)]) -> Caller:
        require_scope(caller, name)
        return caller

    return having


def require_scope(caller: Caller, name: str) -> None:
    """Raises :class:`Forbidden`: for what a request needs besides its route's scope."""
    if name not in caller.scopes:
        raise Forbidden(f"The key lacks the scope {name}.")


async def asking(caller: Annotated[Caller, Depends(scope("ask"))]) -> Asker:
    """Dependency: the caller acts for a user and may ask and read for them."""
    return asker_of(caller)


def asker_of(caller: Caller) -> Asker:
    """The user that the caller acts for. Raises :class:`ActsForNobody`, and :class:`Forbidden` without the scope."""
    require_scope(caller, "ask")
    if caller.user is None:
        raise ActsForNobody("Reading content needs a user: send X-Vouch-As with a key that has the scope act_as.")
    return Asker(caller.tenant, caller.user, caller.key_id, caller.expires_at)
