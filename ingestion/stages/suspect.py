"""Words of a document that read as if they were meant for a model: where they stand, so that its owner is told.

They decide nothing. The document is taken in, found and ranked as any other; what a model is shown of it is marked when
it is shown (`retrieval/draft.py`), whatever was found here.
"""

from __future__ import annotations

from vouch.core.types import Json
from vouch.gateway import injection

LOOKED_AT = 200_000
"""Characters of a text that are looked at, from its beginning: on a text made to be slow, about two seconds."""
MOST = 50
"""Places that are kept of a version; their number is kept whole."""


def suspected(text: str) -> Json:
    """Facts for a version's ``meta``: ``[ruse, start, end]`` of each place, in order, and no words of the text.
    ``suspected_to`` is there where the text goes on after what was looked at."""
    found = injection.find(text[:LOOKED_AT])
    places = [[one.ruse, one.span.start, one.span.end] for one in found[:MOST]]
    cut = {"suspected_to": LOOKED_AT} if len(text) > LOOKED_AT else {}
    return {"suspected": places, "suspected_in_all": len(found), **cut}
