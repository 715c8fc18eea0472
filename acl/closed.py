"""What a user could once read and cannot now: gone, or closed to them.

Which of the two it is decides nothing here, and neither does whether something is there that they never could read:
who is told only this learns of no document that is hidden from them, and of none that never was one of theirs.
"""

from __future__ import annotations

from acl.recheck import FRESH, WOULD_PERMIT, admits

OPEN = f"(d.state <> 'deleted' AND s.state <> 'deleting' AND ({WOULD_PERMIT}))"
"""``document d`` of ``source s`` is the user's to read, or will be once it is taken in."""

# A source whose access is too old is closed for a while as a whole: nothing is said of its documents meanwhile. History
# has the rules that a document had before it was deleted, and it is today's groups that they are held against.
CLOSED = f"""(
    s.state <> 'deleting' AND {FRESH} AND NOT (d.state <> 'deleted' AND {admits("d")})
    AND EXISTS (
        SELECT 1 FROM document_change h
        WHERE h.tenant_id = d.tenant_id AND h.document_id = d.id AND h.acl_id IS NOT NULL AND {admits("h")}
    )
)"""  # noqa: S608 - constants, no input
"""Rules that it once had would let the user read it; as it is now, they cannot."""
