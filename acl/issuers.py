"""Which issuers a tenant trusts, and how far: for access tokens (``acl/oidc.py``) and for SCIM (``acl/scim.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from acl.jwks import ALGORITHMS, keys_of, require_url, usable
from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Issuer, ScimResource, Source
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput, NotFound
from vouch.core.types import Json, principal_name

LOCAL = "local"
MAX_LEEWAY_S = 300


@dataclass(frozen=True, slots=True)
class Trust:
    """What is set of an issuer. Without ``url`` and ``audience`` it has no tokens and only provisions by SCIM.

    ``jwks_uri`` and ``jwks`` (the keys themselves) both None: the keys are found by OpenID Connect Discovery.
    """

    url: str | None = None
    audience: str | None = None
    algorithms: tuple[str, ...] = ("RS256",)
    jwks_uri: str | None = None
    jwks: Json | None = None
    user_claim: str = "sub"
    groups_claim: str | None = None
    provision: bool = False
    leeway_s: int = 30
    enabled: bool = True


def put_issuer(session: Session, tenant: str, issuer: str, trust: Trust, *, actor: str) -> int:
    """Create or replace an issuer. Returns the epoch that began.

    Raises :class:`InvalidInput` for a setting that cannot work, :class:`Conflict` where the same ``url`` and
    ``audience`` are configured already (whose token would it be?) or groups would come in by two ways.
    """
    require_issuer_id(issuer)
    _check(trust)
    facts = {name: value for name, value in asdict(trust).items() if name != "jwks"}
    detail = {**facts, "pinned": [key.get("kid") for key in trust.jwks["keys"]] if trust.jwks else None}
    epoch = epochs.bump(session, tenant, kind="issuer", subject=f"issuer:{issuer}", actor=actor, detail=detail)
    if trust.groups_claim is not None and provisions_groups(session, tenant, issuer):
        raise Conflict("The issuer's groups come by SCIM; they cannot come with its tokens too.")
    if trust.groups_claim is not None and told_by_source(session, tenant, issuer):
        raise Conflict("The issuer's groups are read from a source; they cannot come with its tokens too.")
    row = session.get(Issuer, (tenant, issuer)) or Issuer(tenant_id=tenant, id=issuer)
    for name, value in {**facts, "algorithms": list(trust.algorithms), "jwks": trust.jwks}.items():
        setattr(row, name, value)
    row.updated_at = clock.now()
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise Conflict("This url and audience are configured already; choose an audience of your own.") from error
    return epoch


def delete_issuer(session: Session, tenant: str, issuer: str, *, actor: str) -> int:
    """End the trust in an issuer; its users stay, and can no longer sign in. Raises :class:`NotFound`."""
    epoch = epochs.bump(
        session, tenant, kind="issuer", subject=f"issuer:{issuer}", actor=actor, detail={"deleted": True}
    )
    row = session.get(Issuer, (tenant, issuer))
    if row is None:
        raise NotFound()
    session.delete(row)
    session.flush()
    return epoch


def find_issuer(session: Session, tenant: str, issuer: str) -> Issuer:
    """Raises :class:`NotFound`."""
    row = session.get(Issuer, (tenant, issuer))
    if row is None:
        raise NotFound()
    return row


def list_issuers(session: Session, tenant: str) -> Sequence[Issuer]:
    """All of the tenant, by id."""
    return session.exec(select(Issuer).where(col(Issuer.tenant_id) == tenant).order_by(col(Issuer.id))).all()


def require_issuer_id(issuer: str) -> None:
    """``local`` is Vouch's own directory, whose users nobody else may name. Raises :class:`InvalidInput`."""
    try:
        principal_name(f"user:{issuer}/x")
    except InvalidInput:
        raise InvalidInput("an issuer's id has up to 64 of a-z, 0-9, dot and hyphen", field="id") from None
    if issuer == LOCAL:
        raise InvalidInput("`local` is the directory of Vouch itself", field="id")


def provisions_groups(session: Session, tenant: str, issuer: str) -> bool:
    """Whether the issuer's groups come by SCIM."""
    wanted = sa.and_(
        col(ScimResource.tenant_id) == tenant, col(ScimResource.issuer_id) == issuer, col(ScimResource.kind) == "Group"
    )
    return session.exec(select(ScimResource.id).where(wanted).limit(1)).first() is not None


def told_by_source(session: Session, tenant: str, issuer: str) -> bool:
    """Whether a source tells the issuer's groups (``acl/groups.py``)."""
    wanted = sa.and_(col(Source.tenant_id) == tenant, col(Source.issuer) == issuer)
    return session.exec(select(Source.id).where(wanted).limit(1)).first() is not None


def _check(trust: Trust) -> None:
    if not 0 <= trust.leeway_s <= MAX_LEEWAY_S:
        raise InvalidInput(f"0 to {MAX_LEEWAY_S} seconds", field="leeway_s")
    for field, claim in (("user_claim", trust.user_claim), ("groups_claim", trust.groups_claim)):
        if claim is not None and not (0 < len(claim) <= 200 and claim.isprintable()):
            raise InvalidInput("a claim's name has 1 to 200 characters", field=field)
    if trust.url is None or trust.audience is None:
        if (trust.url, trust.audience, trust.jwks_uri, trust.jwks, trust.groups_claim) != (None,) * 5:
            raise InvalidInput("tokens need both `url` and `audience`", field="audience" if trust.url else "url")
        if trust.provision:
            raise InvalidInput("nobody can be provisioned by tokens that there are not", field="provision")
        return
    require_url(trust.url, field="url")
    if "?" in trust.url:
        raise InvalidInput("an issuer's URL has no query", field="url")
    if not 0 < len(trust.audience) <= 500 or not all("!" <= char <= "~" for char in trust.audience):
        raise InvalidInput("an audience has 1 to 500 characters of ASCII", field="audience")
    unknown = sorted(set(trust.algorithms) - set(ALGORITHMS))
    if unknown or not trust.algorithms:
        known = ", ".join(ALGORITHMS)
        raise InvalidInput(f"algorithms are {known}; got {', '.join(unknown) or 'none'}", field="algorithms")
    _check_keys(trust)


def _check_keys(trust: Trust) -> None:
    if trust.jwks_uri is not None and trust.jwks is not None:
        raise InvalidInput("keys are either pinned or fetched", field="jwks_uri")
    if trust.jwks_uri is not None:
        require_url(trust.jwks_uri, of=trust.url, field="jwks_uri")
    if trust.jwks is not None:
        try:
            keys = keys_of(trust.jwks)
        except ValueError as error:
            raise InvalidInput(str(error), field="jwks") from error
        if not any(usable([key], None, algorithm) for key in keys for algorithm in trust.algorithms):
            raise InvalidInput("no key in it fits one of the algorithms", field="jwks")
