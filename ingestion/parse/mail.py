"""Mail (EML and Outlook's MSG): who, when, the body, and the attachments that can be read.

Blind copies are left out of the text: who may read a mail may not know of them.
"""

from __future__ import annotations

import email.policy
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from typing import Any

from ingestion.parse import html, plain
from ingestion.parse.document import Block, Draft
from ingestion.parse.normalise import one_line
from vouch.core.errors import DocumentRejected

_FIELDS = ("From", "To", "Cc", "Date")
_MAX_ATTACHMENTS = 50
_MAX_DEPTH = 3
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
_ENCRYPTED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")


@dataclass(frozen=True, slots=True)
class _Mail:
    subject: str
    fields: tuple[tuple[str, str], ...]
    body: Draft
    attachments: tuple[tuple[str, bytes], ...]


def read(data: bytes, name: str) -> Draft:
    return _read(data, 0)


def _read(data: bytes, depth: int) -> Draft:
    mail = _outlook(data) if data.startswith(_OLE_MAGIC) else _internet(data)
    lines = "\n".join(f"{label}: {value}" for label, value in mail.fields if value)
    body = (replace(block, place="mail body", headed=True) for block in mail.body.blocks)
    blocks = [Block("paragraph", lines, place="mail header"), *body]
    notes = list(mail.body.notes)
    left_out = 0
    for number, (name, content) in enumerate(mail.attachments):
        try:
            if number >= _MAX_ATTACHMENTS or depth >= _MAX_DEPTH:
                raise DocumentRejected("Too many attachments", reason="too_large")
            blocks += _attached(name, content, depth)
        except DocumentRejected as rejected:
            left_out += 1
            notes.append(f"attachment {name} was left out: {rejected.reason}")
    return Draft(tuple(blocks), mail.subject, mail.body.language, left_out > 0, tuple(notes))


def _attached(name: str, content: bytes, depth: int) -> Iterator[Block]:
    from ingestion.parse import draft_of

    place = f"attachment {name}"
    draft = _read(content, depth + 1) if name.lower().endswith((".eml", ".msg")) else draft_of(content, name, None)[0]
    blocks = [Block("heading", f"Attachment {name}", 1, place)]
    for block in draft.blocks:
        where = f"{place}, {block.place}" if block.place else place
        heading = block.kind in ("heading", "title")
        blocks.append(
            replace(
                block,
                kind="heading" if heading else block.kind,
                level=block.level + heading,
                place=where,
                headed=block.headed or not block.place,
                turns=tuple((at, f"{place}, {there}") for at, there in block.turns),
            )
        )
    return iter(blocks)


def _internet(data: bytes) -> _Mail:
    message = BytesParser(policy=email.policy.default).parsebytes(data)
    if not any(message[field] for field in ("From", "To", "Subject", "Date", "Received")):
        raise DocumentRejected("The file has none of a mail's header fields", reason="mislabelled")
    body = message.get_body(("html", "plain"))
    kinds = {part.get_content_type() for part in message.walk()}
    text = _content(body) if body is not None else ""
    if kinds.intersection(_ENCRYPTED) or text.lstrip().startswith("-----BEGIN PGP MESSAGE-----"):
        raise DocumentRejected("The mail is encrypted", reason="encrypted")
    is_html = body is not None and body.get_content_type() == "text/html"
    return _Mail(
        subject=one_line(str(message["Subject"] or "")),
        fields=tuple((field, one_line(", ".join(map(str, message.get_all(field, []))))) for field in _FIELDS),
        body=_body(text, is_html),
        attachments=tuple(_attachments(message)),
    )


def _content(part: MIMEPart) -> str:
    """A text part's content; a charset that is unknown or wrong is no reason to lose the mail."""
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset("utf-8")
    try:
        return raw.decode(charset)
    except (LookupError, UnicodeDecodeError):
        return raw.decode("utf-8", errors="replace")


def _attachments(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    for number, part in enumerate(message.iter_attachments(), 1):
        name = one_line(part.get_filename() or "")
        if part.get_content_type() == "message/rfc822":
            inner: Any = part.get_payload(0)
            yield name or f"message {number}.eml", inner.as_bytes()
        elif part.get_content_disposition() == "attachment" or name:
            payload = part.get_payload(decode=True)
            yield name or f"{number}", payload if isinstance(payload, bytes) else b""


def _outlook(data: bytes) -> _Mail:
    from oxmsg import Message

    message = Message.load(io.BytesIO(data))
    headers = message.message_headers
    if any(kind in headers.get("Content-Type", "").lower() for kind in _ENCRYPTED):
        raise DocumentRejected("The mail is encrypted", reason="encrypted")
    date = headers.get("Date") or (message.sent_date.isoformat(" ", "minutes") if message.sent_date else "")
    is_html = bool(message.html_body)
    return _Mail(
        subject=one_line(message.subject or ""),
        fields=(
            ("From", one_line(message.sender or "")),
            ("To", one_line(headers.get("To", ""))),
            ("Cc", one_line(headers.get("Cc", ""))),
            ("Date", one_line(date)),
        ),
        body=_body(message.html_body or message.body or "", is_html),
        attachments=tuple((one_line(a.file_name or ""), a.file_bytes or b"") for a in message.attachments),
    )


def _body(text: str, is_html: bool) -> Draft:
    if not text.strip():
        return Draft(())
    if is_html:
        return replace(html.from_text(text), title="")
    return Draft(tuple(plain.blocks(re.sub(r"\r\n?", "\n", text))))
