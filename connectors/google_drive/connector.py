"""Google Drive: shared drives, folders and what a user owns, read over its API with the permissions that it tells.

What is asked is in :mod:`connectors.google_drive.api`, what belongs to the source in
:mod:`connectors.google_drive.scope`, who may read in :mod:`connectors.google_drive.rules`. A file is its id: it may be
renamed and moved, and is the same document.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel

from connectors.accounts import Account, Accounts
from connectors.feeds import MOST_LEFT, Cursor, what_is_read
from connectors.google_drive.api import Drive, File, moment, patience
from connectors.google_drive.config import GoogleDriveConfig, is_id
from connectors.google_drive.directory import GoogleDirectory
from connectors.google_drive.rules import HIDDEN, Rules
from connectors.google_drive.scope import Scope
from connectors.google_drive.token import credentials
from connectors.protocol import Membership
from connectors.rest import Rest, address_of
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound, SourceRefuses
from vouch.core.types import AclChanged, Body, Change, Checkpoint, Deleted, Json, Refused, Upsert
from vouch.outbound.door import Outbound

_CHECKPOINT_EVERY = 500
_MAX_TITLE = 300
_MAX_LINK = 2000
_BESIDES = frozenset({"service_account", "client_secret", "refresh_token", "people", "max_files"})


class GoogleDriveConnector:
    """Reads Google Drive: documents, sheets, slides and files, with who may read them there."""

    kind: ClassVar[str] = "google_drive"
    Config: ClassVar[type[BaseModel]] = GoogleDriveConfig
    lists_everything: ClassVar[bool] = False
    goes_out: ClassVar[bool] = True

    def __init__(self, config: GoogleDriveConfig, outbound: Outbound) -> None:
        """Raises :class:`BadConfig` for an address, a key or a combination that cannot work. Whether Google accepts
        the key only a scan tells."""
        _require_sense(config)
        self.config = config
        token, directory = credentials(config, address_of(config.token_url, "token_url", outbound), outbound)
        api = address_of(config.api, "api", outbound)
        self._drive = Drive(Rest(outbound, api, token, pause=patience))
        self._accounts = Accounts(config.issuer, config.people)
        self._directory: Rest | None = None
        if config.directory is not None and directory is not None:
            api = address_of(config.directory.api, "directory.api", outbound)
            self._directory = Rest(outbound, api, directory, pause=patience)

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        """Everything, or what the feeds tell of since the cursor.

        The feeds are asked for before anything is listed, so what changes meanwhile is told by them; what moved while
        it was being listed is looked for once more. Raises :class:`CursorExpired` where a feed does not go back so
        far, where a folder is gone with what was in it, and where the members of a shared drive changed.
        """
        try:
            yield from self._changes(cursor)
        except NotFound as error:
            raise SourceRefuses("Google Drive no longer has what is being read.", said=404) from error

    def fetch(self, external_id: str) -> Body:
        """The file's own bytes, or Google's document in a form that can be read."""
        if not is_id(external_id):
            raise NotFound()
        scope = Scope(self._drive, self.config)
        try:
            file = self._drive.file(external_id)
            if not scope.holds(file) or not scope.offers(file):
                raise NotFound()
            if self._is_too_large(file):
                raise DocumentRejected(self._too_large, reason="too_large")
            return Body(self._drive.content(file, self.config.max_file_mb << 20), file.taken_as)
        except SourceRefuses as error:
            if error.said != 403:
                raise
            raise DocumentRejected(error.detail, reason="unreadable") from error

    def memberships(self) -> Iterator[Membership]:
        """Who each account is; with a directory also who is in its groups.

        Without one an account's address is told by what is shared with it, so where users are named by address
        everything is listed.
        """
        try:
            yield from self._members()
        except NotFound as error:
            raise SourceRefuses("Google no longer has what is being read.", said=404) from error

    # -- reading --

    def _changes(self, cursor: Json | None) -> Iterator[Change]:
        scope, rules = Scope(self._drive, self.config), self._rules()
        of = what_is_read(self.config, _BESIDES)
        if cursor is None:
            yield from self._whole(Cursor(of, scope.starts()), scope, rules)
            return
        known = Cursor.read(cursor, of)
        if known is None or known.feeds.keys() != scope.starts().keys():
            raise CursorExpired("It is not of what is read now")
        changed = self._advance(known)
        yield from self._visit(sorted({*changed, *known.left}), (known, set()), scope, rules)
        yield Checkpoint(known.written([]))

    def _members(self) -> Iterator[Membership]:
        directory = self._read_directory()
        if directory is not None:
            yield from directory.memberships(self._accounts)
            return
        named = self.config.people.named
        known: dict[str, str | None] = {account.strip(): None for account in named if "@" not in account}
        if any("@" in account for account in named):
            rules = self._rules()
            for file in Scope(self._drive, self.config).everything():
                if file.is_folder:
                    continue
                for account in rules.accounts_of(file):
                    # One account with two addresses: which one is its own cannot be told, so neither counts.
                    same = known.setdefault(account.id, account.email) == account.email
                    known[account.id] = account.email if same else None
        yield from self._accounts.members(Account(id, email) for id, email in known.items())

    def _rules(self) -> Rules:
        return Rules(self._drive, self.config, self._accounts, self._read_directory())

    def _read_directory(self) -> GoogleDirectory | None:
        """Read anew for each scan: who has which address may have changed."""
        if self._directory is None or self.config.directory is None:
            return None
        return GoogleDirectory(self._directory, self.config.directory.customer)

    def _whole(self, reached: Cursor, scope: Scope, rules: Rules) -> Iterator[Change]:
        told: set[str] = set()
        for file in scope.everything():
            if file.is_folder:
                reached.add_folder(file.id)
            elif scope.offers(file):
                self._count(told, file.id)
                yield self._change(file, rules)
        late = Cursor(reached.of, dict(reached.feeds))
        changed = self._advance(late, whole=True)
        for change in self._visit(sorted(changed - told), (late, told), scope, rules):
            if isinstance(change, Upsert | Refused):  # what is gone by now was not told, so it goes
                yield change
        reached.add_folders_of(late)
        yield Checkpoint(reached.written([]))

    def _advance(self, known: Cursor, *, whole: bool = False) -> set[str]:
        """What the feeds told of since; ``known`` then stands where they do."""
        found: set[str] = set()
        for feed, token in known.feeds.items():
            changed, drive, known.feeds[feed] = self._drive.changes(feed, token)
            if drive and feed and not whole:
                raise CursorExpired("The members of a shared drive changed, or what they may do")
            found |= changed
        return found

    def _visit(self, ids: list[str], so_far: tuple[Cursor, set[str]], scope: Scope, rules: Rules) -> Iterator[Change]:
        """What each of ``ids`` is now; of a folder, all that is in it, for it may have come or gone, or be shared with
        others than before, and a feed need not say so of each item."""
        done = 0
        for n, id in enumerate(ids):
            for change in self._now(id, so_far, scope, rules):
                done += 1
                yield change
            if done >= _CHECKPOINT_EVERY and len(ids) - n - 1 <= MOST_LEFT:
                done = 0
                yield Checkpoint(so_far[0].written(ids[n + 1 :]))

    def _now(self, id: str, so_far: tuple[Cursor, set[str]], scope: Scope, rules: Rules) -> Iterator[Change]:
        reached, told = so_far
        if id in told:
            return
        try:
            file = self._drive.file(id)
        except (NotFound, SourceRefuses) as error:
            if isinstance(error, SourceRefuses) and error.said != 403:
                raise
            if reached.was_folder(id):
                raise CursorExpired("A folder is gone; what was in it only a whole listing tells") from error
            yield Deleted(id) if isinstance(error, NotFound) else AclChanged(id, HIDDEN)
            return
        met = [file] if not file.is_folder else scope.below(file, trashed=True)
        if file.is_folder:
            reached.add_folder(id)
        for one in met:
            if one.is_folder:
                reached.add_folder(one.id)
            elif one.id not in told:
                self._count(told, one.id)
                here = scope.holds(one) and scope.offers(one)
                yield self._change(one, rules) if here else Deleted(one.id)

    # -- a file --

    def _count(self, told: set[str], id: str) -> None:
        told.add(id)
        if len(told) > self.config.max_files:
            raise BadConfig(f"There are more than {self.config.max_files:,} files", field="config.max_files")

    def _change(self, file: File, rules: Rules) -> Upsert | Refused:
        if self._is_too_large(file):
            return Refused(file.id, "too_large", self._too_large)
        name = "".join(char if char.isprintable() else " " for char in file.name)
        # An edit moves the time. The version that Drive counts moves with every look at who may read it, too.
        content = "\0".join((file.mime, file.checksum or file.modified, str(file.size), file.name))
        return Upsert(
            external_id=file.id,
            title=" ".join(name.split())[:_MAX_TITLE],
            uri=_link(file),
            fingerprint=hashlib.sha256(content.encode("utf-8", "replace")).hexdigest(),
            acl=rules.access(file),
            mime=file.taken_as,
            owner=rules.owner(file),
            modified_at=moment(file.modified),
        )

    def _is_too_large(self, file: File) -> bool:
        return file.size is not None and file.mime == file.taken_as and file.size > self.config.max_file_mb << 20

    @property
    def _too_large(self) -> str:
        return f"It is larger than {self.config.max_file_mb} MiB"


def _link(file: File) -> str:
    fine = file.link.startswith("https://") and file.link.isprintable() and len(file.link) <= _MAX_LINK
    return file.link if fine and " " not in file.link else f"https://drive.google.com/open?id={file.id}"


def _require_sense(config: GoogleDriveConfig) -> None:
    """Raises :class:`BadConfig` for settings that do nothing, or the wrong thing, together."""
    for wrong, field, said in (
        (not (config.drives or config.folders or config.my_drive), "drives", "nothing is read: name shared drives,"
         " folders, or set my_drive"),
        (config.domain_sharing != "nobody" and not config.domains, "domains", "needed where domain_sharing is"),
        (config.people.issuer is not None and config.directory is None, "people.issuer", "the ids of users are known"
         " only with a directory"),
    ):  # fmt: skip
        if wrong:
            raise BadConfig(f"config.{field}: {said}", field=f"config.{field}")
