"""What an identity provider tells by SCIM 2.0 (RFC 7643, 7644), written to the directory.

A user is ``user:<issuer>/<externalId>``, a group ``group:<issuer>/<externalId>``; without one the ``userName`` or
``displayName`` stands there if it can name a principal (no e-mail address can), else the SCIM id. It is fixed when the
resource is made. Whether a user is active, and who is in a group, is the directory's to say;
the rest of a resource is kept to be given back as it came.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from acl import directory
from acl.issuers import told_by_source
from acl.scim_messages import GROUP, USER, Equal, apply_patch, boolean, canonical
from vouch.catalog.tables import Group, Issuer, ScimResource, User
from vouch.core import clock
from vouch.core.errors import Conflict, InvalidInput, NotFound, PayloadTooLarge
from vouch.core.ids import new_id
from vouch.core.types import Json, principal_name

Kind = Literal["User", "Group"]
MAX_ATTRIBUTES = 32 * 1024
MAX_MEMBERS = 50_000
PRINCIPAL = "urn:vouch:scim:principal"
"""The schema of one read-only attribute that is ours: by which name access lists know the resource."""
_SCHEMAS = {"User": USER, "Group": GROUP}
_OURS = frozenset({"id", "meta", "schemas", "groups", "password", "active", "externalId", "members", PRINCIPAL})
_MEMBERS = sa.text(
    """
    SELECT r.id, r.kind, r.principal, r.attributes FROM membership m
    JOIN scim_resource r ON r.tenant_id = m.tenant_id AND r.principal = m.member AND r.issuer_id = :i
    WHERE m.tenant_id = :t AND m.group_id = :g ORDER BY r.id
    """
)


@dataclass(frozen=True, slots=True)
class Page:
    """``start`` counts from 1."""

    total: int
    start: int
    resources: list[Json]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A resource as it is to be. ``members`` are SCIM ids."""

    name: str
    title: str
    external_id: str | None
    active: bool
    attributes: Json
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Provisioning:
    """One issuer's users and groups, in one transaction. ``base`` is the URL below which its resources are."""

    session: Session
    tenant: str
    issuer: str
    actor: str
    base: str

    def find(self, kind: Kind, resource_id: str, *, members: bool = True) -> Json:
        """Raises :class:`NotFound`."""
        return self._shown(self._row(kind, resource_id), members)

    def search(self, kind: Kind, where: Sequence[Equal], start: int, count: int, *, members: bool) -> Page:
        """Resources in the order they were made. Raises :class:`InvalidInput` for an attribute without a filter."""
        self._require_issuer()
        mine = sa.and_(
            col(ScimResource.tenant_id) == self.tenant,
            col(ScimResource.issuer_id) == self.issuer,
            col(ScimResource.kind) == kind,
            *(_condition(kind, term) for term in where),
        )
        total = self.session.execute(sa.select(sa.func.count()).select_from(ScimResource).where(mine)).scalar_one()
        rows = self.session.exec(
            select(ScimResource).where(mine).order_by(col(ScimResource.id)).offset(start - 1).limit(count)
        ).all()
        return Page(total, start, [self._shown(row, members) for row in rows])

    def create(self, kind: Kind, body: Json) -> Json:
        """Raises :class:`Conflict` where the name or the principal is taken, :class:`InvalidInput`."""
        self._begin(kind)
        wanted, made = _read(kind, body), new_id()
        row = ScimResource(
            tenant_id=self.tenant,
            id=made,
            issuer_id=self.issuer,
            kind=kind,
            principal=self._principal(kind, wanted, made),
            user_name=wanted.name.lower(),
            created_at=clock.now(),
        )
        if self._taken(col(ScimResource.principal) == row.principal):
            raise Conflict(f"{row.principal} is another resource already.")
        self._write(row, wanted)
        return self._shown(row, members=True)

    def replace(self, kind: Kind, resource_id: str, body: Json) -> Json:
        """Everything as ``body`` says, but that who is not active stays so unless it says otherwise.

        Raises :class:`NotFound`, :class:`Conflict`, :class:`InvalidInput`.
        """
        self._begin(kind)
        row = self._row(kind, resource_id)
        present = {"active": self._is_active(row.principal)} if kind == "User" else {}
        self._write(row, _read(kind, {**present, **canonical(body)}))
        return self._shown(row, members=True)

    def patch(self, kind: Kind, resource_id: str, operations: Sequence[Any]) -> Json:
        """Raises :class:`NotFound`, :class:`Conflict`, :class:`InvalidInput`."""
        self._begin(kind)
        row = self._row(kind, resource_id)
        resource = copy.deepcopy(self._shown(row, members=True))
        apply_patch(resource, operations)
        self._write(row, _read(kind, resource))
        return self._shown(row, members=False)

    def delete(self, kind: Kind, resource_id: str) -> None:
        """Remove a resource, and its user or group with every membership. Raises :class:`NotFound`."""
        self._begin(kind)
        row = self._row(kind, resource_id)
        there = self.session.get(User if kind == "User" else Group, (self.tenant, row.principal))
        if there is not None:
            remove = directory.delete_user if kind == "User" else directory.delete_group
            remove(self.session, self.tenant, row.principal, actor=self.actor)
        self.session.delete(row)
        self.session.flush()

    # --- inside --------------------------------------------------------------------------------

    def _begin(self, kind: Kind) -> None:
        directory.serially(self.session, self.tenant)
        if self._require_issuer().groups_claim is not None and kind == "Group":
            raise Conflict("This issuer's groups come with its tokens; they cannot come by SCIM too.")
        if kind == "Group" and told_by_source(self.session, self.tenant, self.issuer):
            raise Conflict("This issuer's groups are read from a source; they cannot come by SCIM too.")

    def _require_issuer(self) -> Issuer:
        issuer = self.session.get(Issuer, (self.tenant, self.issuer))
        if issuer is None or not issuer.enabled:
            raise NotFound()
        return issuer

    def _row(self, kind: Kind, resource_id: str) -> ScimResource:
        self._require_issuer()
        row = self.session.get(ScimResource, (self.tenant, resource_id))
        if row is None or (row.issuer_id, row.kind) != (self.issuer, kind):
            raise NotFound()
        return row

    def _principal(self, kind: Kind, wanted: _Wanted, made: str) -> str:
        prefix = f"{kind.lower()}:{self.issuer}/"
        try:
            return principal_name(prefix + (wanted.external_id or wanted.name))
        except InvalidInput as error:
            if wanted.external_id is None:  # an e-mail address, or a name with a space: no principal is called so
                return prefix + made
            raise InvalidInput(f"externalId: {error.detail}", scim_type="invalidValue") from None

    def _taken(self, condition: sa.ColumnElement[bool]) -> bool:
        found = select(ScimResource.id).where(col(ScimResource.tenant_id) == self.tenant, condition).limit(1)
        return self.session.exec(found).first() is not None

    def _write(self, row: ScimResource, wanted: _Wanted) -> None:
        same_name = sa.and_(
            col(ScimResource.issuer_id) == self.issuer,
            col(ScimResource.kind) == row.kind,
            col(ScimResource.user_name) == wanted.name.lower(),
            col(ScimResource.id) != row.id,
        )
        if self._taken(same_name):
            raise Conflict(f"{wanted.name!r} is another resource already.")
        row.user_name, row.external_id = wanted.name.lower(), wanted.external_id
        row.attributes, row.updated_at = wanted.attributes, clock.now()
        self.session.add(row)
        self.session.flush()
        if row.kind == "User":
            self._write_user(row.principal, wanted)
        else:
            self._write_group(row.principal, wanted)

    def _write_user(self, principal: str, wanted: _Wanted) -> None:
        there = self.session.get(User, (self.tenant, principal), populate_existing=True)
        if there is None or (there.name, there.active) != (wanted.title, wanted.active):
            directory.put_user(
                self.session, self.tenant, principal, name=wanted.title, active=wanted.active, actor=self.actor
            )

    def _write_group(self, principal: str, wanted: _Wanted) -> None:
        there = self.session.get(Group, (self.tenant, principal), populate_existing=True)
        if there is None or there.name != wanted.title:
            directory.put_group(self.session, self.tenant, principal, name=wanted.title, actor=self.actor)
        before = {member.id: member.principal for member in self._members(principal)}
        joined = self._principals(wanted.members - before.keys())
        left = [before[gone] for gone in before.keys() - wanted.members]
        if joined or left:
            directory.change_members(self.session, self.tenant, principal, add=joined, remove=left, actor=self.actor)

    def _principals(self, ids: Collection[str]) -> list[str]:
        mine = sa.and_(col(ScimResource.tenant_id) == self.tenant, col(ScimResource.issuer_id) == self.issuer)
        chosen = select(ScimResource.id, ScimResource.principal).where(mine, col(ScimResource.id).in_(ids))
        found = dict(self.session.exec(chosen).all()) if ids else {}
        unknown = sorted(set(ids) - found.keys())
        if unknown:
            raise InvalidInput(f"there is no member {unknown[0]!r}", scim_type="invalidValue")
        return list(found.values())

    def _is_active(self, principal: str) -> bool:
        user = self.session.get(User, (self.tenant, principal), populate_existing=True)
        return user is not None and user.active

    def _members(self, principal: str) -> Sequence[sa.Row[Any]]:
        return self.session.execute(_MEMBERS, {"t": self.tenant, "i": self.issuer, "g": principal}).all()

    def _shown(self, row: ScimResource, members: bool) -> Json:
        place = f"{self.base}/{row.kind}s/{row.id}"
        shown: Json = {
            "schemas": [_SCHEMAS[row.kind], *sorted(name for name in row.attributes if ":" in name), PRINCIPAL],
            "id": row.id,
            **({"externalId": row.external_id} if row.external_id is not None else {}),
            **row.attributes,
            PRINCIPAL: {"value": row.principal},
            "meta": {
                "resourceType": row.kind,
                "created": clock.rfc3339(row.created_at),
                "lastModified": clock.rfc3339(row.updated_at),
                "location": place,
            },
        }
        if row.kind == "User":
            return {**shown, "active": self._is_active(row.principal)}
        return (
            {**shown, "members": [self._member(member) for member in self._members(row.principal)]}
            if members
            else shown
        )

    def _member(self, member: sa.Row[Any]) -> Json:
        name = member.attributes.get("displayName") or member.attributes.get("userName")
        return {
            "value": member.id,
            "display": name,
            "type": member.kind,
            "$ref": f"{self.base}/{member.kind}s/{member.id}",
        }


def _condition(kind: Kind, term: Equal) -> sa.ColumnElement[bool]:
    name = "username" if kind == "User" else "displayname"
    if term.attribute == name:
        return col(ScimResource.user_name) == term.value.lower()
    if term.attribute == "displayname":
        return sa.func.lower(col(ScimResource.attributes)["displayName"].astext) == term.value.lower()
    if term.attribute == "externalid":
        return col(ScimResource.external_id) == term.value
    if term.attribute == "id":
        return col(ScimResource.id) == term.value
    raise InvalidInput(f"{term.attribute} cannot be filtered by", scim_type="invalidFilter")


def _read(kind: Kind, body: Json) -> _Wanted:
    """Check a whole resource. Raises :class:`InvalidInput`, :class:`PayloadTooLarge`."""
    given = canonical(body)
    attributes = {name: value for name, value in given.items() if name not in _OURS}
    _require_storable(attributes)
    name = _text(given, "userName" if kind == "User" else "displayName", needed=True)
    external_id = _text(given, "externalId", needed=False)
    assert name is not None
    title = name if kind == "Group" else _title(given) or name
    active = boolean(given.get("active", True), "active")
    members = _member_ids(given.get("members") or []) if kind == "Group" else frozenset()
    return _Wanted(name, title, external_id, active, attributes, members)


def _require_storable(attributes: Json) -> None:
    try:
        text = json.dumps(attributes, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput("holds what cannot be kept", scim_type="invalidValue") from error
    if "\\u0000" in text:
        raise InvalidInput("holds the character NUL, which cannot be kept", scim_type="invalidValue")
    if size > MAX_ATTRIBUTES:
        raise PayloadTooLarge(f"A resource has at most {MAX_ATTRIBUTES} bytes besides its members.")


def _text(given: Json, field: str, *, needed: bool) -> str | None:
    value = given.get(field)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > directory.MAX_NAME or not value.isprintable():
        raise InvalidInput(f"{field} is a text of 1 to {directory.MAX_NAME} characters", scim_type="invalidValue")
    return value.strip()


def _title(given: Json) -> str | None:
    """What people call the user: ``displayName``, else the parts of ``name``."""
    name = given.get("name")
    parts = name if isinstance(name, dict) else {}
    whole = " ".join(str(parts[part]) for part in ("givenName", "familyName") if parts.get(part))
    for title in (given.get("displayName"), parts.get("formatted"), whole):
        if isinstance(title, str) and title.strip() and title.isprintable():
            return title.strip()[: directory.MAX_NAME]
    return None


def _member_ids(members: Any) -> frozenset[str]:
    items = members if isinstance(members, list) else [members]
    ids = [item.get("value") if isinstance(item, dict) else None for item in items]
    if len(ids) > MAX_MEMBERS or not all(isinstance(one, str) and one.isprintable() for one in ids):
        raise InvalidInput(
            f"members are up to {MAX_MEMBERS} objects, each with the `value` of one", scim_type="invalidValue"
        )
    return frozenset(str(one) for one in ids)
