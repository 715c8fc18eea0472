"""Notion's API as it is asked here: pages, databases and their data sources, blocks.

Every listing is followed to its end or raises; an answer that is not of the documented form is no answer. The version
is pinned: from 2025-09-03 on a database has data sources, and those have the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.notion.config import is_id
from connectors.notion.text import plain
from connectors.rest import Rest
from vouch.core.errors import NotFound, SourceRefuses, Unavailable
from vouch.core.types import Json

VERSION = "2025-09-03"
_MOST_PAGES = 10_000
_MAX_LINK = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is, or what it is: ``kind`` is page, database, data_source, block, or nothing that is known."""

    kind: str
    id: str = ""

    @classmethod
    def of(cls, parent: Any) -> Place:
        """From the parent that an answer names. A row's is its database: of that it says the id as well."""
        said = parent if isinstance(parent, dict) else {}
        kinds = {"page_id": "page", "database_id": "database", "data_source_id": "data_source", "block_id": "block"}
        name = str(said.get("type"))
        if name == "data_source_id" and isinstance(said.get("database_id"), str):
            name = "database_id"
        id = said.get(name)
        return cls(kinds[name], id) if name in kinds and isinstance(id, str) and is_id(id) else cls("")


@dataclass(frozen=True, slots=True)
class Entry:
    """A page or a database. ``properties``: a page's; ``sources``: id and name of each data source of a database."""

    place: Place
    parent: Place
    title: str
    edited: str
    link: str
    is_gone: bool
    properties: Json
    description: Any
    sources: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        return self.place.id

    @property
    def moment(self) -> datetime | None:
        """When it was last edited; to the minute, for Notion cuts off the rest."""
        try:
            found = datetime.fromisoformat(self.edited)
        except ValueError:
            return None
        return found if found.tzinfo is not None else None

    @classmethod
    def of(cls, said: Any, host: str) -> Entry:
        """Raises :class:`Unavailable` for what is neither page nor database."""
        kind = said.get("object") if isinstance(said, dict) else None
        id, edited = (said.get("id"), said.get("last_edited_time")) if isinstance(said, dict) else (None, None)
        if kind not in ("page", "database") or not isinstance(id, str) or not is_id(id) or not isinstance(edited, str):
            raise Unavailable(f"{host} answered with something else than a page or a database.")
        properties = said.get("properties") if kind == "page" else {}
        properties = properties if isinstance(properties, dict) else {}
        titles = [
            one.get("title") for one in properties.values() if isinstance(one, dict) and one.get("type") == "title"
        ]
        return cls(
            place=Place(kind, id),
            parent=Place.of(said.get("parent")),
            title=plain(titles[0] if titles else said.get("title")),
            edited=edited,
            link=_link(said.get("url"), id),
            is_gone=is_gone(said),
            properties=properties,
            description=said.get("description"),
            sources=_sources(said, host) if kind == "database" else (),
        )


class Notion:
    """Asks for one thing at a time. Whatever is asked for by an id that Notion does not have, or that the integration
    may not see, raises :class:`NotFound`: Notion answers the two alike."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @property
    def host(self) -> str:
        return self._rest.base.host

    def entry(self, place: Place) -> Entry:
        """The page or the database; with no kind, whichever of them has the id."""
        if place.kind:
            return self._entry(place)
        try:
            return self._entry(Place("page", place.id))
        except NotFound:
            return self._entry(Place("database", place.id))

    def above(self, place: Place) -> Place | None:
        """What something lies in; None where it is in the trash."""
        if place.kind in ("page", "database"):
            entry = self._entry(place)
            return None if entry.is_gone else entry.parent
        said = self._one("data_sources" if place.kind == "data_source" else "blocks", place.id)
        return None if is_gone(said) else Place.of(said.get("parent"))

    def blocks(self, id: str) -> Iterator[Json]:
        """The blocks right below a page or a block, of the form ``{"id": …, "type": …, …}``."""
        for block in self._listed(lambda at: self._rest.get(f"/v1/blocks/{id}/children", at).data):
            if not isinstance(block.get("id"), str) or not is_id(block["id"]) or not isinstance(block.get("type"), str):
                raise Unavailable(f"{self.host} answered with something else than blocks.")
            yield block

    def rows(self, source: str) -> list[Entry | Place]:
        """The pages of a data source; of a wiki's, also its databases, by their place.

        All of them before any is looked into: what is edited meanwhile would move. One query tells of 10,000 at most,
        so the next one begins where it stopped.
        """
        found: dict[str, Entry | Place] = {}
        since: str | None = None
        while True:
            more, reached = False, since
            for said in self._query(source, since):
                more = more or said is None
                if said is not None:
                    row = self._row(said)
                    found[row.id] = row
                    reached = str(said.get("created_time") or "")
            if not more:
                return list(found.values())
            if not reached or reached == since:
                raise Unavailable(f"{self.host} does not tell of all rows of a data source.")
            since = reached

    # -- how it is asked --

    def _entry(self, place: Place) -> Entry:
        entry = Entry.of(self._one(f"{place.kind}s", place.id), self.host)
        if entry.place != place:
            raise Unavailable(f"{self.host} answered with another {place.kind} than was asked for.")
        return entry

    def _one(self, what: str, id: str) -> Json:
        try:
            said = self._rest.get(f"/v1/{what}/{id}").data
        except SourceRefuses as error:
            if error.said == 400:  # the id is of something else: a database where a page was asked for
                raise NotFound() from error
            raise
        if not isinstance(said, dict):
            raise Unavailable(f"{self.host} answered with something else than an object.")
        return said

    def _query(self, source: str, since: str | None) -> Iterator[Json | None]:
        """The rows in the order in which they were made; None in between says that there are more than are told."""
        asked: Json = {"page_size": 100, "sorts": [{"timestamp": "created_time", "direction": "ascending"}]}
        if since is not None:
            asked["filter"] = {"timestamp": "created_time", "created_time": {"on_or_after": since}}
        cut: list[bool] = []

        def ask(at: Json) -> Any:
            said = self._rest.ask("POST", f"/v1/data_sources/{source}/query", content={**asked, **at}).data
            status = said.get("request_status") if isinstance(said, dict) else None
            cut.append(isinstance(status, dict) and status.get("type") == "incomplete")
            return said

        yield from self._listed(ask)
        if any(cut):
            yield None

    def _row(self, said: Json) -> Entry | Place:
        if said.get("object") != "data_source":
            return Entry.of(said, self.host)
        place = Place.of(said.get("parent"))
        if place.kind != "database":
            raise Unavailable(f"{self.host} answered with a data source of no database.")
        return place

    def _listed(self, ask: Callable[[Json], Any]) -> Iterator[Json]:
        at: Json = {"page_size": 100}
        seen: set[str] = set()
        while True:
            said = ask(at)
            results, more = (said.get("results"), said.get("has_more")) if isinstance(said, dict) else (None, None)
            if not isinstance(results, list) or not isinstance(more, bool):
                raise Unavailable(f"{self.host} answered with something else than a list.")
            for one in results:
                if not isinstance(one, dict):
                    raise Unavailable(f"{self.host} answered with something else than a list of objects.")
                yield one
            if not more:
                return
            token = said.get("next_cursor")
            if not isinstance(token, str) or token in seen or len(seen) >= _MOST_PAGES:
                raise Unavailable(f"The pages of {self.host} do not end.")
            seen.add(token)
            at = {"page_size": 100, "start_cursor": token}


def is_gone(said: Json) -> bool:
    """Whether an answer says of itself that it is in the trash or archived."""
    return any(said.get(name) is True for name in ("in_trash", "archived", "is_archived"))


def _sources(said: Json, host: str) -> tuple[tuple[str, str], ...]:
    listed = said.get("data_sources")
    if not isinstance(listed, list):
        raise Unavailable(f"{host} answered with a database that has no data sources.")
    found = [(one.get("id"), str(one.get("name") or "")) for one in listed if isinstance(one, dict)]
    if len(found) < len(listed) or not all(isinstance(id, str) and is_id(id) for id, _ in found):
        raise Unavailable(f"{host} answered with a data source that has no id.")
    return tuple((str(id), name) for id, name in found)


def _link(url: Any, id: str) -> str:
    fine = isinstance(url, str) and url.startswith("https://") and url.isprintable() and " " not in url
    return str(url) if fine and len(url) <= _MAX_LINK else f"https://www.notion.so/{id.replace('-', '')}"
