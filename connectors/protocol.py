"""What a connector is. The contract (:mod:`connectors.contract`) holds every kind to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel

from vouch.core.types import Body, Change, Json


@dataclass(frozen=True, slots=True)
class Membership:
    """One member of one group, as the source knows it; both are written principals (``group:hr``, ``user:alice``)."""

    group: str
    member: str


class Connector(Protocol):
    """Reads one source. Made by its kind's class from a validated ``Config``.

    The constructor raises :class:`~vouch.core.errors.BadConfig` naming ``config.<field>`` when the
    configuration cannot work. A class with ``goes_out = True`` is given a second argument, the
    :class:`~vouch.outbound.door.Outbound` through which it reaches whatever its configuration names. A field that is a
    secret is a ``SecretStr``: it is kept sealed, and told again when another field changes, but for those that
    ``Config.keeps_secrets_through`` names because they cannot lead the secret elsewhere.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    lists_everything: ClassVar[bool]
    """Whether a completed scan names every live item whatever its cursor, so that what it did not name is gone. One
    from no cursor always does; one from a cursor says :class:`~vouch.core.types.Deleted` where this is False."""

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Changes since ``cursor`` (None: everything), each external id at most once.

        Ends with a Checkpoint when there was anything to tell. Where the rules of access of an item cannot be read,
        its access is :class:`~vouch.core.types.AccessUnknown`, and the scan goes on. Raises
        :class:`~vouch.core.errors.CursorExpired` when what changed since ``cursor`` cannot be told: then everything
        is listed, by a scan from None. Raises at any point when the source fails: a scan that raised is not a
        completed scan.
        """
        ...

    def fetch(self, external_id: str) -> Body:
        """The item's content now. Raises :class:`~vouch.core.errors.NotFound` when it is gone,
        :class:`~vouch.core.errors.DocumentRejected` when it may not be read (``unreadable``, ``too_large``)
        and :class:`~vouch.core.errors.Unavailable` when trying again may help."""
        ...

    def memberships(self) -> Iterator[Membership]:
        """Who is in the source's own groups, all of them; nothing where it has none.

        Its groups are ``group:<issuer>/…`` of the issuer that the field ``issuer`` of its config names; members are
        users and groups of any issuer. One group or member that is anything else has the whole reading refused, so a
        connector leaves out members that can never be a principal. Raises when the source fails: what was told until
        then changes nothing.
        """
        ...
