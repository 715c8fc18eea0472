"""How an index generation is made: all that, were it otherwise, would make other points of the same documents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, slots=True)
class Recipe:
    """Each part names a version of one step; a generation never changes its recipe.

    ``model``: the embedder's name, which holds the digest of its weights. ``chunker``: how a document is cut, after an
    ``@`` by whose tokens, where they are not the packaged model's. ``context``: what of a chunk is embedded.
    ``lexical``: how its words are weighed. ``layout``: how a backend keeps both.
    """

    model: str
    chunker: str
    context: str
    lexical: str
    layout: str

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits: equal for equal recipes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def differs(self, other: Recipe) -> tuple[str, ...]:
        """The names of the parts that are not the other's."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name))
