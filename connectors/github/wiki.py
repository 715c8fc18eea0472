"""The wiki of one repository. GitHub has no API for it: it is a git repository of its own, and is read as one.

What is in it is told without its texts; those come with the whole of it, which one worker keeps for the pages to come.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from connectors.forge.answers import row
from connectors.forge.chosen import LFS, LINK, SUBMODULE, readable, unreadable
from connectors.forge.files import Entry
from connectors.forge.packs import BLOB, Scratch
from connectors.forge.smart import Remote, Tip
from connectors.forge.spoken import MARKDOWN, title_of
from connectors.forge.trees import entries
from connectors.github.api import Github
from connectors.github.config import GithubConfig
from connectors.github.rows import Repository
from vouch.core.errors import DocumentRejected, NotFound, PayloadTooLarge, SourceRefuses
from vouch.core.types import Body, Change, Deleted, Refused, SourceAcl, Upsert

_MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkdn", ".mkd", ".mkdown"})
_PLAIN = frozenset(
    {".adoc", ".asc", ".asciidoc", ".creole", ".mediawiki", ".org", ".pod", ".rdoc", ".rst", ".textile", ".wiki"}
)
_PAGES = _MARKDOWN | _PLAIN
_AROUND = frozenset({"_sidebar", "_footer", "_header"})
"""What stands beside every page, and is none."""
_NO_FILES = "blob:none"
_MOST_HELD = 4


class Wiki:
    """What is named of the wiki of one repository. ``known``: what was told of it before, by path."""

    def __init__(self, api: Github, config: GithubConfig, repository: Repository) -> None:
        self._api, self._config, self._repository = api, config, repository
        self._remote = Remote(api.web, f"/{quote(repository.full_name)}.wiki.git")

    def tip(self) -> Tip | None:
        """What it is at; None where there is no wiki, or no page in it yet. Raises as :meth:`Remote.tip`."""
        if not self._repository.has_wiki:
            return None
        try:
            return self._remote.tip()
        except NotFound:
            return None
        except SourceRefuses as error:
            if error.said == 401 and not self._api.known:  # what is not there is told so to those who do not say who
                return None
            raise

    def listed(self, tip: Tip | None) -> dict[str, Entry]:
        """What lies at each path that is a page, or could be."""
        if tip is None:
            return {}
        most = self._config.max_wiki_mb << 20
        try:
            pack = self._remote.pack(tip, _NO_FILES, most)
        except PayloadTooLarge as error:
            raise SourceRefuses(f"its wiki is larger than {self._config.max_wiki_mb} MiB") from error
        return {_text(path): entry for path, entry in entries(pack, tip.commit, self._config.max_items)}

    def changes(
        self, listed: dict[str, Entry], known: dict[str, str], acl: SourceAcl, *, whole: bool
    ) -> Iterator[Change]:
        """What differs from what is ``known`` (by :func:`marks`), or (``whole``) every page and what is gone."""
        for path, entry in listed.items():
            if not readable(path):
                if PurePosixPath(path).suffix.lower() in _PAGES:
                    yield unreadable(self._repository.id, path, "wiki-")
            elif _is_page(path) and (whole or known.get(path) != _mark(entry)):
                yield self._change(path, entry, acl)
        for path in known.keys() - listed.keys():
            yield Deleted(self._id(path))

    def _change(self, path: str, entry: Entry, acl: SourceAcl) -> Upsert | Refused:
        if entry.mode == SUBMODULE:
            return Refused(self._id(path), "submodule", "Submodules are sources of their own")
        if entry.mode == LINK:
            return Refused(self._id(path), "symlink", "Links are not followed")
        name = PurePosixPath(path).stem
        return Upsert(
            external_id=self._id(path),
            title=title_of(name.replace("-", " ")),
            uri=f"{self._repository.html_url}/wiki/{quote(name, safe='')}",  # whatever folder it is in
            fingerprint=entry.id,
            acl=acl,
            mime=_mime(path),
        )

    def _id(self, path: str) -> str:
        return f"{self._repository.id}/wiki/{path}"

    # -- the texts --

    def texts(self, tip: Tip) -> _Texts:
        """Every page, from a pack that leaves out what is too large for one."""
        config = self._config
        longest = config.max_thread_kb << 10
        try:
            pack = self._remote.pack(tip, f"blob:limit={longest + 1}", config.max_wiki_mb << 20)
        except PayloadTooLarge:
            return _Texts({}, Scratch(), f"The wiki is larger than {config.max_wiki_mb} MiB.")
        scratch, places = Scratch(), dict[str, tuple[int, int] | None]()
        for raw, entry in entries(pack, tip.commit, config.max_items):
            path = _text(raw)
            if not _is_page(path) or entry.mode in (LINK, SUBMODULE):
                continue
            places[path] = None
            if entry.id in pack and pack.size(entry.id) <= longest:
                text = pack.read(entry.id, BLOB)
                places[path] = scratch.add(text), len(text)
        return _Texts(places, scratch)

    def held(self, tip: Tip) -> _Texts:
        """:meth:`texts`, once for all pages that a worker reads of it. Whoever asks has just been told by the server
        what the wiki is at, so that nobody is handed what another was allowed to read."""
        key = (str(self._api.web.base), self._repository.full_name, tip.commit, repr(self._bounds()))
        with _lock:
            found = _held.pop(key, None)
        found = found or self.texts(tip)
        with _lock:
            _held[key] = found
            while len(_held) > _MOST_HELD:
                _held.popitem(last=False)
        return found

    def _bounds(self) -> tuple[int, int, int]:
        return self._config.max_thread_kb, self._config.max_wiki_mb, self._config.max_items


class _Texts(NamedTuple):
    """Where each page lies; None for one that is too large. ``refused``: why there are none."""

    places: dict[str, tuple[int, int] | None]
    scratch: Scratch
    refused: str = ""


_held: OrderedDict[tuple[str, str, str, str], _Texts] = OrderedDict()
"""The wikis that were read last: a connector is made for each page. Their texts are on disk."""
_lock = threading.Lock()


def marks(listed: dict[str, Entry]) -> dict[str, str]:
    """What a later scan goes by, of every page that can be told by its path."""
    return {path: _mark(entry) for path, entry in listed.items() if readable(path) and _is_page(path)}


def fetch_page(api: Github, config: GithubConfig, root: str, path: str) -> Body:
    """The page as it is now. Raises as :meth:`~connectors.protocol.Connector.fetch`."""
    if not readable(path) or not _is_page(path):
        raise NotFound()
    wiki = Wiki(api, config, row(Repository, api.rest.get(root).data))
    tip = wiki.tip()
    if tip is None:
        raise NotFound()
    texts = wiki.held(tip)
    if texts.refused:
        raise DocumentRejected(texts.refused, reason="too_large")
    if path not in texts.places:
        raise NotFound()
    place = texts.places[path]
    if place is None:
        raise DocumentRejected(f"Its text is larger than {config.max_thread_kb:,} KiB.", reason="too_large")
    data = texts.scratch.read(*place)
    if data.startswith(LFS):
        raise DocumentRejected("The content is kept outside of the repository, by Git LFS.", reason="lfs_pointer")
    return Body(data, _mime(path))


def _is_page(path: str) -> bool:
    """Whether GitHub shows it as one, by its ending."""
    at = PurePosixPath(path)
    hidden = any(name.startswith(".") for name in at.parts)
    return not hidden and at.stem.lower() not in _AROUND and at.suffix.lower() in _PAGES


def _mime(path: str) -> str:
    return MARKDOWN if PurePosixPath(path).suffix.lower() in _MARKDOWN else "text/plain"


def _mark(entry: Entry) -> str:
    return entry.mode if entry.mode in (LINK, SUBMODULE) else entry.id


def _text(path: bytes) -> str:
    """What is not UTF-8 becomes what is not readable."""
    return path.decode("utf-8", "surrogateescape")
