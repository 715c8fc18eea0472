"""Who may read an object, by tags that are pinned to it in its bucket.

    vouch-allow = "group:hr user:okta/00u1"      vouch-deny = "user:mallory"

A tag's value has at most 256 characters, of letters, digits, spaces and ``+-=._:/@``, so principals are separated by
spaces, and ``vouch-allow-2`` to ``-9`` (``vouch-deny-2`` to ``-9``) go on where one is too short. A tag that looks like
one of these and is none closes the object, for it may have been meant to deny.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vouch.core.types import AccessUnknown, RawClause

_KEY = re.compile(r"vouch-(allow|deny)(?:-[2-9])?")


def clause_of(tags: Mapping[str, str]) -> RawClause | AccessUnknown | None:
    """The clause that the tags of an object are; None where they let nobody in."""
    sides: dict[str, list[str]] = {"allow": [], "deny": []}
    for key in sorted(tags):
        match = _KEY.fullmatch(key)
        if match is not None:
            sides[match[1]] += tags[key].split()
        elif key.strip().lower().startswith("vouch"):
            said = f"The tag {key!r} is not known; known are vouch-allow and vouch-deny, and both with -2 to -9"
            return AccessUnknown("tags_broken", said)
    if not sides["allow"]:
        return None
    return RawClause(tuple(sides["allow"]), tuple(sides["deny"]), "object tags")
