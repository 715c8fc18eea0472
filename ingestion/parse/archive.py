"""What is looked at in an archive (DOCX, PPTX, XLSX, ODT, EPUB) before a library opens it.

Members are read in memory and never written to a disk, so a name that leads out of a folder, or a link, does no harm
here; an honest document has neither.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections import Counter
from pathlib import PurePosixPath

from vouch.core.errors import DocumentRejected

MAX_MEMBERS = 20_000
MAX_UNPACKED = 400 << 20
MAX_RATIO = 200
"""Unpacked size by packed size. Sheets of equal rows reach 60; deflate itself ends at 1,032."""
_SMALL = 4 << 20
"""A member that unpacks to less may have any ratio."""
_XML = frozenset({".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".vml", ".rdf"})
_PROLOG = 1 << 16
_ELEMENT = re.compile(rb"<[A-Za-z_]")
_ENTITY = re.compile(rb"<!ENTITY", re.I)


def refuse_hostile(archive: zipfile.ZipFile) -> None:
    """Raises :class:`DocumentRejected`: ``too_large`` for a flood, ``unsafe`` for what only an attack would hold."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS or sum(m.file_size for m in members) > MAX_UNPACKED:
        raise DocumentRejected("The archive unpacks to more than is read", reason="too_large")
    if any(count > 1 for count in Counter(m.filename for m in members).values()):
        raise _unsafe("holds two members of one name")
    for member in members:
        if member.file_size > max(_SMALL, MAX_RATIO * member.compress_size):
            raise _unsafe(f"holds a member that is packed more than {MAX_RATIO} to 1")
        if _leads_outside(member.filename):
            raise _unsafe("holds a member whose name leads out of it")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _unsafe("holds a link")
    for member in members:
        if PurePosixPath(member.filename).suffix.lower() in _XML:
            _refuse_entities(archive, member)


def _leads_outside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or re.match(r"[A-Za-z]:", parts[0]) is not None


def _refuse_entities(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Entities are declared before the first element. No office format has any; expanding them is the old bomb."""
    with archive.open(member) as stream:
        head = stream.read(_PROLOG).replace(b"\x00", b"")  # UTF-16 reads as ASCII without its zeros
    first = _ELEMENT.search(head)
    if _ENTITY.search(head, 0, first.start() if first else len(head)):
        raise _unsafe("declares entities")
    if first is None and member.file_size > _PROLOG:
        raise _unsafe("begins with more than is looked through for entities")


def _unsafe(what: str) -> DocumentRejected:
    return DocumentRejected(f"The archive {what}: no honest document does", reason="unsafe")
