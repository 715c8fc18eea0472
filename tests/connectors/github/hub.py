"""GitHub as far as it is read: its documented answers, from a state that a test changes, on loopback."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlencode

from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json
from tests.connectors.git.repository import Repository
from tests.connectors.github.wikis import served
from tests.connectors.seen import Seen
from tests.outbound.serving import Asked, Reply
from vouch.core.types import Json

START = datetime(2026, 11, 2, 12, tzinfo=UTC)
TOKEN = "token-of-the-tests"


def basic(token: str) -> str:
    """Who asks, as git tells it."""
    return f"Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def sha(text: str | bytes) -> str:
    return hashlib.sha1(text.encode() if isinstance(text, str) else text).hexdigest()


def user(id: int, kind: str = "User") -> dict[str, Any]:
    return {"id": id, "login": f"login{id}", "type": kind, "email": None}


class _Site(Api):
    """The API and, where repositories are cloned from, the same token in another header."""

    def expected(self, asked: Asked) -> str | None:
        if self.authorization is None or ".wiki.git/" not in asked.path:
            return self.authorization
        return basic(self.authorization.removeprefix("Bearer "))


@dataclass
class Repo:
    """``files``: bytes by path; a text for a link, None for a submodule. ``threads``: issues and pull requests.
    ``has_wiki``: whether it is turned on; there is none until there is a ``wiki``."""

    id: int
    name: str
    visibility: str = "private"
    branch: str = "main"
    archived: bool = False
    pushed: datetime = START
    files: dict[str, bytes | str | None] = field(default_factory=dict)
    trees: dict[str, dict[str, bytes | str | None]] = field(default_factory=dict)
    threads: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    discussions: dict[int, dict[str, Any]] = field(default_factory=dict)
    collaborators: dict[int, bool] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    has_wiki: bool = True
    wiki: Repository | None = None
    truncates: int = 10**9
    """Entries of a tree past which GitHub tells only a part of it."""


@dataclass
class Hub:
    """``page``: most rows of a page, whatever is asked for. ``organisations``: members by name."""

    folder: Path
    api: Api = field(default_factory=lambda: _Site(f"Bearer {TOKEN}"))
    repos: dict[int, Repo] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)
    page: int = 100
    clock: datetime = START
    shifts: list[Any] = field(default_factory=list)
    """Called one by one, each after a page of a list was told: the list changes while it is read."""

    # -- what a test does --

    def tick(self, seconds: float = 600) -> datetime:
        self.clock += timedelta(seconds=seconds)
        return self.clock

    def repo(self, id: int, name: str, **more: Any) -> Repo:
        self.repos[id] = Repo(id, name, **more)
        return self.repos[id]

    def push(self, repo: Repo, files: dict[str, bytes | str | None], *gone: str) -> None:
        repo.pushed = self.tick()
        repo.files = {**{p: f for p, f in repo.files.items() if p not in gone}, **files}
        self.head(repo)

    def head(self, repo: Repo) -> str:
        named = sha(repr(sorted(repo.files.items(), key=lambda item: item[0])))
        repo.trees[named] = dict(repo.files)
        return named

    def issue(self, repo: Repo, number: int, title: str = "A", body: str | None = "b", **more: Any) -> None:
        at = moment(self.tick())
        repo.threads[number] = {
            "number": number, "title": title, "body": body, "state": "open", "created_at": at, "updated_at": at,
            "comments": 0, "html_url": f"https://github.example.org/{repo.name}/issues/{number}", "user": user(1),
            "labels": [], "assignees": [], "id": repo.id * 10_000 + number, **more,
        }  # fmt: skip

    def pull(self, repo: Repo, number: int, title: str = "A", **more: Any) -> None:
        self.issue(repo, number, title, **{"pull_request": {"merged_at": None}, **more})
        repo.threads[number]["html_url"] = f"https://github.example.org/{repo.name}/pull/{number}"

    def comment(self, repo: Repo, number: int, body: str, *, path: str | None = None, by: int = 2) -> int:
        """Says it, which counts as a change of the issue."""
        id, at, thread = len(repo.comments) + 1, moment(self.tick()), repo.threads[number]
        repo.comments[id] = {
            "id": id, "body": body, "created_at": at, "updated_at": at, "user": user(by), "number": number,
            "path": path,
        }  # fmt: skip
        thread["updated_at"] = at
        thread["comments"] += path is None
        return id

    def edit(self, repo: Repo, comment: int, body: str) -> None:
        """Edits a comment, which the issue is not told of."""
        repo.comments[comment] |= {"body": body, "updated_at": moment(self.tick())}

    def discuss(self, repo: Repo, number: int, title: str, body: str, *said: tuple[str, list[str]]) -> None:
        at = moment(self.tick())
        made = [
            {"id": f"DC_{n}", "body": text, "createdAt": at, "updatedAt": at, "isAnswer": n == 0,
             "author": {"login": "dave"}, "replies": [{"body": r, "createdAt": at, "author": None} for r in replies]}
            for n, (text, replies) in enumerate(said)
        ]  # fmt: skip
        repo.discussions[number] = {
            "number": number, "title": title, "body": body, "createdAt": at, "updatedAt": at, "isAnswered": bool(made),
            "closed": False, "author": {"login": "carol"}, "category": {"name": "Q&A"}, "comments": made,
            "url": f"https://github.example.org/{repo.name}/discussions/{number}",
        }  # fmt: skip

    def write(self, repo: Repo, pages: dict[str | bytes, bytes | None], **more: Any) -> str:
        """Commit to the wiki; None removes a page. Its commit."""
        if repo.wiki is None:
            repo.wiki = Repository(self.folder / f"{repo.id}.wiki.git")
        return repo.wiki.commit(pages, **more)

    @property
    def asked(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.api.asked]

    # -- what GitHub answers --

    def _paged(self, request: Request, path: str, rows: list[dict[str, Any]]) -> Reply:
        size = min(self.page, int(request.query.get("per_page", 30)))
        page = int(request.query.get("page", 1))
        some, more = rows[(page - 1) * size : page * size], len(rows) > page * size
        asked = urlencode({**request.query, "page": page + 1})
        link = {"Link": f'<{self.api.url}{path}?{asked}>; rel="next", <{self.api.url}{path}?page=99>; rel="last"'}
        reply = as_json(some, headers=link if more else {})
        if self.shifts:
            self.shifts.pop(0)()
        return reply

    def _updated(self, request: Request, path: str, rows: list[dict[str, Any]]) -> Reply:
        """Of what changed since; asked for in any other order than that of the changes, this fails."""
        assert (request.query["sort"], request.query["direction"]) == ("updated", "asc")
        since = request.query.get("since", "")
        found = sorted((r for r in rows if r["updated_at"] >= since), key=lambda r: (r["updated_at"], r["id"]))
        return self._paged(request, path, found)

    def _repository(self, repo: Repo) -> dict[str, Any]:
        return {
            "id": repo.id, "node_id": f"R_{repo.id}", "full_name": repo.name, "private": repo.visibility != "public",
            "html_url": f"https://github.example.org/{repo.name}", "visibility": repo.visibility, "disabled": False,
            "archived": repo.archived, "default_branch": repo.branch, "has_discussions": bool(repo.discussions),
            "has_wiki": repo.has_wiki,
            "pushed_at": moment(repo.pushed), "owner": {"id": 900, "login": "acme", "type": "Organization"},
        }  # fmt: skip

    def _comment(self, repo: Repo, comment: dict[str, Any]) -> dict[str, Any]:
        root = f"{self.api.url}/repos/{repo.name}"
        at = f"pulls/{comment['number']}" if comment["path"] else f"issues/{comment['number']}"
        return {**comment, "pull_request_url" if comment["path"] else "issue_url": f"{root}/{at}"}

    def _tree(self, repo: Repo, named: str, whole: bool) -> Any:
        below, _, folder = named.partition("-")
        if below not in repo.trees:
            return as_json({"message": "Not Found"}, 404)
        prefix = unquote(folder) + "/" if folder else ""
        files = {p.removeprefix(prefix): f for p, f in repo.trees[below].items() if p.startswith(prefix)}
        if whole:
            told = [_entry(path, data) for path, data in files.items()]
            return {"sha": named, "truncated": len(told) > repo.truncates, "tree": told[: repo.truncates]}
        here = {path: data for path, data in files.items() if "/" not in path}
        folders = sorted({path.partition("/")[0] for path in files if "/" in path})
        trees = [
            {"path": name, "mode": "040000", "type": "tree", "sha": f"{below}-{(prefix + name).replace('/', '%2F')}"}
            for name in folders
        ]
        told = [_entry(path, data) for path, data in here.items()] + trees
        return {"sha": named, "truncated": len(told) > repo.truncates, "tree": told[: repo.truncates]}

    def serve(self) -> None:
        """Put the routes up."""
        api = self.api

        @api.route("GET", r"/repos/([^/]+/[^/]+)")
        def by_name(request: Request) -> Any:
            name = request.match[1]
            if name in self.moved:
                where = f"{api.url}/repositories/{self.moved[name]}"
                return as_json({"message": "Moved Permanently", "url": where}, 301, {"Location": where})
            found = [repo for repo in self.repos.values() if repo.name == name]
            return self._repository(found[0]) if found else as_json({"message": "Not Found"}, 404)

        @api.route("GET", r"/orgs/acme/repos|/installation/repositories")
        def listed(request: Request) -> Any:
            rows = [self._repository(repo) for repo in self.repos.values()]
            if request.match[0].startswith("/orgs"):
                return self._paged(request, request.match[0], rows)
            return {"total_count": len(rows), "repositories": rows}

        @api.route("GET", r"/orgs/acme/members")
        def members(request: Request) -> Any:
            return self._paged(request, request.match[0], [user(id) for id in self.members])

        @api.route("GET", r"/repositories/(\d+)(?:/(.*))?")
        def below(request: Request) -> Any:
            repo = self.repos.get(int(request.match[1]))
            if repo is None:
                return as_json({"message": "Not Found"}, 404)
            return self._below(repo, request, request.match[2] or "")

        @api.route("POST", r"/graphql")
        def graphql(request: Request) -> Any:
            return self._graphql(request.json["query"], request.json["variables"])

        for method in ("GET", "POST"):
            api.route(method, r"/.+\.wiki\.git/(info/refs|git-upload-pack)")(partial(self._wiki, method))

    def _wiki(self, method: str, request: Request) -> Reply:
        wikis = {f"/{repo.name}.wiki.git": repo.wiki for repo in self.repos.values() if repo.wiki is not None}
        if request.match[0].rpartition(f"/{request.match[1]}")[0] not in wikis:
            return Reply(404, b"Repository not found.", {"Content-Type": "text/plain"})
        return served(wikis, method, request)

    def _below(self, repo: Repo, request: Request, path: str) -> Any:
        said = [self._comment(repo, comment) for comment in repo.comments.values()]
        at = request.match[0]
        if path == "":
            return self._repository(repo)
        if path == "collaborators":
            assert request.query["affiliation"] == "all"
            rows = [{**user(id), "permissions": {"pull": pull}} for id, pull in sorted(repo.collaborators.items())]
            return self._paged(request, at, rows)
        if path == "issues":
            return self._updated(request, at, list(repo.threads.values()))
        if path in ("issues/comments", "pulls/comments"):
            return self._updated(request, at, [c for c in said if bool(c["path"]) == path.startswith("pulls")])
        if match := re.fullmatch(r"(issues|pulls)/(\d+)/(comments|reviews)", path):
            mine = [c for c in said if c["number"] == int(match[2]) and bool(c["path"]) == (match[1] == "pulls")]
            return self._paged(request, at, repo.reviews.get(int(match[2]), []) if match[3] == "reviews" else mine)
        if match := re.fullmatch(r"issues/(\d+)", path):
            number = int(match[1])
            if number in repo.gone:
                return as_json({"message": "This issue was deleted"}, 410)
            return repo.threads.get(number) or as_json({"message": "Not Found"}, 404)
        return self._git(repo, request, path)

    def _git(self, repo: Repo, request: Request, path: str) -> Any:
        if path == "commits":
            if request.query["sha"] != repo.branch:
                return as_json({"message": "Not Found"}, 404)
            if not repo.trees:
                return as_json({"message": "Git Repository is empty."}, 409)
            return [{"sha": sha(self.head(repo) + "c"), "commit": {"tree": {"sha": self.head(repo)}}}]
        if match := re.fullmatch(r"git/trees/(.+)", path):
            return self._tree(repo, match[1].replace("%252F", "%2F"), "recursive" in request.query)
        if match := re.fullmatch(r"git/blobs/([0-9a-f]+)", path):
            assert request.headers["accept"] == "application/vnd.github.raw+json"
            for data in repo.files.values():
                if isinstance(data, bytes) and sha(data) == match[1]:
                    return Reply(200, data, {"Content-Type": "application/octet-stream"})
        if match := re.fullmatch(r"contents/(.+)", path):
            data = repo.files.get(unquote(match[1]))
            if isinstance(data, bytes):
                small = len(data) <= 1 << 20
                inside = base64.encodebytes(data).decode() if small else ""
                encoding = "base64" if small else "none"
                return {
                    "type": "file", "sha": sha(data), "size": len(data), "encoding": encoding, "content": inside
                }  # fmt: skip
        return as_json({"message": "Not Found"}, 404)

    def _graphql(self, query: str, asked: dict[str, Any]) -> Any:
        if "query Replies" in query:
            comments = [c for r in self.repos.values() for d in r.discussions.values() for c in d["comments"]]
            (one,) = [c for c in comments if c["id"] == asked["id"]]
            return {"data": {"node": {"replies": self._slice(one["replies"], asked["after"], 2)}}}
        repo = self.repos.get(int(asked["id"].removeprefix("R_")))
        if repo is None:
            return {"data": {"node": None}, "errors": [{"type": "NOT_FOUND", "message": "Could not resolve"}]}
        if "query Discussions" in query:
            key = "updatedAt" if asked["field"] == "UPDATED_AT" else "createdAt"
            rows = sorted(repo.discussions.values(), key=lambda d: str(d[key]), reverse=asked["direction"] == "DESC")
            told = [{**row, "comments": {"totalCount": len(row["comments"]), "nodes": []}} for row in rows]
            found = self._slice(told, asked["after"], min(asked["first"], self.page))
            return {"data": {"node": {"discussions": found}}}
        one = repo.discussions.get(asked["number"])
        if one is None:
            return {"data": {"node": {"discussion": None}}}
        told = [{**c, "replies": self._slice(c["replies"], None, 2)} for c in one["comments"]]
        whole = {**one, "comments": self._slice(told, asked["after"], self.page)}
        return {"data": {"node": {"discussion": whole}}}

    def _slice(self, rows: list[Any], after: str | None, size: int) -> dict[str, Any]:
        at = int(after or 0)
        info = {"hasNextPage": len(rows) > at + size, "endCursor": str(at + size)}
        return {"nodes": rows[at : at + size], "pageInfo": info}


def _entry(path: str, data: bytes | str | None) -> dict[str, Any]:
    if data is None:
        return {"path": path, "mode": "160000", "type": "commit", "sha": sha(path)}
    if isinstance(data, str):
        return {"path": path, "mode": "120000", "type": "blob", "sha": sha(data), "size": len(data)}
    return {"path": path, "mode": "100644", "type": "blob", "sha": sha(data), "size": len(data)}


@contextmanager
def hub() -> Iterator[Hub]:
    """GitHub, while the block lasts."""
    with TemporaryDirectory() as folder:
        found = Hub(Path(folder))
        found.serve()
        with answering(found.api):
            yield found


def connector(hub: Hub, **config: Any) -> Connector:
    given = {"base": hub.api.url, "token": TOKEN, "repositories": ["acme/handbook"], "issuer": "github", **config}
    return make_connector("github", {k: v for k, v in given.items() if v is not None}, LOOPBACK)


def scan(hub: Hub, cursor: Json | None = None, **config: Any) -> Seen:
    """All of a scan, each external id at most once."""
    hub.api.asked.clear()
    return Seen.until_it_ends(connector(hub, **config), cursor)


def fetched(hub: Hub, external_id: str, **config: Any) -> str:
    return connector(hub, **config).fetch(external_id).data.decode()
