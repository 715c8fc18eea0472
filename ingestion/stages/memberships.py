"""Memberships: a source's own groups, read whole and replaced in one transaction, before any access is read.

A reading that fails, or that tells what is not the source's to tell, leaves all as it was; it then ages
(``acl_max_age``), for neither the groups nor the source's access count as read.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from acl import directory
from acl.groups import own_memberships
from connectors.protocol import Connector
from ingestion.services import Services
from vouch.catalog.ledger import Lease
from vouch.catalog.tables import Source
from vouch.core.errors import LeaseLost, SourceUnreachable, Unavailable

_STILL = sa.text(
    "SELECT 1 FROM source s JOIN job j ON j.tenant_id = s.tenant_id AND j.source_id = s.id"
    " WHERE s.tenant_id = :t AND s.id = :s AND s.issuer = :issuer AND j.id = :j AND j.state IN ('queued', 'running')"
    " FOR SHARE OF s"
)


def read_memberships(services: Services, lease: Lease, source: Source, connector: Connector, began: datetime) -> int:
    """Read the groups and make the directory agree. Returns how many memberships changed.

    Raises what the connector raises, and :class:`~vouch.core.errors.SyncRefused`.
    """
    try:
        told = own_memberships(((m.group, m.member) for m in connector.memberships()), source.issuer)
    except Unavailable as error:
        raise SourceUnreachable(error.detail, **error.extra) from error
    if source.issuer is None:
        return 0
    wanted = {"t": lease.tenant, "s": source.id, "issuer": source.issuer, "j": lease.job_id}
    with services.catalog.transaction(lease.tenant) as session:
        if session.execute(_STILL, wanted).scalar() is None:
            raise LeaseLost()  # cancelled, or the groups are no longer this source's
        return directory.replace_memberships(
            session, lease.tenant, source.issuer, told, at=began, actor=f"source:{source.name}"
        )
