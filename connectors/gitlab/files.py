"""Files of a project on GitLab: the tree of a commit, what differs from another, who owns what, one file's bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from mimetypes import guess_type
from urllib.parse import quote

from connectors.forge.answers import rows
from connectors.forge.chosen import LFS, LINK, SUBMODULE, readable, unreadable, wanted
from connectors.forge.codeowners import MAX_BYTES, PLACES, CodeOwners
from connectors.forge.since import PER_PAGE
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.rows import Commit, Project, TreeEntry
from connectors.rest import Rest
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound
from vouch.core.types import Body, Change, Deleted, Refused, SourceAcl, Upsert

Entries = Mapping[str, TreeEntry]


class Files:
    """The files of one project, at the configured ref or its default branch."""

    def __init__(self, rest: Rest, config: GitlabConfig, project: Project) -> None:
        self._rest, self._config, self._project = rest, config, project
        self.ref = config.ref or project.default_branch or ""

    def head(self) -> str | None:
        """The ref's commit; None where nothing was ever committed. Raises :class:`NotFound`."""
        if self._project.empty or not self.ref:
            return None
        asked = {"ref_name": self.ref, "per_page": 1}
        commits = rows(Commit, self._rest.get(f"{self._project.root}/repository/commits", asked).data)
        return commits[0].id if commits else None

    def changes(self, since: str | None, commit: str | None, acl: SourceAcl, *, whole: bool) -> Iterator[Change]:
        """What differs between two commits, or (``whole``) every file and what is gone.

        Raises :class:`CursorExpired` when the first commit is not there any more.
        """
        before: Entries = {}
        if since is not None:
            try:
                before = self._entries(since)
            except NotFound as error:
                raise CursorExpired(f"{self._project.path}: the last scan's commit is gone") from error
        after = self._entries(commit) if commit is not None else {}
        place = _place_of_owners(after)
        owners = self._owners(place, commit) if place and commit and self._config.owners else CodeOwners("")
        same_owners = not self._config.owners or _id(before, _place_of_owners(before)) == _id(after, place)
        for path, entry in after.items():
            known = before.get(path)
            same = known is not None and (known.id, known.mode) == (entry.id, entry.mode)
            if not whole and same_owners and same:
                continue
            change = self._change(path, entry, owners, acl)
            if change is not None:
                yield change
        for path in before.keys() - after.keys():
            if readable(path) and wanted(self._config, path):
                yield Deleted(self._name(path))

    def _change(self, path: str, entry: TreeEntry, owners: CodeOwners, acl: SourceAcl) -> Upsert | Refused | None:
        if not readable(path):
            return unreadable(self._project.id, path)
        if not wanted(self._config, path):
            return None
        if entry.mode == SUBMODULE:
            return Refused(self._name(path), "submodule", "Submodules are sources of their own")
        if entry.mode == LINK:
            return Refused(self._name(path), "symlink", "Links are not followed")
        return Upsert(
            external_id=self._name(path),
            title="",
            uri=f"{self._project.web_url}/-/blob/{quote(self.ref)}/{quote(path)}",
            fingerprint=entry.id,
            acl=acl,
            mime=guess_type(path)[0],
            owner=owners.owner(path, self._config.owners),
        )

    def _name(self, path: str) -> str:
        return f"{self._project.id}/files/{path}"

    def _entries(self, commit: str) -> Entries:
        found: dict[str, TreeEntry] = {}
        asked = {"ref": commit, "recursive": "true", "pagination": "keyset", "per_page": PER_PAGE}
        for reply in self._rest.pages(f"{self._project.root}/repository/tree", asked, most=100_000):
            for entry in rows(TreeEntry, reply.data):
                if entry.type != "tree":
                    found[entry.path] = entry
            if len(found) > self._config.max_items:
                said = f"{self._project.path} has more than {self._config.max_items:,} files"
                raise BadConfig(said, field="config.max_items")
        return found

    def _owners(self, place: str, commit: str) -> CodeOwners:
        """The file that says who owns what; one that is too large names nobody."""
        try:
            return CodeOwners(raw(self._rest, self._project.root, place, commit, MAX_BYTES).decode("utf-8", "replace"))
        except DocumentRejected:
            return CodeOwners("")


def fetch_file(rest: Rest, config: GitlabConfig, root: str, path: str) -> Body:
    """The file as it is at the ref now. Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    if not readable(path) or not wanted(config, path):
        raise NotFound()
    data = raw(rest, root, path, config.ref or "HEAD", config.max_file_mb << 20)
    if data.startswith(LFS):
        raise DocumentRejected("The content is kept outside of the repository, by Git LFS.", reason="lfs_pointer")
    return Body(data, guess_type(path)[0])


def raw(rest: Rest, root: str, path: str, ref: str, most: int) -> bytes:
    return rest.download(f"{root}/repository/files/{quote(path, safe='')}/raw?ref={quote(ref, safe='')}", most).body


def _place_of_owners(entries: Entries) -> str | None:
    return next((at for at in PLACES if at in entries and entries[at].mode not in (LINK, SUBMODULE)), None)


def _id(entries: Entries, place: str | None) -> tuple[str, str] | None:
    return None if place is None else (place, entries[place].id)
