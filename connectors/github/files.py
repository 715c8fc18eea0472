"""Files of a repository on GitHub: the tree of a commit, what differs from another, who owns what, one file's bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from mimetypes import guess_type
from urllib.parse import quote

from connectors.forge.answers import row, rows
from connectors.forge.chosen import LFS, LINK, SUBMODULE, readable, unreadable, wanted
from connectors.forge.codeowners import MAX_BYTES, PLACES, CodeOwners
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Commit, Content, Repository, Tree, TreeEntry
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Body, Change, Deleted, Refused, SourceAcl, Upsert

_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree that holds nothing; GitHub says of it that it is not there."""
_RAW = {"accept": "application/vnd.github.raw+json"}
_DEEPEST = 200

Entries = Mapping[str, TreeEntry]


class Files:
    """The files of one repository, at the configured ref or its default branch."""

    def __init__(self, api: Github, config: GithubConfig, repository: Repository) -> None:
        self._api, self._config, self._repository = api, config, repository
        self._ref = config.ref or repository.default_branch

    def head(self) -> str | None:
        """The tree of the ref's commit; None where nothing was ever committed. Raises :class:`NotFound`."""
        asked = {"sha": self._ref, "per_page": 1}
        reply = self._api.rest.get(f"{self._repository.root}/commits", asked, accept=(409,))
        commits = [] if reply.status == 409 else rows(Commit, reply.data)
        return commits[0].commit.tree.sha if commits else None

    def changes(self, since: str | None, tree: str | None, acl: SourceAcl, *, whole: bool) -> Iterator[Change]:
        """What differs between two trees, or (``whole``) every file and what is gone.

        Raises :class:`CursorExpired` when the first tree is not there any more.
        """
        before: Entries = {}
        if since is not None:
            try:
                before = self._entries(since)
            except NotFound as error:
                raise CursorExpired(f"{self._repository.full_name}: the last scan's files are gone") from error
        after = self._entries(tree) if tree is not None else {}
        place = self._place_of_owners(after)
        owners = self._owners(after[place]) if place is not None and self._config.owners else CodeOwners("")
        same_owners = not self._config.owners or _sha(before, self._place_of_owners(before)) == _sha(after, place)
        for path, entry in after.items():
            if not whole and same_owners and _same(before.get(path), entry):
                continue
            change = self._change(path, entry, owners, acl)
            if change is not None:
                yield change
        for path in before.keys() - after.keys():
            if readable(path) and wanted(self._config, path):
                yield Deleted(self._id(path))

    def _change(self, path: str, entry: TreeEntry, owners: CodeOwners, acl: SourceAcl) -> Upsert | Refused | None:
        if not readable(path):
            return unreadable(self._repository.id, path)
        if not wanted(self._config, path):
            return None
        if entry.mode == SUBMODULE:
            return Refused(self._id(path), "submodule", "Submodules are sources of their own")
        if entry.mode == LINK:
            return Refused(self._id(path), "symlink", "Links are not followed")
        if (entry.size or 0) > self._config.max_file_mb << 20:
            return Refused(self._id(path), "too_large", too_large(self._config))
        return Upsert(
            external_id=self._id(path),
            title="",
            uri=f"{self._repository.html_url}/blob/{quote(self._ref)}/{quote(path)}",
            fingerprint=entry.sha,
            acl=acl,
            mime=guess_type(path)[0],
            owner=owners.owner(path, self._config.owners),
        )

    def _id(self, path: str) -> str:
        return f"{self._repository.id}/files/{path}"

    # -- trees --

    def _entries(self, tree: str) -> Entries:
        found: dict[str, TreeEntry] = {}
        if tree != _EMPTY:
            self._gather(tree, "", found)
        return found

    def _gather(self, tree: str, above: str, found: dict[str, TreeEntry]) -> None:
        """All below a tree; where that is more than GitHub tells at once, folder by folder."""
        if above.count("/") > _DEEPEST:
            raise SourceRefuses(f"{self._repository.full_name} has folders nested too deep.")
        path = f"{self._repository.root}/git/trees/{quote(tree, safe='')}"
        whole = row(Tree, self._api.rest.get(path, {"recursive": "1"}).data)
        if not whole.truncated:
            for entry in whole.tree:
                if entry.type != "tree":
                    self._put(found, above + entry.path, entry)
            return
        here = row(Tree, self._api.rest.get(path).data)
        if here.truncated:
            raise SourceRefuses(f"{self._repository.full_name} has a folder that GitHub does not list whole.")
        for entry in here.tree:
            if entry.type == "tree":
                self._gather(entry.sha, f"{above}{entry.path}/", found)
            else:
                self._put(found, above + entry.path, entry)

    def _put(self, found: dict[str, TreeEntry], path: str, entry: TreeEntry) -> None:
        found[path] = entry
        if len(found) > self._config.max_items:
            said = f"{self._repository.full_name} has more than {self._config.max_items:,} files"
            raise BadConfig(said, field="config.max_items")

    # -- owners --

    def _place_of_owners(self, entries: Entries) -> str | None:
        return next((place for place in PLACES if place in entries and entries[place].type == "blob"), None)

    def _owners(self, entry: TreeEntry) -> CodeOwners:
        """The file that says who owns what; one that is too large names nobody."""
        if entry.mode == LINK or (entry.size or 0) > MAX_BYTES:
            return CodeOwners("")
        return CodeOwners(blob(self._api, self._repository.root, entry.sha, MAX_BYTES).decode("utf-8", "replace"))


def fetch_file(api: Github, config: GithubConfig, root: str, path: str) -> Body:
    """The file as it is at the ref now. Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    if not readable(path) or not wanted(config, path):
        raise NotFound()
    reply = api.rest.get(f"{root}/contents/{quote(path)}", {"ref": config.ref})
    if not isinstance(reply.data, dict):
        raise NotFound()  # a folder
    found = row(Content, reply.data)
    if found.type != "file":
        raise NotFound()
    if found.size > config.max_file_mb << 20:
        raise DocumentRejected(too_large(config), reason="too_large")
    if found.encoding == "base64" and found.content is not None:
        try:
            data = base64.b64decode(found.content, validate=False)
        except binascii.Error as error:
            raise Unavailable("GitHub answered with a file that cannot be unpacked.") from error
    else:  # past 1 MiB it is told apart
        data = blob(api, root, found.sha, config.max_file_mb << 20)
    if len(data) != found.size:
        raise Unavailable("GitHub answered with a part of a file.")
    if data.startswith(LFS):
        raise DocumentRejected("The content is kept outside of the repository, by Git LFS.", reason="lfs_pointer")
    return Body(data, guess_type(path)[0])


def blob(api: Github, root: str, sha: str, most: int) -> bytes:
    return api.rest.download(f"{root}/git/blobs/{quote(sha, safe='')}", most, headers=_RAW).body


def too_large(config: GithubConfig) -> str:
    return f"It is larger than {config.max_file_mb} MiB"


def _same(before: TreeEntry | None, after: TreeEntry) -> bool:
    return before is not None and (before.sha, before.mode) == (after.sha, after.mode)


def _sha(entries: Entries, place: str | None) -> tuple[str, str] | None:
    return None if place is None else (place, entries[place].sha)
