"""Where a scan by feeds of changes goes on: where each stood, what is not yet done, which ids are folders.

A feed says of what is gone only its id. What was in a folder is gone with it, so folders have to be known again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vouch.core.types import Json

_DIGITS = 8
MOST_LEFT = 5000
"""Changes not yet done up to which a scan can be gone on with in their middle."""


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    of: str
    feeds: dict[str, str]
    left: list[str] = Field(max_length=MOST_LEFT)
    folders: str


@dataclass
class Cursor:
    """``of``: what was read when it was written; from another configuration there is no going on."""

    of: str
    feeds: dict[str, str]
    left: tuple[str, ...] = ()
    _folders: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, said: Json, of: str) -> Cursor | None:
        """None for what was not written here, or for another configuration."""
        try:
            written = _Written.model_validate(said)
        except ValidationError:
            return None
        folders = {written.folders[n : n + _DIGITS] for n in range(0, len(written.folders), _DIGITS)}
        return cls(of, written.feeds, tuple(written.left), folders) if written.of == of else None

    def written(self, left: list[str]) -> Json:
        return {"of": self.of, "feeds": self.feeds, "left": left, "folders": "".join(sorted(self._folders))}

    def add_folder(self, folder_id: str) -> None:
        self._folders.add(_short(folder_id))

    def add_folders_of(self, other: Cursor) -> None:
        self._folders |= other._folders

    def was_folder(self, id: str) -> bool:
        """May say so of what was none: then more is listed than was needed."""
        return _short(id) in self._folders


def what_is_read(config: BaseModel, besides: frozenset[str]) -> str:
    """A word for all of a configuration that decides what is told of which item; the fields ``besides`` are no part."""
    said: dict[str, Any] = config.model_dump(mode="json", exclude=set(besides))
    return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()[:16]


def _short(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()[:_DIGITS]
