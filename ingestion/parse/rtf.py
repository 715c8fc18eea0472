"""RTF: its text, by `striprtf`; styles are lost, so structure is what plain text shows."""

from __future__ import annotations

from striprtf.striprtf import rtf_to_text

from ingestion.parse.document import Draft
from ingestion.parse.plain import blocks
from vouch.core.errors import DocumentRejected


def read(data: bytes, name: str) -> Draft:
    if data.count(b"{") - data.count(b"\\{") > data.count(b"}") - data.count(b"\\}"):
        raise DocumentRejected("The RTF ends before its groups are closed", reason="truncated")
    # RTF is ASCII with escapes; bytes above are in the code page that \ansicpg names, which striprtf applies.
    text = rtf_to_text(data.decode("latin-1"), errors="ignore")
    # A paragraph ends with one line end there, with a blank line in plain text.
    return Draft(tuple(blocks(text.replace("\n", "\n\n"))), pictures=b"\\pict" in data)
