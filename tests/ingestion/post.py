"""A real SMTP server on loopback that does as a test tells it, and a small company whose reports it is to carry."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from acl import directory
from acl.assign import assign
from ingestion.mail import schedule
from ingestion.mail.deliver import deliver
from ingestion.mail.letters import Desk
from ingestion.mail.recipients import give_address
from ingestion.mail.server import Mailer
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Document, ReportDelivery, Source, Tenant
from vouch.core import clock
from vouch.core.ids import new_id
from vouch.core.types import Clause

TENANT = "acme"
DAY = 86_400
OLD = clock.now() - timedelta(days=400)
KEYS = (b"key of the links",)
LOST = "lost"
"""In the place of an answer: the connection ends."""


@dataclass
class Mailbox:
    """What arrived, and how to answer: by recipient, or in turn to each message, then 250."""

    arrived: list[tuple[str, bytes]] = field(default_factory=list)
    recipients: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    on_rcpt: Callable[[], None] = field(default=lambda: None)
    on_data: Callable[[], None] = field(default=lambda: None)
    heard: list[str] = field(default_factory=list)

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        assert server.transport is not None
        sealed = server.transport.get_extra_info("ssl_object") is not None
        self.heard.append(f"MAIL {address} {'tls' if sealed else 'clear'}")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        await asyncio.to_thread(self.on_rcpt)
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        assert isinstance(envelope.content, bytes)
        if answer == LOST or answer.startswith("250"):
            self.arrived.append((envelope.rcpt_tos[0], envelope.content))
        await asyncio.to_thread(self.on_data)
        if answer == LOST:
            assert server.transport is not None
            server.transport.abort()
        return answer

    def letters(self, to: str | None = None) -> list[EmailMessage]:
        found = [message_from_bytes(raw, policy=default) for rcpt, raw in self.arrived if to in (None, rcpt)]
        return [one for one in found if isinstance(one, EmailMessage)]


@contextmanager
def serving(box: Mailbox, *, tls: str = "none", login: bool = False) -> Iterator[int]:
    """The port of a server with this mailbox. ``tls``: none, starttls (and required), tls."""

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"vouch", b"let me in")
        return AuthResult(success=good, handled=False)

    context = server_context() if tls != "none" else None
    known = {"authenticator": check, "auth_required": tls == "starttls"} if login else {}

    def protocol() -> SMTP:
        offered = {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
        unneeded = {"auth_require_tls": False} if tls == "tls" else {}
        return SMTP(box, hostname="mail.example.org", loop=loop, **offered, **unneeded, **known)

    loop = asyncio.new_event_loop()
    wrapped = context if tls == "tls" else None
    server = loop.run_until_complete(loop.create_server(protocol, "127.0.0.1", 0, ssl=wrapped))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@cache
def certificate() -> tuple[bytes, bytes]:
    """A certificate for 127.0.0.1, its own authority, and its key; in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(certificate()))
        file.flush()
        context.load_cert_chain(file.name)
    return context


@dataclass
class Post:
    """Carol and Dave own documents, each of one that they may not read; the mailbox is where their mail goes."""

    catalog: Catalog
    box: Mailbox
    desk: Desk

    def with_mailer(self, **given: Any) -> Post:
        return Post(self.catalog, self.box, Desk(replace(self.desk.mailer, **given), self.desk.keys))

    def document(self, title: str, owner: str, *, allow: Sequence[str] = ("authenticated",), days: int = 400) -> str:
        document_id = new_id()
        with self.catalog.transaction(TENANT) as session:
            session.add(
                Document(
                    tenant_id=TENANT, id=document_id, source_id="docs", external_id=f"{title}.md", title=title,
                    uri=f"https://files.example.org/{title}.md", owner=owner, state="live", current_version=1,
                    modified_at=clock.now() - timedelta(days=days),
                )
            )  # fmt: skip
        self.readers(document_id, *allow)
        return document_id

    def readers(self, document_id: str, *allow: str) -> None:
        with self.catalog.transaction(TENANT) as session:
            assign(session, TENANT, {document_id: (Clause.of(allow),) if allow else None}, actor="test")

    def user(self, name: str, *, active: bool = True, address: bool = False) -> None:
        with self.catalog.transaction(TENANT) as session:
            directory.put_user(session, TENANT, f"user:{name}", name=name.title(), active=active, actor="test")
            if address:
                give_address(session, TENANT, f"user:{name}", f"{name}@example.org")

    def schedule(self, to: Sequence[str] = ("authenticated",), every: str | None = "7d") -> None:
        with self.catalog.transaction(TENANT) as session:
            schedule.set_schedule(session, TENANT, every, to)

    def due(self, *, days: int = 7) -> list[str]:
        """The schedule has come; the ids of what is owed then, in the order of users."""
        with clock.frozen(clock.now() + timedelta(days=days)), self.catalog.transaction(ACROSS_TENANTS) as session:
            schedule.enqueue_due(session)
        return [row.id for row in self.rows() if row.state == "waiting"]

    def owed(self, name: str) -> str:
        """One report for this user, due now."""
        delivery_id = new_id()
        with self.catalog.transaction(TENANT) as session:
            session.add(
                ReportDelivery(
                    tenant_id=TENANT, id=delivery_id, user_id=f"user:{name}", kind="report", period=clock.now()
                )
            )
        return delivery_id

    def deliver(self, delivery_id: str, *, after_s: float = 0) -> ReportDelivery:
        """Try it, as many seconds from now; what became of it."""
        with clock.frozen(clock.now() + timedelta(seconds=after_s)):
            deliver(self.catalog, self.desk, TENANT, delivery_id)
        return self.row(delivery_id)

    def row(self, delivery_id: str) -> ReportDelivery:
        with self.catalog.reading(TENANT) as session:
            return session.get_one(ReportDelivery, (TENANT, delivery_id))

    def rows(self) -> list[ReportDelivery]:
        with self.catalog.reading(TENANT) as session:
            query = sa.select(ReportDelivery).order_by(sa.literal_column("user_id"), sa.literal_column("period"))
            return list(session.execute(query).scalars())

    def audited(self, action: str) -> list[Any]:
        with self.catalog.reading(TENANT) as session:
            return list(session.execute(sa.text("SELECT * FROM audit_entry WHERE action = :a"), {"a": action}))


def open_post(catalog: Catalog, box: Mailbox, port: int) -> Post:
    """A company of three with a mail server at ``port`` that does no TLS."""
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id=TENANT, name="Acme"))
        session.flush()
        session.add(
            Source(
                tenant_id=TENANT, id="docs", name="docs", kind="push", review_every_s=180 * DAY, stale_after_s=DAY * 365
            )
        )
    mailer = Mailer("127.0.0.1", port, "none", "vouch@example.org", "https://www.example.org")
    post = Post(catalog, box, Desk(mailer, KEYS))
    for name in ("carol", "dave", "erin"):
        post.user(name, address=True)
    post.schedule()
    post.document("Hotels", "user:carol")
    post.document("Salaries", "user:carol", allow=("user:erin",))
    post.document("Boats", "user:dave")
    return post


def trusting(folder: Path) -> Path:
    """A file by which the certificate is believed."""
    path = folder / "ca.pem"
    path.write_bytes(certificate()[0])
    return path
