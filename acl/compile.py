"""Gate 1: access compiled for the index. The only maker of ``AccessFilter`` and ``AccessPayload``."""

from __future__ import annotations

from acl.resolve import Access
from vouch.core.types import ANYONE, CLAUSE_SLOTS, AccessFilter, AccessPayload, Acl


def compile_filter(access: Access) -> AccessFilter:
    """What an index search for this asker may see."""
    return AccessFilter(access.tenant, access.principals, access.epoch)


def compile_payload(acl: Acl | None) -> AccessPayload:
    """What a document's points carry. No ACL, and the empty ACL, give a first slot nobody matches.

    Exact for up to :data:`CLAUSE_SLOTS` distinct clauses. Of more, the slots hold the first ones and the
    union of all denies: a superset of who may read, which gate 2 narrows.
    """
    if not acl:
        return AccessPayload(((), *((ANYONE,),) * (CLAUSE_SLOTS - 1)), ())
    allows = list(dict.fromkeys(tuple(sorted(clause.allow)) for clause in acl))[:CLAUSE_SLOTS]
    allows += [(ANYONE,)] * (CLAUSE_SLOTS - len(allows))
    return AccessPayload(tuple(allows), tuple(sorted(frozenset().union(*(clause.deny for clause in acl)))))
