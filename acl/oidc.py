"""Access tokens of configured issuers: OpenID Connect's JWTs, as RFC 9068 has them, verified and mapped to a user.

Nothing in a token is believed before its signature is: ``iss`` and ``aud`` only choose the configuration that all of
it is then held to, and the header only which of the issuer's own keys is tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from sqlmodel import col, select

from acl import directory
from acl.jwks import ALGORITHMS, KeySets
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Issuer
from vouch.core import clock
from vouch.core.errors import AccessIncomplete, InvalidInput, Unauthenticated
from vouch.core.types import Json, principal_name

MAX_TOKEN = 16 * 1024
"""Characters."""
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_NAME = re.compile(r"[!-~]{1,2000}")
_LAST = 253_402_300_799  # the end of the year 9999
_ONLY_IN_OTHERS = ("at_hash", "c_hash", "cnf", "events")
"""Claims of ID tokens, of tokens bound to a key that its sender has to prove, of security events and logouts."""
_REFRESH = timedelta(minutes=1)

KEY_SETS = KeySets()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who a token proved to be. ``expires_at`` has the issuer's leeway in it."""

    tenant: str
    issuer: str
    user: str
    expires_at: datetime


def looks_like_token(presented: str) -> bool:
    """A JWS in its compact form has three parts (RFC 7515)."""
    return presented.count(".") == 2


def sign_in(catalog: Catalog, token: str) -> SignedIn:
    """Who presents ``token``: an active user, provisioned where the issuer may, with the groups it tells.

    Raises :class:`Unauthenticated` alike for every reason, :class:`Unavailable` where the issuer's keys cannot be
    read, :class:`AccessIncomplete` where the token does not tell all groups though it should.
    """
    issuer = _configured(catalog, token)
    claims = verify(issuer, token, KEY_SETS)
    user = _user(issuer, claims)
    _admit(catalog, issuer, user, claims)
    ends = datetime.fromtimestamp(int(claims["exp"]), UTC) + timedelta(seconds=issuer.leeway_s)
    return SignedIn(issuer.tenant_id, issuer.id, user, ends)


def verify(issuer: Issuer, token: str, keys: KeySets) -> Json:
    """The claims of ``token``, all of them checked against ``issuer``. Raises as :func:`sign_in`."""
    try:
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in issuer.algorithms or algorithm not in ALGORITHMS or "crit" in header:
            raise Unauthenticated()
        if str(header.get("typ", "JWT")).lower() not in _TYPES or (kid is not None and not isinstance(kid, str)):
            raise Unauthenticated()
        claims: Json = jwt.decode(
            token,
            keys.find(issuer, kid, algorithm),
            algorithms=[algorithm],
            audience=issuer.audience,
            issuer=issuer.url,
            leeway=issuer.leeway_s,
            options={"require": ["exp", "iat", "iss", "aud"], "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise Unauthenticated() from None
    moments = [claims[name] for name in ("exp", "iat", "nbf") if name in claims]
    if not all(type(moment) in (int, float) and 0 < moment < _LAST for moment in moments):
        raise Unauthenticated()
    if any(name in claims for name in _ONLY_IN_OTHERS) or claims.get("typ", "Bearer") != "Bearer":
        raise Unauthenticated()
    return claims


def _configured(catalog: Catalog, token: str) -> Issuer:
    """The one configuration that the token says it is for. Nothing of this is verified yet."""
    try:
        if len(token) > MAX_TOKEN:
            raise Unauthenticated()
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise Unauthenticated() from None
    url, audience = claims.get("iss"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in (url, *audiences)) or len(audiences) > 20:
        raise Unauthenticated()
    chosen = select(Issuer).where(col(Issuer.url) == url, col(Issuer.audience).in_(audiences), col(Issuer.enabled))
    with catalog.reading(ACROSS_TENANTS) as session:
        found = session.exec(chosen).all()
    if len(found) != 1:  # a token for two of ours leaves open whose it is
        raise Unauthenticated()
    return found[0]


def _user(issuer: Issuer, claims: Json) -> str:
    name = claims.get(issuer.user_claim)
    try:
        if not isinstance(name, str):
            raise Unauthenticated()
        return principal_name(f"user:{issuer.id}/{name}", kind="user")
    except InvalidInput:
        raise Unauthenticated() from None


def _groups(issuer: Issuer, claims: Json) -> frozenset[str] | None:
    """The groups that the token tells, None where it is not asked to.

    A group whose name cannot be written as a principal is left out: no access list can name it either, so it neither
    allows nor denies. Groups left out by the *issuer* might, so a token that does not tell all is incomplete.
    """
    if issuer.groups_claim is None:
        return None
    told = claims.get(issuer.groups_claim)
    elsewhere = issuer.groups_claim in (claims.get("_claim_names") or ()) or bool(claims.get("hasgroups"))
    if elsewhere or not isinstance(told, list) or not all(isinstance(g, str) for g in told):
        raise AccessIncomplete("The token does not tell all groups of its user.")
    return frozenset(filter(None, (_group(issuer.id, name) for name in told)))


def _group(issuer: str, name: str) -> str | None:
    try:
        return principal_name(f"group:{issuer}/{name}", kind="group")
    except InvalidInput:
        return None


def _admit(catalog: Catalog, issuer: Issuer, user: str, claims: Json) -> None:
    """Let in an active user, and keep the directory to what the token tells if it is the newest to tell."""
    tenant, groups = issuer.tenant_id, _groups(issuer, claims)
    at = min(datetime.fromtimestamp(int(claims["iat"]), UTC), clock.now())
    with catalog.reading(tenant) as session:
        known = directory.known_user(session, tenant, user, issuer.id)
    if known is None and issuer.provision:
        with catalog.transaction(tenant) as session:
            directory.provision_user(session, tenant, user, name=_name(claims, user), actor=f"issuer:{issuer.id}")
            known = directory.known_user(session, tenant, user, issuer.id)
            if known is not None and groups is not None:
                directory.replace_groups(session, tenant, user, groups, issuer=issuer.id, at=at)
                known = directory.known_user(session, tenant, user, issuer.id)
    if known is None or not known.active:
        raise Unauthenticated()
    before = known.memberships_read_at
    if groups is None or (before is not None and at <= before):
        return
    if groups != known.groups or before is None or at - before >= _REFRESH:
        with catalog.transaction(tenant) as session:
            directory.replace_groups(session, tenant, user, groups, issuer=issuer.id, at=at)


def _name(claims: Json, user: str) -> str:
    name = claims.get("name")
    if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= directory.MAX_NAME:
        return name
    return user.partition("/")[2]
