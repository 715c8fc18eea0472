"""A mail server on loopback, with a certificate of its own: pymap for what goes well, a script for the rest."""

from __future__ import annotations

import asyncio
import imaplib
import socket
import ssl
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pymap.imap
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from proxyprotocol.sock import SocketInfoLocal
from pymap.backend.dict import DictBackend
from pysasl.hashing import Cleartext

from connectors.registry import make_connector
from vouch.core.types import Change, Json, Upsert
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound

HOST = "imap.example.org"
PASSWORD = 'pass "word" \\ of the tests'


@cache
def _certificate() -> tuple[bytes, bytes]:
    """Of `imap.example.org`, signed by itself; and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM), pem


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_bytes(b"".join(_certificate()))
        context.load_cert_chain(both)
    return context


def client_tls() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=_certificate()[0].decode())


def door(tls: ssl.SSLContext | None = None) -> Outbound:
    """A door by which every name leads to this machine, and which believes the test authority."""

    def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    return Outbound(Ways(Allowed.parse("127.0.0.1"), resolve), tls=tls or client_tls())


def mail(subject: str = "Boathouse", text: str = "It opens at nine.", **headers: str) -> bytes:
    message = EmailMessage()
    for name, value in {"From": "carol@example.org", "To": "alice@example.org", **headers}.items():
        message[name] = value
    message["Subject"] = subject
    message["Message-ID"] = "<1@example.org>"
    message.set_content(text)
    return message.as_bytes().replace(b"\n", b"\r\n")


@dataclass
class Mailbox:
    """One account on a real server. What a test changes, it changes as a mail program does."""

    port: int
    security: str

    def config(self, **more: Any) -> Json:
        given = {"host": HOST, "port": self.port, "security": self.security, "user": "carol", "password": PASSWORD}
        return {**given, "owner": "user:carol", **more}

    def connector(self, **more: Any) -> Any:
        return make_connector("imap", self.config(**more), door())

    def scan(self, cursor: Json | None = None, **more: Any) -> list[Change]:
        return list(self.connector(**more).scan(cursor))

    def upserts(self, cursor: Json | None = None, **more: Any) -> dict[str, Upsert]:
        return {one.external_id: one for one in self.scan(cursor, **more) if isinstance(one, Upsert)}

    @contextmanager
    def program(self) -> Iterator[imaplib.IMAP4]:
        """A mail program's connection."""
        client = imaplib.IMAP4("127.0.0.1", self.port) if self.security == "starttls" else _Program(self.port)
        if self.security == "starttls":
            context = client_tls()
            context.check_hostname = False
            client.starttls(context)
        client.authenticate("PLAIN", lambda _: f"\0carol\0{PASSWORD}".encode())
        try:
            yield client
        finally:
            client.logout()

    def put(self, folder: str, data: bytes, flags: str = "", arrived: str = "01-Mar-2024 08:00:00 +0000") -> str:
        """Deliver a message; the external id that it has then."""
        with self.program() as client:
            client.create(folder)
            done, said = client.append(folder, f"({flags})" if flags else None, f'"{arrived}"', data)
            assert done == "OK", said
            validity, uid = said[0].split(b"APPENDUID ")[1].split(b"]")[0].split()
        return f"{folder};UIDVALIDITY={int(validity)}/{int(uid)}.eml"

    def mark(self, external_id: str, *, expunge: bool = False) -> None:
        """Mark a message as deleted, as the first half of deleting it."""
        folder, _, rest = external_id.partition(";")
        with self.program() as client:
            client.select(folder)
            client.uid("STORE", rest.partition("/")[2].removesuffix(".eml"), "+FLAGS", "(\\Deleted)")
            if expunge:
                client.expunge()

    def do(self, *command: str) -> None:
        with self.program() as client:
            done, said = getattr(client, command[0])(*command[1:])
            assert done == "OK", said


class _Program(imaplib.IMAP4_SSL):
    def __init__(self, port: int) -> None:
        context = client_tls()
        context.check_hostname = False
        super().__init__("127.0.0.1", port, ssl_context=context)


@contextmanager
def mailbox(security: str = "tls") -> Iterator[Mailbox]:
    """An empty account of carol's."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def serve() -> asyncio.Server:
        args = Namespace(host="127.0.0.1", port=0, debug=False, cert=None, key=None, tls=security == "starttls",
                         proxy_protocol=None, passlib_cfg=None, demo_data=False, demo_user="carol",
                         demo_password=PASSWORD)  # fmt: skip
        tls = server_tls()
        backend, config = await DictBackend.init(
            args, ssl_context=tls, hash_context=Cleartext(), invalid_user_sleep=0.0, reject_dnsbl=False
        )
        config.apply_context()
        imap = pymap.imap.IMAPServer(backend.login, config)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await imap(reader, writer, SocketInfoLocal(writer))

        return await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls if security == "tls" else None)

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(30)
    try:
        yield Mailbox(server.sockets[0].getsockname()[1], security)
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


USUAL = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n",
    "LOGIN": "{tag} OK done\r\n",
    "LIST": '* LIST (\\HasNoChildren) "/" INBOX\r\n{tag} OK done\r\n',
    "EXAMINE": "* 1 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n{tag} OK [READ-ONLY] done\r\n",
    "UID SEARCH": "* SEARCH 5\r\n{tag} OK done\r\n",
    "UID FETCH": '* 1 FETCH (UID 5 RFC822.SIZE 4 INTERNALDATE " 1-Mar-2024 08:00:00 +0000" BODY[] {{4}}\r\nmail)\r\n'
    "{tag} OK done\r\n",
}
"""A mailbox of one message, `mail`."""


@dataclass
class Scripted:
    """``answers``: by how a command begins; one of None is never given, an empty one hangs up. ``said``: every line
    that came, from all connections."""

    answers: Mapping[str, str | None]
    greeting: str = "* OK hello\r\n"
    tls: bool = True
    said: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def config(self, **more: Any) -> Json:
        given = {"host": HOST, "port": self.port, "user": "carol", "password": "secret of the tests"}
        return {**given, "security": "tls" if self.tls else "starttls", "owner": "user:carol", **more}

    def connector(self, **more: Any) -> Any:
        return make_connector("imap", self.config(**more), door())

    def serve(self, connection: socket.socket) -> None:
        self.connections += 1
        try:
            with server_tls().wrap_socket(connection, server_side=True) if self.tls else connection as encrypted:
                self._talk(encrypted)
        except OSError:
            return  # whoever asked has gone, or did not believe the certificate

    def _talk(self, connection: socket.socket) -> None:
        connection.sendall(self.greeting.encode())
        for line in connection.makefile("rb"):
            self.said.append(line.decode("latin-1").strip())
            tag, _, rest = self.said[-1].partition(" ")
            known = {"": "{tag} BAD what\r\n", **USUAL, **self.answers}
            answer = known[max((verb for verb in known if rest.startswith(verb)), key=len)]
            if answer == "":
                return
            if answer is not None:
                connection.sendall(answer.format(tag=tag).encode("latin-1"))


@contextmanager
def scripted(answers: Mapping[str, str | None] | None = None, **more: Any) -> Iterator[Scripted]:
    """A server that answers as a test says."""
    script = Scripted(answers or {}, **more)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        script.port = listening.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=script.serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield script
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
