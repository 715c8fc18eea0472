"""Which root of a Notion source something belongs to: the nearest of those that it lies below, or none of them."""

from __future__ import annotations

from connectors.notion.api import Entry, Notion, Place
from connectors.notion.config import NotionConfig
from vouch.core.errors import NotFound, SourceRefuses

_HIGHEST = 500


class Scope:
    """Made for one scan or fetch; remembers what it has seen of ancestors.

    ``missed``: whether something was not there, or was refused, that may have been there before.
    """

    def __init__(self, notion: Notion, config: NotionConfig) -> None:
        self._notion = notion
        self.roots = {root.id: root for root in config.roots}
        self.missed = False
        self._known: dict[Place, str | None] = {}

    def root(self, id: str) -> Entry:
        """A root itself. Raises :class:`SourceRefuses` where it is not there: that the integration was taken off it
        looks the same as that it is gone, and one of the two must not delete everything."""
        try:
            return self._notion.entry(Place("", id))
        except NotFound as error:
            raise SourceRefuses(f"{self._notion.host} does not show the root {id}.", said=404) from error

    def require_roots(self) -> None:
        """Raises :class:`SourceRefuses` where one of the roots is not there, or may not be read."""
        for id in self.roots:
            self.root(id)

    def remember(self, place: Place, root: str) -> None:
        """That ``place`` belongs to ``root``: it was just met there."""
        self._known[place] = root

    def root_of(self, place: Place) -> str | None:
        """The root that ``place`` is or is below of. None where it cannot be followed to one: its way up leads to
        somewhere else, through the trash, in a circle, or through what may not be read."""
        path: list[Place] = []
        found: str | None = None
        at: Place | None = place
        while at is not None and at.kind and at not in path and len(path) < _HIGHEST:
            if at in self._known:
                found = self._known[at]
                break
            path.append(at)
            if at.id in self.roots and at.kind in ("page", "database"):
                found = None if self.root(at.id).is_gone else at.id
                break
            at = self._above(at)
        self._known.update(dict.fromkeys(path, found))
        return found

    def _above(self, place: Place) -> Place | None:
        try:
            return self._notion.above(place)
        except NotFound:
            self.missed = True
        except SourceRefuses as error:
            if error.said != 403:
                raise
            self.missed = True
        return None
