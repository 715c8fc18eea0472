"""An identity provider on this machine: signs tokens and serves its keys over HTTP, as a real one does."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

AUDIENCE = "vouch"
DISCOVERY = "/.well-known/openid-configuration"
Answer = Callable[[], tuple[int, dict[str, str], bytes]]


@cache
def private_key(algorithm: str, name: str) -> Any:
    """A private key for ``algorithm``, the same one for the same name: making RSA keys takes a while."""
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 1024 if name == "weak" else 2048)
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(curves[algorithm])


def public_jwk(algorithm: str, name: str, **fields: Any) -> dict[str, Any]:
    made = get_default_algorithms()[algorithm].to_jwk(private_key(algorithm, name).public_key())
    return {**json.loads(made), "kid": name, "use": "sig", "alg": algorithm, **fields}


@dataclass
class Provider:
    """``keys`` are what it serves now; ``answers`` replace what a path would give; ``asked`` counts requests."""

    url: str
    keys: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def rotate(self, *names: str, algorithm: str = "ES256") -> None:
        """Serve these keys and no others."""
        self.keys = [public_jwk(algorithm, name) for name in names]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Good for five minutes; a claim that is None is left out."""
        now = int(time.time())
        made = {"iss": self.url, "aud": AUDIENCE, "sub": "00u1", "iat": now, "exp": now + 300, **changed}
        return {name: value for name, value in made.items() if value is not None}

    def token(
        self, *, kid: str | None = "k1", algorithm: str = "ES256", header: dict[str, Any] | None = None, **changed: Any
    ) -> str:
        """Signed with the key that is named like ``kid``."""
        headers = {**({"kid": kid} if kid else {}), **(header or {})}
        return jwt.encode(self.claims(**changed), private_key(algorithm, kid or "k1"), algorithm, headers)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.asked[path] += 1
        if path in self.answers:
            return self.answers[path]()
        if path == DISCOVERY:
            return found({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        return found({"keys": self.keys}) if path == "/keys" else (404, {}, b"")


def found(document: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider with the key ``k1``, on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = provider.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the reader had enough

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    provider.rotate("k1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def beginning(value: object) -> str:
    """A test's id: the beginning of ``value``, before any key in it, for keys are new in each process."""
    return str(value)[:40]
