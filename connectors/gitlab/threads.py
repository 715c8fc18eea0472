"""Issues, merge requests and wiki pages of one project: which may have changed, and the text of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from connectors.forge.answers import row, rows
from connectors.forge.since import PER_PAGE, Since
from connectors.forge.spoken import MARKDOWN, Said, bounded, on, thread, title_of, who
from connectors.gitlab.access import Access
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.rows import Issue, MergeRequest, Note, Project, Thread, WikiPage
from connectors.rest import Rest
from vouch.core.errors import NotFound
from vouch.core.types import Body, Change, Deleted, Refused, SourceAcl, Upsert

_ORDER = {"order_by": "updated_at", "sort": "asc", "scope": "all"}
_ISSUES, _MERGES = "issues", "merge_requests"
_LONGEST_SLUG = 500
_PLAIN = "text/plain"


class Threads:
    """What is named of the issues, or of the merge requests, of one project."""

    def __init__(self, rest: Rest, access: Access, project: Project, since: datetime | None) -> None:
        self._rest, self._access, self._project = rest, access, project
        self._since, self.reached = since, since

    def issues(self, *, known: bool) -> Iterator[Change]:
        """An issue is another document while it is confidential. The one that everyone read is told as gone, whether or
        not there was one: nothing that holds back deletions may keep it. Of a project that was read before (``known``)
        the other way round, too."""
        since = Since(self._rest, self._since, "updated_after", _ORDER)
        for issue in since.rows(Issue, f"{self._project.root}/{_ISSUES}"):
            yield self._upsert(issue, issue.part, self._access.acl(self._project, _ISSUES, issue))
            if known or issue.confidential:
                other = _ISSUES if issue.confidential else "confidential"
                yield Deleted(f"{self._project.id}/{other}/{issue.iid}")
            self.reached = since.reached

    def merges(self) -> Iterator[Change]:
        since = Since(self._rest, self._since, "updated_after", {**_ORDER, "state": "all"})
        acl = self._access.acl(self._project, _MERGES)
        for merge in since.rows(MergeRequest, f"{self._project.root}/{_MERGES}"):
            yield self._upsert(merge, merge.part, acl)
            self.reached = since.reached

    def _upsert(self, found: Thread, part: str, acl: SourceAcl) -> Upsert:
        title = title_of(found.title)
        seen = [found.updated_at.isoformat(), found.notes, found.state, title]
        return Upsert(
            external_id=f"{self._project.id}/{part}/{found.iid}",
            title=title,
            uri=found.web_url,
            fingerprint=hashlib.sha256(json.dumps(seen).encode()).hexdigest(),
            acl=acl,
            mime=MARKDOWN,
            modified_at=found.updated_at,
        )


def fetch_thread(rest: Rest, config: GitlabConfig, root: str, part: str, iid: int) -> Body:
    """Raises as :meth:`~connectors.protocol.Connector.fetch`; for an issue that is confidential now and was not, or the
    other way round, :class:`NotFound`."""
    at = f"{root}/{_MERGES if part == _MERGES else _ISSUES}/{iid}"
    data = rest.get(at).data
    found: Issue | MergeRequest = row(MergeRequest, data) if part == _MERGES else row(Issue, data)
    if found.part != part:
        raise NotFound()
    said: list[Said] = []
    if found.notes:
        for reply in rest.pages(f"{at}/notes", {"sort": "asc", "order_by": "created_at", "per_page": PER_PAGE}):
            said += [_said(note) for note in rows(Note, reply.data) if note.for_everyone]
    text = thread(title_of(found.title), _facts(found), found.description or "", said)
    return bounded(text, config.max_thread_kb)


def _said(note: Note) -> Said:
    path = note.position.new_path if note.position is not None else None
    what = f"Comment on {title_of(path)}" if path else "Comment"
    return Said(what, note.author.username if note.author else None, note.created_at, note.body)


def _facts(found: Issue | MergeRequest) -> list[str]:
    kind = "Merge request" if isinstance(found, MergeRequest) else "Issue"
    state = f"merged{on(found.merged_at)}" if found.merged_at else title_of(found.state)
    by = who(found.author.username if found.author else None)
    facts = [f"{kind} {found.iid}, {state}, opened by {by}{on(found.created_at)}"]
    if found.labels:
        facts.append(f"Labels: {', '.join(map(title_of, found.labels))}")
    if found.assignees:
        facts.append(f"Assigned to {', '.join(title_of(one.username) for one in found.assignees)}")
    return facts


class Wiki:
    """What is named of the wiki of one project. It is told whole each time, so what is gone is seen at once."""

    def __init__(self, rest: Rest, project: Project, known: dict[str, str]) -> None:
        self._rest, self._project, self._known = rest, project, known
        self.reached = known
        """Fingerprints by slug."""

    def changes(self, acl: SourceAcl, *, whole: bool) -> Iterator[Change]:
        reply = self._rest.get(f"{self._project.root}/wikis", {"with_content": 1})
        found: dict[str, str] = {}
        for page in rows(WikiPage, reply.data):
            if not _sluggish(page.slug):
                digest = hashlib.sha256(page.slug.encode("utf-8", "replace")).hexdigest()[:32]
                name = f"{self._project.id}/unreadable/wiki-{digest}"
                yield Refused(
                    name, "unreadable_name", "The name of a wiki page is not text, too long, or leads elsewhere"
                )
            elif page.slug not in found:
                found[page.slug] = _mark(page)
                if whole or self._known.get(page.slug) != found[page.slug]:
                    yield self._upsert(page, found[page.slug], acl)
        for slug in self._known.keys() - found.keys():
            yield Deleted(f"{self._project.id}/wiki/{slug}")
        self.reached = found

    def _upsert(self, page: WikiPage, fingerprint: str, acl: SourceAcl) -> Upsert:
        return Upsert(
            external_id=f"{self._project.id}/wiki/{page.slug}",
            title=title_of(page.title),
            uri=f"{self._project.web_url}/-/wikis/{quote(page.slug)}",
            fingerprint=fingerprint,
            acl=acl,
            mime=_mime(page),
        )


def fetch_wiki(rest: Rest, config: GitlabConfig, root: str, slug: str) -> Body:
    """Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    if not _sluggish(slug):
        raise NotFound()
    page = row(WikiPage, rest.get(f"{root}/wikis/{quote(slug, safe='')}").data)
    body = bounded((page.content or "").replace("\0", ""), config.max_thread_kb)
    return Body(body.data, _mime(page))


def _sluggish(slug: str) -> bool:
    names = slug.split("/")
    return slug.isprintable() and len(slug) <= _LONGEST_SLUG and not any(name in ("", ".", "..") for name in names)


def _mark(page: WikiPage) -> str:
    seen = [page.title, page.format, page.content]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:32]


def _mime(page: WikiPage) -> str:
    return MARKDOWN if page.format == "markdown" else _PLAIN
