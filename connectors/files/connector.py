"""Files in a store that is not a folder of this machine: a bucket, a host behind SSH or SMB, a WebDAV server.

What a store lists is sorted out in :mod:`connectors.files.tree`; each kind of store is a module of its own. All of them
reach out through the platform's one door, so that no library opens a connection to what a configuration names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from mimetypes import guess_type
from typing import ClassVar
from urllib.parse import quote

from pydantic import BaseModel

from connectors.declared import raw
from connectors.files.azure import Azure
from connectors.files.config import AzureStore, FilesConfig, GcsStore, S3Store, SftpStore, SmbStore
from connectors.files.gcs import Gcs
from connectors.files.s3 import S3
from connectors.files.sftp import Sftp
from connectors.files.smb import Smb
from connectors.files.store import Entry, Opened, Store
from connectors.files.tags import clause_of
from connectors.files.tree import File, Selection, Tree, is_plain
from connectors.files.webdav import Webdav
from connectors.protocol import Membership
from vouch.core.errors import DocumentRejected, NotFound
from vouch.core.types import AccessUnknown, Body, Change, Checkpoint, Json, RawClause, SourceAcl, Upsert
from vouch.outbound.door import Outbound

_AT_ONCE = 8
"""Objects whose tags are asked for at the same time."""


class FilesConnector:
    """Reads files from S3 and what speaks its protocol, Google's and Azure's stores, SFTP, SMB or WebDAV."""

    kind: ClassVar[str] = "files"
    Config: ClassVar[type[BaseModel]] = FilesConfig
    lists_everything: ClassVar[bool] = True
    goes_out: ClassVar[bool] = True

    def __init__(self, config: FilesConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address or a key that is none, and for an address that may not be reached.
        Nothing is connected to, and names are resolved when they are asked."""
        self.config = config
        self._selection = Selection.of(config)
        self._store = _store(config, outbound)
        self._declared = raw(config.access, "config.access")
        # Where tags will say who may read, rules that say nothing are no reason that nobody may.
        self._before_rules = () if self._declared is None and config.object_tags else self._declared

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything in the store, by path, whatever ``cursor`` says: a listing names a version of each file, so that
        only what changed is read, and nothing is missed.

        The whole listing and every ``.vouch.yaml`` are read before the first change is yielded.
        """
        tree = Tree(self._selection, self.config.max_files, self._before_rules)
        with self._store.opened() as store:
            tree.fill(store.listing(tree.enters))
            tree.read_rules(store)
        tree.refuse_larger(self.config.max_file_mb)
        told = len(tree.refused)
        yield from (tree.refused[path] for path in sorted(tree.refused))
        for change in self._changes(tree.files()):
            told += 1
            yield change
        yield Checkpoint({"items": told})

    def fetch(self, external_id: str) -> Body:
        if not is_plain(external_id) or not self._selection.takes(external_id):
            raise NotFound()
        with self._store.opened() as store:
            return Body(store.read(external_id, self.config.max_file_mb << 20), guess_type(external_id)[0])

    def memberships(self) -> Iterator[Membership]:
        yield from ()

    # -- what is told of a file --

    def _changes(self, files: Iterator[File]) -> Iterator[Upsert]:
        if not self.config.object_tags:
            for file in files:
                yield self._change(file, None)
            return
        with self._store.opened() as store, ThreadPoolExecutor(_AT_ONCE) as asking:
            while some := list(islice(files, _AT_ONCE * 8)):
                found = asking.map(lambda file: _tags(store, file.entry), some)
                for file, tags in zip(some, found, strict=True):
                    if tags is not None:  # else it went since it was listed
                        yield self._change(file, tags)

    def _change(self, file: File, tags: Mapping[str, str] | AccessUnknown | None) -> Upsert:
        rule, own = file.rule.for_file(file.name)
        entry = file.entry
        return Upsert(
            external_id=entry.path,
            title=own.title or "",
            uri=self._uri(entry.path),
            fingerprint=entry.version or "",
            acl=_joined(self._declared, rule.acl, tags),
            mime=guess_type(entry.path)[0],
            owner=rule.owner,
            modified_at=entry.modified_at,
            review_every=rule.ages.review_every,
            stale_after=rule.ages.stale_after,
            expire_after=rule.ages.expire_after,
            supersedes=own.supersedes,
        )

    def _uri(self, path: str) -> str:
        if self.config.base_url is not None:
            return f"{self.config.base_url.rstrip('/')}/{quote(path)}"
        return self._store.uri(path)


def _store(config: FilesConfig, outbound: Outbound) -> Store:
    if isinstance(config.store, S3Store):
        return S3(config.store, outbound)
    if isinstance(config.store, SftpStore):
        return Sftp(config.store, outbound)
    if isinstance(config.store, GcsStore):
        return Gcs(config.store, outbound, tags=config.object_tags)
    if isinstance(config.store, AzureStore):
        return Azure(config.store, outbound, tags=config.object_tags)
    if isinstance(config.store, SmbStore):
        return Smb(config.store, outbound)
    return Webdav(config.store, outbound)


def _tags(store: Opened, entry: Entry) -> Mapping[str, str] | AccessUnknown | None:
    if entry.tags is not None:
        return entry.tags
    try:
        return store.tags(entry.path)
    except NotFound:
        return None
    except DocumentRejected as error:
        return AccessUnknown("tags_unreadable", f"The tags of the object cannot be read: {error.detail}")


def _joined(declared: SourceAcl, rules: SourceAcl, tags: Mapping[str, str] | AccessUnknown | None) -> SourceAcl:
    """What all places together say. ``rules`` began with what is declared, unless a file of rules started afresh: that
    drops what its parents say, but never what whoever configured the source does."""
    if rules is None or isinstance(rules, AccessUnknown):
        return rules
    kept = declared if isinstance(declared, tuple) else ()
    clauses = rules if rules[: len(kept)] == kept else (*kept, *rules)
    if tags is None or isinstance(tags, AccessUnknown):
        return clauses if tags is None else tags
    own = clause_of(tags)
    return (*clauses, own) if isinstance(own, RawClause) else own
