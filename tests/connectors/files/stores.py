"""Real servers on loopback for the stores of ``files``: S3 by moto, SFTP by asyncssh, WebDAV by wsgidav.

The one for S3 checks each signature against what arrived, by a reading of Amazon's description that is independent of
the library under test: a request that was changed between signing and sending is refused, as Amazon would.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncssh
import boto3
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
from wsgidav.wsgidav_app import WsgiDAVApp

from tests.outbound.serving import Reply
from vouch.core.types import Json
from vouch.outbound.addresses import Allowed
from vouch.outbound.connect import Ways
from vouch.outbound.door import Outbound

ACCESS_KEY, SECRET = "AKTEST", "of the tests"
DOOR = Outbound(Ways(Allowed.parse("127.0.0.1")))
Fault = Callable[[str, str], Reply | None]
"""Method and target of a request; an answer in place of the server's own, where there is one."""
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@dataclass
class Place:
    """A store: how it is configured, and hands to change what is in it."""

    store: Json
    put: Callable[..., object]
    remove: Callable[[str], object]
    gate: Gate | None = None
    folder: Path | None = None
    stack: ExitStack = field(default_factory=ExitStack)


@dataclass
class Gate:
    """Stands before a server: writes down what the connector asks, and answers in its place where a test says so."""

    app: Callable[..., Iterable[bytes]]
    may: Callable[[dict[str, Any]], bool] = lambda environ: True
    asked: list[tuple[str, str]] = field(default_factory=list)
    fault: Fault = lambda method, target: None

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not self.may(environ):
            start("403 Forbidden", [("Content-Length", "0")])
            return [b""]
        if environ.get("HTTP_USER_AGENT", "").startswith("Vouch"):
            what = (environ["REQUEST_METHOD"], environ["RAW_URI"])
            self.asked.append(what)
            reply = self.fault(*what)
            if reply is not None:
                headers = {"Content-Length": str(len(reply.body)), **reply.headers}
                start(f"{reply.status} told by the test", list(headers.items()))
                return [reply.body]
        return self.app(environ, start)


def _serve(app: Callable[..., Iterable[bytes]]) -> tuple[int, Callable[[], None]]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return server.server_port, stop


# -- S3 --


def signed_right(environ: dict[str, Any]) -> bool:
    """Whether the request carries a signature (version 4) that fits it; one without any is for public buckets."""
    said = environ.get("HTTP_AUTHORIZATION")
    if said is None:
        return urlsplit(environ["RAW_URI"]).path.startswith("/public")
    parts = dict(part.strip().split("=", 1) for part in said.removeprefix("AWS4-HMAC-SHA256").split(","))
    key_id, *scope = parts["Credential"].split("/")
    url, names = urlsplit(environ["RAW_URI"]), parts["SignedHeaders"].split(";")
    query = "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in url.query.split("&") if pair))
    headers = [f"{name}:{_header(environ, name)}\n" for name in names]
    body = _header(environ, "x-amz-content-sha256")
    canonical = "\n".join((environ["REQUEST_METHOD"], url.path, query, "".join(headers), ";".join(names), body))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", _header(environ, "x-amz-date"), "/".join(scope), digest))
    key = f"AWS4{SECRET}".encode()
    for step in (*scope, text):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return key_id == ACCESS_KEY and "host" in names and hmac.compare_digest(key.hex(), parts["Signature"])


def _header(environ: dict[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    found = environ.get(f"HTTP_{key}", environ.get(key, ""))
    return " ".join(str(found).split())


@cache
def _s3_server() -> tuple[int, Gate, Any]:
    """One for the whole run, for its client takes a while to be made; each test has a bucket of its own."""
    gate = Gate(DomainDispatcherApplication(lambda service: create_backend_app("s3")), signed_right)
    port, _ = _serve(gate)
    made = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", config=made, **keys)
    return port, gate, client


def s3(bucket_begins: str = "docs", prefix: str = "") -> Place:
    port, gate, client = _s3_server()
    gate.asked, gate.fault = [], lambda method, target: None
    bucket = f"{bucket_begins}-{uuid4().hex}"
    client.create_bucket(Bucket=bucket)

    def put(path: str, data: bytes, **more: Any) -> None:
        client.put_object(Bucket=bucket, Key=prefix + path, Body=data, **more)

    store = {
        "type": "s3", "bucket": bucket, "prefix": prefix, "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": ACCESS_KEY, "secret_access_key": SECRET,
    }  # fmt: skip
    return Place(store, put, lambda path: client.delete_object(Bucket=bucket, Key=prefix + path), gate)


# -- stores that are a folder at the other end --


def _folder(folder: Path) -> tuple[Callable[[str, bytes], object], Callable[[str], object]]:
    def put(path: str, data: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    folder.mkdir(parents=True, exist_ok=True)
    return put, lambda path: (folder / path).unlink()


def webdav(folder: Path) -> Place:
    put, remove = _folder(folder)
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/dav": str(folder)},
            "simple_dc": {"user_mapping": {"*": {"reader": {"password": "of the tests"}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "logging": {"enable": False, "enable_loggers": []},
            "hotfixes": {"re_encode_path_info": True},
            "verbose": 0,
        }
    )
    gate = Gate(app)
    port, stop = _serve(gate)
    stack = ExitStack()
    stack.callback(stop)
    store = {"type": "webdav", "url": f"http://127.0.0.1:{port}/dav/", "user": "reader", "password": "of the tests"}
    return Place(store, put, remove, gate, folder, stack)


class _Login(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("reader", "of the tests")

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data == client_key().public_data


@cache
def host_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@cache
def client_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def sftp(folder: Path, server: type[asyncssh.SFTPServer] = asyncssh.SFTPServer) -> Place:
    """``folder`` is shown as ``/srv`` of a host of which nothing else can be seen."""
    put, remove = _folder(folder / "srv")
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(
        asyncssh.listen(
            "127.0.0.1", 0, server_factory=_Login, server_host_keys=[host_key()],
            sftp_factory=lambda channel: server(channel, chroot=str(folder).encode()), gss_host=None, config=None,
        )
    )  # fmt: skip
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def stop() -> None:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    stack = ExitStack()
    stack.callback(stop)
    store = {
        "type": "sftp", "host": "127.0.0.1", "port": listening.get_port(), "path": "/srv", "user": "reader",
        "password": "of the tests", "host_keys": [host_key().export_public_key().decode().strip()],
    }  # fmt: skip
    return Place(store, put, remove, None, folder / "srv", stack)
