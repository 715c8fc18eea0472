"""The Drive API as it is asked here: files, their permissions, and the feeds of what changed.

Every listing is followed to its end or raises; an answer that is not of the documented form is no answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.google_drive.config import is_id
from connectors.google_drive.pages import Tokens, listed, pages, text
from connectors.pace import retry_after
from connectors.rest import Rest
from vouch.core.errors import CursorExpired, DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Json
from vouch.outbound.door import Answer

FOLDER = "application/vnd.google-apps.folder"
_EDITORS = "application/vnd.google-apps."
_OFFICE = "application/vnd.openxmlformats-officedocument"
EXPORTS = {
    f"{_EDITORS}document": f"{_OFFICE}.wordprocessingml.document",
    f"{_EDITORS}spreadsheet": f"{_OFFICE}.spreadsheetml.sheet",
    f"{_EDITORS}presentation": f"{_OFFICE}.presentationml.presentation",
}
"""As what each kind of Google's own documents is taken: those that keep headings, sheets and slides to cite."""
PERMISSION = (
    "id,type,role,emailAddress,domain,allowFileDiscovery,deleted,expirationTime,view,inheritedPermissionsDisabled,"
    "permissionDetails(inherited)"
)
FILE = (
    "id,name,mimeType,trashed,driveId,parents,ownedByMe,size,md5Checksum,sha256Checksum,modifiedTime,webViewLink,"
    f"hasAugmentedPermissions,owners(permissionId,emailAddress),permissions({PERMISSION})"
)
_BUSY = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "dailyLimitExceeded"})
_TOO_LARGE = frozenset({"exportSizeLimitExceeded"})
_ALL = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder. ``permissions``: None where they are not told with it. ``augmented``: whether it has
    permissions of its own besides those of its folder; None where that is not said."""

    id: str
    name: str
    mime: str
    trashed: bool
    drive: str | None
    parent: str | None
    mine: bool
    size: int | None
    checksum: str
    modified: str
    link: str
    augmented: bool | None
    owner: tuple[str, str] | None
    permissions: tuple[Json, ...] | None
    turn: int
    """In which of the answers it was told: what was asked for earlier may be older than it."""

    @property
    def is_folder(self) -> bool:
        return self.mime == FOLDER

    @property
    def taken_as(self) -> str | None:
        """The type that its content is read as; None for what has none: folders, shortcuts, forms, maps."""
        return EXPORTS.get(self.mime) if self.mime.startswith(_EDITORS) else self.mime

    @classmethod
    def of(cls, said: Any, turn: int) -> File:
        """Raises :class:`Unavailable` for what is no file."""
        try:
            owners, parents, permissions = said.get("owners"), said.get("parents"), said.get("permissions")
            file = cls(
                id=said["id"],
                name=str(said.get("name") or ""),
                mime=str(said["mimeType"]),
                trashed=said["trashed"] is not False,
                drive=said.get("driveId"),
                parent=parents[0] if parents else None,
                mine=said.get("ownedByMe") is True,
                size=int(said["size"]) if "size" in said else None,
                checksum=str(said.get("sha256Checksum") or said.get("md5Checksum") or ""),
                modified=str(said.get("modifiedTime") or ""),
                link=str(said.get("webViewLink") or ""),
                augmented=None
                if "hasAugmentedPermissions" not in said
                else said["hasAugmentedPermissions"] is not False,
                owner=_owner(owners[0]) if owners else None,
                permissions=None if permissions is None else tuple(permissions),
                turn=turn,
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise Unavailable("Google Drive told of something that is no file.") from error
        if not all(isinstance(one, str) and is_id(one) for one in (file.id, file.drive or "x", file.parent or "x")):
            raise Unavailable("Google Drive told of something that is no file.")
        return file


class Drive:
    """Asks the Drive API. Raises as :class:`~connectors.rest.Rest` does."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self.turn = 0
        """Counts the answers that told of files."""

    def file(self, file_id: str) -> File:
        found = self._rest.get(f"files/{file_id}", {"fields": FILE, "supportsAllDrives": "true"}).data
        self.turn += 1
        return File.of(found, self.turn)

    def mine(self) -> Iterator[File]:
        """What the account owns."""
        return self._files({"corpora": "user", "q": "'me' in owners and trashed = false"})

    def in_drive(self, drive_id: str) -> Iterator[File]:
        """What is in a shared drive."""
        return self._files({"corpora": "drive", "driveId": drive_id, "q": "trashed = false"})

    def children(self, folder_id: str, drive_id: str | None, *, trashed: bool = False) -> Iterator[File]:
        """What is right in a folder, which is looked for in one shared drive or among all that the account can see;
        with ``trashed``, that too."""
        asked = f"'{folder_id}' in parents"
        where = {} if drive_id is None else {"corpora": "drive", "driveId": drive_id}
        return self._files({**where, "q": asked if trashed else f"{asked} and trashed = false"})

    def drives(self) -> list[str]:
        """The shared drives that the account is a member of."""
        asked = {"pageSize": 100, "fields": "nextPageToken,drives(id)"}
        return [_id(one) for page in pages(self._rest, "drives", asked, "drives") for one in page]

    def require_drive(self, drive_id: str) -> None:
        """Raises :class:`SourceRefuses` where the account is no member of such a drive."""
        try:
            self._rest.get(f"drives/{drive_id}", {"fields": "id"})
        except NotFound as error:
            raise SourceRefuses(f"The account is no member of a shared drive {drive_id}.") from error

    def folder(self, folder_id: str) -> File:
        """Raises :class:`SourceRefuses` where there is no such folder for the account."""
        try:
            found = self.file(folder_id)
        except NotFound as error:
            raise SourceRefuses(f"There is no folder {folder_id} that the account may read.") from error
        if not found.is_folder or found.trashed:
            raise SourceRefuses(f"{folder_id} is no folder, or is in the bin.")
        return found

    def permissions(self, holder: str) -> list[Json]:
        """Of a file, a folder or a shared drive."""
        asked = {"pageSize": 100, "supportsAllDrives": "true", "fields": f"nextPageToken,permissions({PERMISSION})"}
        return [one for page in pages(self._rest, f"files/{holder}/permissions", asked, "permissions") for one in page]

    def start(self, feed: str) -> str:
        """Where the feed of a shared drive stands now, or with no name that of the account."""
        asked = {"supportsAllDrives": "true", "driveId": feed or None}
        return text(self._rest.get("changes/startPageToken", asked).data, "startPageToken")

    def changes(self, feed: str, token: str) -> tuple[set[str], bool, str]:
        """The files that changed since, whether the drive itself did, and where the feed stands now.

        Raises :class:`CursorExpired` when the feed no longer goes back so far.
        """
        changed: set[str] = set()
        whole, tokens = False, Tokens(self._rest.base.host)
        asked = {
            **_ALL, "driveId": feed or None, "pageSize": 1000, "includeRemoved": "true",
            "fields": "nextPageToken,newStartPageToken,changes(changeType,fileId)",
        }  # fmt: skip
        while True:
            said = self._since({**asked, "pageToken": tokens.next(token)})
            for one in listed(said, "changes"):
                if isinstance(one, dict) and one.get("changeType") == "drive":
                    whole = True
                else:
                    changed.add(_id(one, "fileId"))
            if "nextPageToken" not in said:
                return changed, whole, text(said, "newStartPageToken")
            token = text(said, "nextPageToken")

    def content(self, file: File, max_bytes: int) -> bytes:
        """Raises :class:`DocumentRejected` also for what may not be downloaded, or is too large to be exported."""
        mime = EXPORTS.get(file.mime)
        path = (
            f"files/{file.id}/export?mimeType={mime}" if mime else f"files/{file.id}?alt=media&supportsAllDrives=true"
        )
        answer = self._rest.download(path, max_bytes, accept=(403,))
        if answer.status != 403:
            return answer.body
        reasons = _reasons(answer)
        if reasons & _BUSY:
            raise Unavailable("Google Drive asks for patience.", retry_after_s=retry_after(answer) or 0.0)
        if reasons & _TOO_LARGE:
            raise DocumentRejected("It is larger than Google exports.", reason="too_large")
        raise DocumentRejected("Google Drive does not let it be downloaded.", reason="unreadable")

    def _since(self, asked: Json) -> Any:
        try:
            return self._rest.get("changes", asked).data
        except NotFound as error:
            raise CursorExpired("Google Drive no longer tells what changed since.") from error
        except SourceRefuses as error:
            if error.said != 400:
                raise
            raise CursorExpired("Google Drive no longer tells what changed since.") from error

    def _files(self, asked: Json) -> Iterator[File]:
        fields = f"nextPageToken,incompleteSearch,files({FILE})"
        for page in pages(self._rest, "files", {**_ALL, **asked, "pageSize": 1000, "fields": fields}, "files"):
            self.turn += 1
            yield from (File.of(one, self.turn) for one in page)


def patience(answer: Answer) -> float | None:
    """Which refusals ask for patience: a quota that is used up is told as 403."""
    if answer.status == 403 and _reasons(answer) & _BUSY:
        return retry_after(answer) or 0.0
    return retry_after(answer)


def _reasons(answer: Answer) -> frozenset[str]:
    """The words that an error gives for itself."""
    try:
        errors = json.loads(answer.body)["error"]["errors"]
        return frozenset(str(one["reason"]) for one in errors)
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()


def moment(written: str) -> datetime | None:
    """A time as Google writes it; None for what is none, or says no offset."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _owner(said: Any) -> tuple[str, str]:
    return str(said["permissionId"]), str(said.get("emailAddress") or "")


def _id(said: Any, name: str = "id") -> str:
    found = text(said, name)
    if not is_id(found):
        raise Unavailable("Google Drive told of something that is no file.")
    return found
