"""What a file is, by its content; its name decides only between kinds of text."""

from __future__ import annotations

import codecs
import io
import re
import zipfile
import zlib
from pathlib import PurePosixPath

import filetype
import olefile
from charset_normalizer import from_bytes

from ingestion.parse.archive import refuse_hostile
from vouch.core.errors import DocumentRejected

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
EPUB = "application/epub+zip"
MSG = "application/vnd.ms-outlook"
RTF = "application/rtf"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
CSV = "text/csv"
TSV = "text/tab-separated-values"
EML = "message/rfc822"

_BY_SUFFIX = {
    ".pdf": PDF, ".docx": DOCX, ".docm": DOCX, ".pptx": PPTX, ".pptm": PPTX, ".xlsx": XLSX, ".xlsm": XLSX,
    ".odt": ODT, ".epub": EPUB, ".msg": MSG, ".rtf": RTF, ".html": HTML, ".htm": HTML, ".xhtml": HTML,
    ".md": MARKDOWN, ".markdown": MARKDOWN, ".mdx": MARKDOWN, ".txt": PLAIN, ".text": PLAIN, ".log": PLAIN,
    ".rst": PLAIN, ".adoc": PLAIN, ".asciidoc": PLAIN, ".csv": CSV, ".tsv": TSV, ".tab": TSV, ".eml": EML,
}  # fmt: skip
_ALIASES = {"text/x-markdown": MARKDOWN, "text/rtf": RTF, "application/xhtml+xml": HTML, "application/csv": CSV}
_TEXTS = frozenset({HTML, MARKDOWN, PLAIN, CSV, TSV, EML})
_OLE_STREAMS = (
    ("EncryptedPackage", "encrypted"),
    ("__properties_version1.0", MSG),
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
)
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAIL_HEADER = re.compile(r"\A(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){2,}")
_MAIL_FIELDS = re.compile(r"^(?:from|to|subject|date|received|mime-version|message-id|return-path):", re.I | re.M)
_HTML_START = re.compile(
    r"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL_BYTES = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def detect(data: bytes, name: str, mime: str | None) -> str:
    """The media type of ``data``.

    ``name`` and ``mime`` are claims. Raises :class:`DocumentRejected` with reason ``empty``, ``encrypted``,
    ``truncated``, ``corrupt``, ``mislabelled`` (the content is of another type than claimed), ``unsupported``,
    ``too_large`` or ``unsafe`` (an archive that :func:`ingestion.parse.archive.refuse_hostile` refuses).
    """
    if not data.strip(b"\x00\t\n\x0b\x0c\r \xef\xbb\xbf\xff\xfe"):
        raise DocumentRejected("The file is empty", reason="empty")
    claim = claimed(name, mime)
    found = _by_magic(data)
    if found is None:
        found = _text_type(data, claim)
    if claim is not None and claim != found:
        raise _mislabelled(claim, found)
    if found not in _BY_SUFFIX.values() or PurePosixPath(name).suffix.lower() == ".svg":
        raise DocumentRejected(f"{found} is not a type that is read", reason="unsupported")
    return found


def claimed(name: str, mime: str | None) -> str | None:
    """The type that the file's name says it is, else the given one, else None."""
    by_name = _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())
    if by_name is not None:
        return by_name
    given = (mime or "").split(";")[0].strip().lower()
    given = _ALIASES.get(given, given)
    return given if given in _BY_SUFFIX.values() else None


def decode(data: bytes, *, declared: str | None = None) -> str:
    """Text of ``data``: by byte order mark, as UTF-8, as ``declared``, else by looking.

    Raises :class:`DocumentRejected` (``unreadable``) when it is no text in any encoding.
    """
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", None))
    for candidate in (encoding, _unmarked_utf16(data), "utf-8", declared):
        if candidate is not None and (text := _decoded(data[len(mark) :], candidate)) is not None:
            break
    else:
        best = from_bytes(data[:200_000]).best()
        if best is None:
            raise DocumentRejected("The text's encoding cannot be told", reason="unreadable")
        text = data.decode(best.encoding, errors="replace")
    head = text[:100_000]
    if len(_CONTROLS.findall(head)) > 0.01 * len(head):
        raise DocumentRejected("The file is not text", reason="unreadable")
    return text


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _unmarked_utf16(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: in most text every other byte is zero."""
    head = data[:1000]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) < 0.3 * len(head) or min(even, odd) > 0.02 * len(head):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _text_type(data: bytes, claim: str | None) -> str:
    """The type of a file that no magic number names: text, or nothing we know."""
    try:
        head = decode(data)[:20_000]
    except DocumentRejected:
        if claim is not None and claim not in _TEXTS:
            raise DocumentRejected(f"The content is not {claim}, nor anything known", reason="corrupt") from None
        raise
    if claim is not None and claim not in _TEXTS:
        raise _mislabelled(claim, PLAIN)
    if claim is not None:
        return claim
    if _HTML_START.match(head):
        return HTML
    mail = _MAIL_HEADER.match(head)
    return EML if mail and len(_MAIL_FIELDS.findall(mail[0])) >= 2 else PLAIN


def _by_magic(data: bytes) -> str | None:
    textual = _looks_like_text(data)
    if data.lstrip().startswith(b"%PDF-") or (b"%PDF-" in data[:1024] and not textual):
        return PDF
    if data.startswith(b"{\\rtf"):
        return RTF
    if data.startswith(_OLE_MAGIC):
        return _ole_type(data)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(data)
    # Two letters are enough for some magic numbers ("BM" is a bitmap), so text is not put to the test.
    kind = None if textual else filetype.guess(data)
    return None if kind is None else str(kind.mime)


def _looks_like_text(data: bytes) -> bool:
    head = data[:8192]
    if head.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return b"\x00" not in head and len(_CONTROL_BYTES.findall(head)) <= 0.01 * len(head)


def _ole_type(data: bytes) -> str:
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            found = next((what for stream, what in _OLE_STREAMS if ole.exists(stream)), None)
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise DocumentRejected("The compound file cannot be opened", reason="corrupt") from error
    if found == "encrypted":
        raise DocumentRejected("The document is protected by a password", reason="encrypted")
    return found or "application/x-ole-storage"


def _zip_type(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            kind = _zip_kind(archive, {m.filename for m in members})
            if any(m.flag_bits & 0x1 for m in members):
                raise DocumentRejected("The document is protected by a password", reason="encrypted")
            if kind in _BY_SUFFIX.values():
                refuse_hostile(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, OSError, EOFError) as error:
        # The directory of a zip file is its end: without it the file was cut.
        reason = "corrupt" if b"PK\x05\x06" in data else "truncated"
        raise DocumentRejected(f"The archive cannot be opened: it is {reason}", reason=reason) from error
    return kind


def _zip_kind(archive: zipfile.ZipFile, names: set[str]) -> str:
    if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
        kind = archive.read("mimetype").decode("ascii", errors="replace").strip()
        if kind in (ODT, EPUB):
            return kind
    if "[Content_Types].xml" in names:
        for part, kind in (("word/document.xml", DOCX), ("ppt/presentation.xml", PPTX), ("xl/workbook.xml", XLSX)):
            if part in names:
                return kind
    return "application/zip"


def _mislabelled(claim: str, found: str) -> DocumentRejected:
    return DocumentRejected(f"The file is called {claim} and its content is {found}", reason="mislabelled")
