"""Files of a project on GitLab: the tree of a commit, and one file's bytes."""

from __future__ import annotations

from urllib.parse import quote

from connectors.forge.answers import rows
from connectors.forge.files import Entries, Entry, body_of, require_few, require_offered
from connectors.forge.since import PER_PAGE
from connectors.gitlab.config import GitlabConfig
from connectors.gitlab.rows import Commit, Project, TreeEntry
from connectors.rest import Rest
from vouch.core.types import Body


class Files:
    """The files of one project, at the configured ref or its default branch."""

    def __init__(self, rest: Rest, config: GitlabConfig, project: Project) -> None:
        self._rest, self._config, self._project = rest, config, project
        self.number, self.name = project.id, project.path
        self.ref = config.ref or project.default_branch or ""

    def head(self) -> str | None:
        """The ref's commit; None where nothing was ever committed. Raises :class:`NotFound`."""
        if self._project.empty or not self.ref:
            return None
        asked = {"ref_name": self.ref, "per_page": 1}
        commits = rows(Commit, self._rest.get(f"{self._project.root}/repository/commits", asked).data)
        return commits[0].id if commits else None

    def address(self, path: str) -> str:
        return f"{self._project.web_url}/-/blob/{quote(self.ref)}/{quote(path)}"

    def read(self, at: str, path: str, entry: Entry, most: int) -> bytes:
        return raw(self._rest, self._project.root, path, at, most)

    def entries(self, at: str) -> Entries:
        found: dict[str, Entry] = {}
        asked = {"ref": at, "recursive": "true", "pagination": "keyset", "per_page": PER_PAGE}
        for reply in self._rest.pages(f"{self._project.root}/repository/tree", asked, most=100_000):
            for entry in rows(TreeEntry, reply.data):
                if entry.type != "tree":
                    found[entry.path] = Entry(entry.id, entry.mode)
            require_few(len(found), self._config, self.name)
        return found


def fetch_file(rest: Rest, config: GitlabConfig, root: str, path: str) -> Body:
    """The file as it is at the ref now. Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    require_offered(config, path)
    data = raw(rest, root, path, config.ref or "HEAD", config.max_file_mb << 20)
    return body_of(path, data)


def raw(rest: Rest, root: str, path: str, ref: str, most: int) -> bytes:
    return rest.download(f"{root}/repository/files/{quote(path, safe='')}/raw?ref={quote(ref, safe='')}", most).body
