"""Parsing: bytes of any kind → one normalised text with its structure.

:func:`parse` is all that the rest of ingestion calls. One reader a format, imported when first needed:
each is a function ``read(data, name) -> Draft`` in the module named below.
"""

from __future__ import annotations

from importlib import import_module

from ingestion.parse import detect
from ingestion.parse.assemble import assemble
from ingestion.parse.document import Draft, Element, Parsed
from vouch.core.errors import DocumentRejected

__all__ = ["REASONS", "Element", "Parsed", "parse"]

REASONS = frozenset(
    {"empty", "encrypted", "truncated", "corrupt", "mislabelled", "unsupported", "too_large", "no_text", "unreadable",
     "unsafe", "too_deep", "too_expensive", "parser_died"}
)  # fmt: skip
"""Every ``reason`` that a :class:`DocumentRejected` of this room carries; the last two are the parser process's."""

READERS = {
    detect.MARKDOWN: "markdown",
    detect.PLAIN: "plain",
    detect.HTML: "html",
    detect.DOCX: "word",
    detect.PPTX: "slides",
    detect.XLSX: "sheet",
    detect.CSV: "delimited",
    detect.TSV: "delimited",
    detect.EML: "mail",
    detect.MSG: "mail",
    detect.PDF: "pdf",
    detect.RTF: "rtf",
    detect.ODT: "opendocument",
    detect.EPUB: "epub",
}
MAX_BYTES = 200 << 20
"""Beyond what any setting allows; the connector's and the API's own limits are lower."""
# What a parser raises when it meets a broken file. Anything else (a time limit, a lack of memory) is not the
# document's fault and passes through.
_BROKEN = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, EOFError, OSError,
    RuntimeError, SyntaxError,
)  # fmt: skip
_PARSERS = frozenset({
    "docx", "pptx", "openpyxl", "unstructured", "lxml", "pypdfium2", "pdfminer", "pdfplumber", "oxmsg", "olefile",
    "zipfile", "zlib", "struct", "_csv",
})  # fmt: skip


def parse(data: bytes, name: str, mime: str | None = None, *, article: bool = False) -> Parsed:
    """Read ``data``, the content of a document called ``name`` that its source says is ``mime``.

    ``article``: where it is HTML, it is a page of a web site, of which what stands around its article is not wanted.
    Raises :class:`DocumentRejected` with one of :data:`REASONS`; never another error because of what the file holds.
    Needs no network. Deterministic.
    """
    return assemble(*draft_of(data, name, mime, article=article))


def draft_of(data: bytes, name: str, mime: str | None, *, article: bool = False) -> tuple[Draft, str, str]:
    """The reader's draft, ``name``, and the type found. Raises as :func:`parse`; readers of containers call it."""
    if len(data) > MAX_BYTES:
        raise DocumentRejected(f"The file is larger than {MAX_BYTES >> 20} MiB", reason="too_large")
    kind = detect.detect(data, name, mime)
    reader = import_module(f"ingestion.parse.{READERS[kind]}")
    try:
        read = reader.read_article if article and kind == detect.HTML else reader.read
        return read(data, name), name, kind
    except DocumentRejected:
        raise
    except RecursionError as error:
        raise DocumentRejected("The document is nested deeper than is read", reason="too_deep") from error
    except Exception as error:
        if isinstance(error, _BROKEN) or type(error).__module__.partition(".")[0] in _PARSERS:
            raise DocumentRejected(f"The file cannot be read as {kind}", reason="corrupt") from error
        raise
