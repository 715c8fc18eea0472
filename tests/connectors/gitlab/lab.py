"""GitLab as far as it is read: its documented answers, from a state that a test changes, on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlencode

from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json
from tests.connectors.github.hub import START, TOKEN, moment, sha
from tests.connectors.seen import Seen
from tests.outbound.serving import Reply
from vouch.core.types import Json

GUEST, REPORTER, DEVELOPER = 10, 20, 30
_MISSING = as_json({"message": "404 Not Found"}, 404)


@dataclass
class Project:
    """``files``: bytes by path; a text for a link, None for a submodule. ``commits``: files by commit. ``levels``: of
    the parts, where it is another than for all who reach the project."""

    id: int
    path: str
    visibility: str = "private"
    branch: str = "main"
    archived: bool = False
    files: dict[str, bytes | str | None] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes | str | None]] = field(default_factory=dict)
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    merges: dict[int, dict[str, Any]] = field(default_factory=dict)
    notes: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    wiki: dict[str, str] = field(default_factory=dict)
    members: dict[int, int] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    levels: dict[str, str] = field(default_factory=dict)
    going: str | None = None


@dataclass
class Lab:
    """``page``: most rows of a page, whatever is asked for."""

    api: Api = field(default_factory=lambda: Api(f"Bearer {TOKEN}"))
    projects: dict[int, Project] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    page: int = 100
    clock: datetime = START

    # -- what a test does --

    def tick(self, seconds: float = 600) -> datetime:
        self.clock += timedelta(seconds=seconds)
        return self.clock

    def project(self, id: int, path: str, **more: Any) -> Project:
        self.projects[id] = Project(id, path, **more)
        return self.projects[id]

    def push(self, project: Project, files: dict[str, bytes | str | None], *gone: str) -> None:
        project.files = {**{p: f for p, f in project.files.items() if p not in gone}, **files}
        project.commits[sha(f"{self.tick()}")] = dict(project.files)

    def issue(self, project: Project, iid: int, title: str = "A", text: str | None = "b", **more: Any) -> None:
        at = moment(self.tick())
        project.issues[iid] = {
            "id": 1000 + iid, "iid": iid, "title": title, "description": text, "state": "opened", "created_at": at,
            "updated_at": at, "web_url": f"https://gitlab.example.org/{project.path}/-/issues/{iid}",
            "author": account(1), "assignees": [], "labels": [], "user_notes_count": 0, "confidential": False, **more,
        }  # fmt: skip

    def merge(self, project: Project, iid: int, title: str = "A", **more: Any) -> None:
        aside = Project(project.id, project.path)
        self.issue(aside, iid, title, **{"merged_at": None, **more})
        made = aside.issues[iid]
        del made["confidential"]
        project.merges[iid] = {**made, "web_url": made["web_url"].replace("issues", "merge_requests")}

    def note(self, project: Project, at: tuple[str, int], body: str, **more: Any) -> None:
        """``at``: ``issues`` or ``merge_requests``, and the number."""
        when = moment(self.tick())
        project.notes.setdefault(at, []).append(
            {
                "id": 1,
                "body": body,
                "created_at": when,
                "author": account(2),
                "system": False,
                "internal": False,
                **more,
            }
        )
        thread = (project.issues if at[0] == "issues" else project.merges)[at[1]]
        thread |= {"updated_at": when, "user_notes_count": thread["user_notes_count"] + 1}

    @property
    def asked(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.api.asked]

    # -- what GitLab answers --

    def serve(self) -> None:
        """Put the routes up."""
        api = self.api

        @api.route("GET", r"/groups/acme/projects")
        def of_group(request: Request) -> Any:
            assert request.query["include_subgroups"] == "true"
            return self._paged(request, [self._project(project) for project in self.projects.values()])

        @api.route("GET", r"/projects/([^/]+)(?:/(.*))?")
        def below(request: Request) -> Any:
            name, path = unquote(request.match[1]), request.match[2] or ""
            if name in self.moved and not path:
                where = f"{api.url}/projects/{self.moved[name]}"
                return as_json({"message": "Non GET methods are not allowed"}, 301, {"Location": where})
            found = [p for p in self.projects.values() if name in (str(p.id), p.path)]
            return self._below(found[0], request, path) if found else _MISSING

    def _paged(self, request: Request, rows: list[dict[str, Any]]) -> Reply:
        size = min(self.page, int(request.query.get("per_page", 20)))
        page = int(request.query.get("page", 1))
        asked = urlencode({**request.query, "page": page + 1})
        link = {"Link": f'<{self.api.url}{request.match[0]}?{asked}>; rel="next"'} if len(rows) > page * size else {}
        return as_json(rows[(page - 1) * size : page * size], headers=link)

    def _updated(self, request: Request, rows: list[dict[str, Any]]) -> Reply:
        assert (request.query["order_by"], request.query["sort"]) == ("updated_at", "asc")
        assert request.query["scope"] == "all"
        after = request.query.get("updated_after", "")
        return self._paged(
            request, sorted((r for r in rows if r["updated_at"] >= after), key=lambda r: r["updated_at"])
        )

    def _project(self, project: Project) -> dict[str, Any]:
        names = ("repository", "issues", "merge_requests", "wiki")
        return {
            "id": project.id, "path_with_namespace": project.path, "visibility": project.visibility,
            "web_url": f"https://gitlab.example.org/{project.path}", "archived": project.archived,
            "default_branch": project.branch if project.commits else None, "empty_repo": not project.commits,
            "marked_for_deletion_on": project.going,
            **{f"{name}_access_level": project.levels.get(name, "enabled") for name in names},
        }  # fmt: skip

    def _below(self, project: Project, request: Request, path: str) -> Any:
        if path == "":
            return self._project(project)
        if path == "members/all":
            rows = [
                {**account(id), "state": "blocked" if id in project.blocked else "active", "access_level": level}
                for id, level in sorted(project.members.items())
            ]
            return self._paged(request, rows)
        if path == "issues":
            return self._updated(request, list(project.issues.values()))
        if path == "merge_requests":
            assert request.query["state"] == "all"
            return self._updated(request, list(project.merges.values()))
        if match := re.fullmatch(r"(issues|merge_requests)/(\d+)(/notes)?", path):
            found = (project.issues if match[1] == "issues" else project.merges).get(int(match[2]))
            if match[3] and found:
                return self._paged(request, project.notes.get((match[1], int(match[2])), []))
            return found or _MISSING
        return self._git(project, request, path)

    def _git(self, project: Project, request: Request, path: str) -> Any:
        if path == "wikis":
            return [self._page(slug, text) for slug, text in project.wiki.items()]
        if match := re.fullmatch(r"wikis/([^/]+)", path):
            slug = unquote(match[1])
            return self._page(slug, project.wiki[slug]) if slug in project.wiki else _MISSING
        if path == "repository/commits":
            if request.query["ref_name"] != project.branch:
                return _MISSING
            return [{"id": list(project.commits)[-1]}]
        if path == "repository/tree":
            if request.query["ref"] not in project.commits:
                return _MISSING
            files = project.commits[request.query["ref"]]
            folders = sorted({path.rpartition("/")[0] for path in files if "/" in path})
            trees = [{"id": sha(name), "type": "tree", "path": name, "mode": "040000"} for name in folders]
            return self._paged(request, trees + [_entry(path, data) for path, data in files.items()])
        if match := re.fullmatch(r"repository/files/([^/]+)/raw", path):
            data = project.files.get(unquote(match[1]))
            if isinstance(data, bytes) and request.query["ref"] in ("HEAD", project.branch, *project.commits):
                return Reply(200, data, {"Content-Type": "text/plain"})
        return _MISSING

    def _page(self, slug: str, text: str) -> dict[str, Any]:
        return {"slug": slug, "title": slug.rpartition("/")[2], "format": "markdown", "content": text}


def account(id: int) -> dict[str, Any]:
    return {"id": id, "username": f"login{id}", "name": f"Name {id}"}


def _entry(path: str, data: bytes | str | None) -> dict[str, Any]:
    if data is None:
        return {"id": sha(path), "type": "commit", "path": path, "mode": "160000"}
    return {"id": sha(data), "type": "blob", "path": path, "mode": "120000" if isinstance(data, str) else "100644"}


@contextmanager
def lab() -> Iterator[Lab]:
    """GitLab, while the block lasts."""
    found = Lab()
    found.serve()
    with answering(found.api):
        yield found


def connector(lab: Lab, **config: Any) -> Connector:
    given = {"base": lab.api.url, "token": TOKEN, "projects": ["acme/handbook"], "issuer": "gitlab", **config}
    return make_connector("gitlab", {k: v for k, v in given.items() if v is not None}, LOOPBACK)


def scan(lab: Lab, cursor: Json | None = None, **config: Any) -> Seen:
    lab.api.asked.clear()
    return Seen.until_it_ends(connector(lab, **config), cursor)


def fetched(lab: Lab, external_id: str, **config: Any) -> str:
    return connector(lab, **config).fetch(external_id).data.decode()
