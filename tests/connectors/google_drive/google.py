"""A Google Drive on loopback, as its documentation describes it: files, permissions, feeds, directory and tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import jwt

from connectors.google_drive.api import EXPORTS, FOLDER
from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json, paged
from tests.connectors.seen import Seen, members
from tests.connectors.tokens import Tokens, key, service_account
from tests.outbound.serving import Reply

DOC, SHEET, SLIDES = EXPORTS
SHORTCUT, FORM = "application/vnd.google-apps.shortcut", "application/vnd.google-apps.form"
ADMIN = "admin@example.org"
AT = "2024-03-01T09:00:00.000Z"


def user(name: str, role: str = "reader", **more: Any) -> dict[str, Any]:
    """A permission; its id is of the account, and no other id that Google has for it."""
    return {"id": f"p-{name}", "type": "user", "role": role, "emailAddress": f"{name}@example.org", **more}


def group(name: str, **more: Any) -> dict[str, Any]:
    return {"id": f"p-{name}", "type": "group", "role": "reader", "emailAddress": f"{name}@example.org", **more}


@dataclass
class Google:
    """``permissions``: of whatever has some of its own. ``page``: how many a page of a listing has."""

    api: Api = field(default_factory=Api)
    page: int = 2
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    permissions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    drives: list[str] = field(default_factory=list)
    feeds: dict[str, list[dict[str, str]]] = field(default_factory=lambda: {"": []})
    oldest: int = 0
    users: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    denied: set[str] = field(default_factory=set)

    # -- what a test does to it --

    def put(self, id: str, data: bytes = b"text", mime: str = "text/plain", **more: Any) -> None:
        """Make or change a file. ``parents``, ``driveId`` and the like as Drive tells them."""
        file = {
            "id": id, "name": id, "mimeType": mime, "trashed": False, "modifiedTime": AT, "ownedByMe": True,
            "webViewLink": f"https://files.example.org/{id}", **self.files.get(id, {}), **more,
        }  # fmt: skip
        if not mime.startswith("application/vnd.google-apps"):
            file |= {"size": str(len(data)), "md5Checksum": hashlib.md5(data).hexdigest()}
        self.files[id], self.content[id] = file, data
        self.tell(id)

    def folder(self, id: str, **more: Any) -> None:
        self.put(id, b"", FOLDER, **more)

    def shared_drive(self, id: str, *permissions: dict[str, Any]) -> None:
        self.drives.append(id)
        self.feeds[id] = []
        self.permissions[id] = list(permissions)

    def share(self, id: str, *permissions: dict[str, Any]) -> None:
        self.permissions[id] = list(permissions)
        self.tell(id)

    def tell(self, id: str) -> None:
        """As Drive's feeds do: of each item once, the last change of it."""
        feed = self.feeds[self.files[id].get("driveId", "") if id in self.files else ""]
        feed.append({"changeType": "file", "fileId": id})

    def remove(self, id: str, feed: str = "") -> None:
        self.files.pop(id)
        self.feeds[feed].append({"changeType": "file", "fileId": id})

    def employ(self, id: str, name: str, **more: Any) -> None:
        self.users.append({"id": id, "primaryEmail": f"{name}@example.org", **more})

    def assemble(self, id: str, name: str, *members: tuple[str, str]) -> None:
        self.groups[id] = {"id": id, "email": f"{name}@example.org"}
        self.members[id] = [{"type": kind, "id": member} for kind, member in members]

    # -- how it is asked --

    def config(self, **more: Any) -> dict[str, Any]:
        api = self.api.url
        return {
            "issuer": "drive", "service_account": service_account(), "my_drive": True, "api": f"{api}/drive/v3",
            "token_url": f"{api}/token", **more,
        }  # fmt: skip

    def directory(self, **more: Any) -> dict[str, Any]:
        return {"directory": {"subject": ADMIN, "api": f"{self.api.url}/admin/directory/v1", **more}}

    def connector(self, **config: Any) -> Connector:
        return make_connector("google_drive", self.config(**config), LOOPBACK)

    def scan(self, cursor: Any = None, **config: Any) -> Seen:
        return Seen(list(self.connector(**config).scan(cursor)))

    def memberships(self, **config: Any) -> set[tuple[str, str]]:
        return members(self.connector(**config))

    def asked(self, pattern: str) -> int:
        return len(self.api.asked_for(pattern))

    # -- what it answers --

    def token(self, request: Request) -> Any:
        form = dict(parse_qsl(request.body.decode()))
        if form["grant_type"] == "refresh_token":
            if form != {**form, "client_id": "c", "client_secret": "s", "refresh_token": "r"}:
                return as_json({"error": "invalid_grant"}, 400)
            claims = {"scope": "https://www.googleapis.com/auth/drive.readonly", "sub": "the user"}
        else:
            aud = f"{self.api.url}/token"
            claims = jwt.decode(form["assertion"], key().public_key(), algorithms=["RS256"], audience=aud)
        return self.tokens.give(claims["scope"], claims.get("sub", ""))

    def listed(self, request: Request) -> Any:
        q, drive = request.query["q"], request.query.get("driveId")
        parent = re.match(r"'([\w-]+)' in parents", q)
        found = [
            self._told(file)
            for file in self.files.values()
            if ("trashed = false" not in q or not file["trashed"])
            and (parent is None or parent[1] in file.get("parents", ()))
            and (not q.startswith("'me' in owners") or (file["ownedByMe"] and "driveId" not in file))
            and (drive is None or file.get("driveId") == drive)
        ]
        if parent is not None and parent[1] not in self.files:
            return self._error(404, "notFound")
        return self._page(request, "files", found)

    def one(self, request: Request) -> Any:
        file = self.files.get(request.match[1])
        if file is None or request.match[1] in self.denied:
            return self._error(403 if file else 404, "insufficientFilePermissions" if file else "notFound")
        if request.query.get("alt") == "media":
            return Reply(200, self.content[file["id"]], {"Content-Type": file["mimeType"]})
        return _masked(self._told(file), request.query["fields"])

    def export(self, request: Request) -> Any:
        if request.query["mimeType"] != EXPORTS[self.files[request.match[1]]["mimeType"]]:
            return self._error(400, "badRequest")
        return Reply(200, self.content[request.match[1]])

    def allowed(self, request: Request) -> Any:
        holder = request.match[1]
        if holder not in self.files and holder not in self.drives:
            return self._error(404, "notFound")
        if holder in self.denied:
            return self._error(403, "insufficientFilePermissions")
        return self._page(request, "permissions", self._effective(holder))

    def changes(self, request: Request) -> Any:
        feed = self.feeds[request.query.get("driveId", "")]
        at = int(request.query["pageToken"])
        if at < self.oldest:
            return self._error(400, "invalid")
        some, following = paged(feed, at, self.page)
        more = {"nextPageToken": following} if following else {"newStartPageToken": str(len(feed))}
        return {"changes": some, **more}

    def _effective(self, holder: str) -> list[dict[str, Any]]:
        found = list(self.permissions.get(holder, ()))
        above = self.files[holder].get("parents", [None])[0] if holder in self.files else None
        return found + (self._effective(above) if above is not None else [])

    def _told(self, file: dict[str, Any]) -> dict[str, Any]:
        if "driveId" in file:
            return {**file, "hasAugmentedPermissions": file["id"] in self.permissions}
        return {**file, "permissions": self._effective(file["id"])}

    def _page(self, request: Request, name: str, found: list[Any]) -> Any:
        some, following = paged(found, request.query.get("pageToken", 0), self.page)
        more = {"nextPageToken": following} if following else {}
        return _masked({name: some, **more}, request.query["fields"])

    def _error(self, status: int, reason: str) -> Reply:
        return as_json({"error": {"code": status, "errors": [{"reason": reason}]}}, status)

    def _routes(self) -> None:
        api = self.api

        def may(scope: str, answer: Any) -> Any:
            def checked(request: Request) -> Any:
                scopes, sub = self.tokens.of(request) or ("", "")
                if scope not in scopes or ("directory" in scope and sub != ADMIN):
                    return self._error(401, "authError")
                return answer(request)

            return checked

        def drive(pattern: str, answer: Any) -> None:
            api.route("GET", rf"/drive/v3/{pattern}")(may("auth/drive.readonly", answer))

        def directory(pattern: str, name: str, of: Any) -> None:
            def answer(request: Request) -> Any:
                found = self._page(request, name, of(request))
                return found if found[name] else {key: value for key, value in found.items() if key != name}

            api.route("GET", rf"/admin/directory/v1/{pattern}")(may("admin.directory", answer))

        api.route("POST", "/token")(self.token)
        drive("files", self.listed)
        drive(r"files/([\w-]+)", self.one)
        drive(r"files/([\w-]+)/export", self.export)
        drive(r"files/([\w-]+)/permissions", self.allowed)
        drive("drives", lambda request: self._page(request, "drives", [{"id": id} for id in self.drives]))
        drive(r"drives/([\w-]+)", lambda r: {"id": r.match[1]} if r.match[1] in self.drives else self._error(404, "x"))
        drive("changes/startPageToken", lambda r: {"startPageToken": str(len(self.feeds[r.query.get("driveId", "")]))})
        drive("changes", self.changes)
        directory("users", "users", lambda request: self.users)
        directory("groups", "groups", lambda request: list(self.groups.values()))
        directory(r"groups/(\w+)/members", "members", lambda request: self.members[request.match[1]])


@contextmanager
def google() -> Iterator[Google]:
    """Serve an empty Drive while the block lasts."""
    made = Google()
    made._routes()
    with answering(made.api):
        yield made


def _masked(said: Any, fields: str) -> Any:
    """Only what was asked for, as Google answers: ``a,b(c,d)``."""
    if isinstance(said, list):
        return [_masked(one, fields) for one in said]
    wanted: dict[str, str] = {}
    depth, name, inner = 0, "", ""
    for char in f"{fields},":
        if char == "," and depth == 0:
            wanted[name], name, inner = inner, "", ""
        elif depth == 0 and char != "(":
            name += char
        else:
            depth += (char == "(") - (char == ")")
            inner += char if depth > 1 or (depth == 1 and char != "(") else ""
    return {key: _masked(said[key], inner) if inner else said[key] for key, inner in wanted.items() if key in said}
