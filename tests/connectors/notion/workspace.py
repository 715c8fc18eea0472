"""A Notion workspace on loopback, as the documentation of version 2025-09-03 describes it: pages, databases with their
data sources, blocks, and answers in pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json, paged
from tests.connectors.seen import Seen
from tests.outbound.serving import Reply
from vouch.core.types import Upsert

AT = "2024-03-01T09:00:00.000Z"
LATER = "2024-03-02T10:30:00.000Z"
STAFF = [{"allow": ["group:staff"]}]
TOKEN = "an integration's token"


def uid(name: str) -> str:
    """The id of whatever has this name here."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def text(said: str, **annotations: Any) -> list[dict[str, Any]]:
    """Rich text of one piece."""
    href = annotations.pop("href", None)
    return [{"type": "text", "plain_text": said, "href": href, "annotations": annotations}]


def mention(kind: str, title: str) -> list[dict[str, Any]]:
    return [{"type": "mention", "mention": {"type": kind, kind: {"id": uid(title)}}, "plain_text": title, "href": None}]


class Titled(Seen):
    """What a scan told, by the names that things have here."""

    @property
    def documents(self) -> dict[str, Upsert]:
        return {one.title: one for one in self.changes if isinstance(one, Upsert)}


@dataclass
class Workspace:
    """``objects``: pages, databases, data sources and blocks by id. ``below``: ids of blocks by what they are in.

    ``hidden``: what the integration was not given. ``page``: how many a page of a listing has. ``most``: how many one
    query tells of.
    """

    api: Api = field(default_factory=lambda: Api(authorization=f"Bearer {TOKEN}"))
    page_size: int = 2
    most: int = 10_000
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    # -- what a test does to it --

    def page(self, name: str, parent: str | None = None, *blocks: str, edited: str = AT, **properties: Any) -> str:
        """A page with a paragraph for each of ``blocks``, in a page, a block or (by its id) nothing that is here."""
        title = properties.pop("title", text(name))
        place = {"type": "workspace", "workspace": True} if parent is None else self._place(uid(parent))
        self._add("page", name, place, edited, properties={"title": {"id": "title", "type": "title", "title": title}})
        self.objects[uid(name)]["properties"] |= properties
        if parent is not None:
            self._child(name, parent, "child_page")
        for one in blocks:
            self.block(name, "paragraph", rich_text=text(one))
        return uid(name)

    def database(self, name: str, parent: str | None = None, sources: tuple[str, ...] = (), **more: Any) -> str:
        place = {"type": "workspace", "workspace": True} if parent is None else self._place(uid(parent))
        sources = sources or (f"{name} rows",)
        told = [{"id": uid(one), "name": one} for one in sources]
        self._add("database", name, place, AT, title=text(name), data_sources=told, **{"description": [], **more})
        for one in sources:
            self._add("data_source", one, {"type": "database_id", "database_id": uid(name)}, AT)
            self.rows[uid(one)] = []
        if parent is not None:
            self._child(name, parent, "child_database")
        return uid(name)

    def row(self, name: str, source: str, *blocks: str, edited: str = AT, **properties: Any) -> str:
        self.page(name, None, *blocks, edited=edited, **properties)
        database = self.objects[uid(source)]["parent"]["database_id"]
        parent = {"type": "data_source_id", "data_source_id": uid(source), "database_id": database}
        self.objects[uid(name)]["parent"] = parent
        self.rows[uid(source)].append(uid(name))
        return uid(name)

    def block(self, parent: str, kind: str, name: str = "", /, **said: Any) -> str:
        """A block at the end of a page or a block; its name, made up where none is given."""
        name = name or f"block {len(self.objects)}"
        self._add("block", name, self._place(uid(parent)), AT, type=kind, has_children=False, **{kind: said})
        self._put(uid(name), uid(parent))
        return name

    def edit(self, name: str, *blocks: str, edited: str = LATER) -> None:
        """Replace a page's paragraphs; child pages stay."""
        kept = [one for one in self.below.get(uid(name), []) if self.objects[one]["type"].startswith("child_")]
        self.below[uid(name)] = kept
        for one in blocks:
            self.block(name, "paragraph", rich_text=text(one))
        self.objects[uid(name)]["last_edited_time"] = edited

    def move(self, name: str, parent: str, edited: str = LATER) -> None:
        """Both pages count as edited."""
        self.drop(name, edited)
        self.objects[uid(name)]["parent"] = self._place(uid(parent))
        self._child(name, parent, "child_page")
        self.objects[uid(parent)]["last_edited_time"] = edited

    def drop(self, name: str, edited: str = LATER) -> None:
        """Take a page off the blocks of what it was in."""
        for parent, ids in self.below.items():
            if f"child {uid(name)}" in ids:
                ids.remove(f"child {uid(name)}")
                self.objects[parent]["last_edited_time"] = edited

    def trash(self, name: str) -> None:
        self.drop(name)
        self.objects[uid(name)] |= {"in_trash": True, "archived": True}

    # -- how it is asked --

    def config(self, *roots: str, **more: Any) -> dict[str, Any]:
        named = [{"id": uid(root), "access": STAFF} for root in roots]
        return {"token": TOKEN, "roots": named, "api": self.api.url, "delay_s": 0, **more}

    def connector(self, *roots: str, **more: Any) -> Connector:
        return make_connector("notion", self.config(*roots, **more), LOOPBACK)

    def scan(self, *roots: str, cursor: Any = None, **more: Any) -> Titled:
        return Titled(list(self.connector(*roots, **more).scan(cursor)))

    def body(self, name: str, *roots: str, kind: str = "", **more: Any) -> str:
        return self.connector(*roots, **more).fetch(f"{kind}{uid(name)}").data.decode()

    def asked(self, pattern: str) -> int:
        return len(self.api.asked_for(pattern))

    # -- what it answers --

    def one(self, kind: str, request: Request) -> Any:
        found = self.objects.get(request.match[1])
        if found is None or found["id"] in self.hidden or request.headers.get("notion-version") != "2025-09-03":
            return error(404, "object_not_found")
        if found["object"] != kind and kind != "block":
            return error(400, "validation_error")
        return found

    def children(self, request: Request) -> Any:
        id = request.match[1]
        if id not in self.objects or id in self.hidden:
            return error(404, "object_not_found")
        if self.objects[id].get("type") == "unsupported":
            return error(400, "validation_error")
        return self._listed([self._block(one) for one in self.below.get(id, [])], request.query)

    def query(self, request: Request) -> Any:
        asked, id = request.json, request.match[1]
        if id not in self.rows or id in self.hidden:
            return error(404, "object_not_found")
        since = asked.get("filter", {}).get("created_time", {}).get("on_or_after", "")
        found = [self.objects[one] for one in self.rows[id]]
        found = [one for one in found if one.get("created_time", AT) >= since and not one["in_trash"]]
        found.sort(key=lambda one: str(one.get("created_time", AT)))
        said = self._listed(found[: self.most], asked)
        cut = len(found) > self.most
        reason = {"type": "incomplete", "incomplete_reason": "query_result_limit_reached"}
        return {**said, "request_status": reason if cut else {"type": "complete"}}

    def _listed(self, found: list[Any], asked: dict[str, Any]) -> Any:
        size = min(int(asked["page_size"]), self.page_size)
        some, following = paged(found, asked.get("start_cursor", 0), size)
        return {"object": "list", "results": some, "has_more": following is not None, "next_cursor": following}

    def _block(self, id: str) -> dict[str, Any]:
        return {**self.objects[id], "has_children": bool(self.below.get(id)), "id": id.removeprefix("child ")}

    def _add(self, kind: str, name: str, parent: dict[str, Any], edited: str, **more: Any) -> None:
        link = f"https://notion.example.org/{uid(name).replace('-', '')}"
        self.objects[uid(name)] = {
            "object": kind, "id": uid(name), "parent": parent, "created_time": AT, "last_edited_time": edited,
            "in_trash": False, "archived": False, "url": link, **more,
        }  # fmt: skip

    def _child(self, name: str, parent: str, kind: str) -> None:
        """A page is a block of its parent; it has the page's id."""
        id = f"child {uid(name)}"
        self.objects[id] = {"object": "block", "id": uid(name), "type": kind, "in_trash": False, kind: {"title": name}}
        self._put(id, uid(parent))

    def _put(self, id: str, parent: str) -> None:
        self.below.setdefault(parent, []).append(id)

    def _place(self, parent: str) -> dict[str, Any]:
        kind = {"page": "page_id", "database": "database_id"}.get(self.objects[parent]["object"], "block_id")
        return {"type": kind, kind: parent}

    def serve(self) -> None:
        for kind in ("page", "database", "data_source", "block"):
            self.api.route("GET", rf"/v1/{kind}s/([^/]+)")(lambda request, kind=kind: self.one(kind, request))
        self.api.route("GET", r"/v1/blocks/([^/]+)/children")(self.children)
        self.api.route("POST", r"/v1/data_sources/([^/]+)/query")(self.query)


def error(status: int, code: str) -> Reply:
    return as_json({"object": "error", "status": status, "code": code, "message": "…"}, status)


@contextmanager
def notion() -> Iterator[Workspace]:
    """Serve an empty workspace while the block lasts."""
    made = Workspace()
    made.serve()
    with answering(made.api):
        yield made
