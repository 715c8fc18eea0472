"""Files of a repository on GitHub: the tree of a commit, and one file's bytes."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote

from connectors.forge.answers import row, rows
from connectors.forge.files import Entries, Entry, body_of, require_few, require_offered, too_large
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Commit, Content, Repository, Tree, TreeEntry
from vouch.core.errors import DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Body

_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree that holds nothing; GitHub says of it that it is not there."""
_RAW = {"accept": "application/vnd.github.raw+json"}
_DEEPEST = 200


class Files:
    """The files of one repository, at the configured ref or its default branch: as trees, whose ids stay the same
    through commits that change nothing."""

    def __init__(self, api: Github, config: GithubConfig, repository: Repository) -> None:
        self._api, self._config, self._repository = api, config, repository
        self._ref = config.ref or repository.default_branch
        self.number, self.name = repository.id, repository.full_name

    def head(self) -> str | None:
        """The tree of the ref's commit; None where nothing was ever committed. Raises :class:`NotFound`."""
        asked = {"sha": self._ref, "per_page": 1}
        reply = self._api.rest.get(f"{self._repository.root}/commits", asked, accept=(409,))
        commits = [] if reply.status == 409 else rows(Commit, reply.data)
        return commits[0].commit.tree.sha if commits else None

    def address(self, path: str) -> str:
        return f"{self._repository.html_url}/blob/{quote(self._ref)}/{quote(path)}"

    def read(self, at: str, path: str, entry: Entry, most: int) -> bytes:
        """By its id; the tree and the path are not asked for again."""
        return blob(self._api, self._repository.root, entry.id, most)

    def entries(self, at: str) -> Entries:
        found: dict[str, Entry] = {}
        if at != _EMPTY:
            self._gather(at, "", found)
        return found

    def _gather(self, tree: str, above: str, found: dict[str, Entry]) -> None:
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

    def _put(self, found: dict[str, Entry], path: str, entry: TreeEntry) -> None:
        found[path] = Entry(entry.sha, entry.mode, entry.size)
        require_few(len(found), self._config, self.name)


def fetch_file(api: Github, config: GithubConfig, root: str, path: str) -> Body:
    """The file as it is at the ref now. Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    require_offered(config, path)
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
    return body_of(path, data)


def blob(api: Github, root: str, sha: str, most: int) -> bytes:
    return api.rest.download(f"{root}/git/blobs/{quote(sha, safe='')}", most, headers=_RAW).body
