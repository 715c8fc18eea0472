"""Azure Blob Storage on loopback, as its documentation describes it: a container by page, blobs, keys and signatures.

A request that bears a signature by the account's key is checked against what arrived, by a reading of the description
of Shared Key that is independent of the connector: its headers and its query are taken from the request as it came.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.connectors.api import Api, Request, as_json
from tests.connectors.files.stores import Place
from tests.outbound.serving import Asked, Reply, serving

KEY = base64.b64encode(b"the key of the account, of the tests").decode()
SIGNATURE = "sv=2021-12-02&sr=c&sp=rlt&se=2030-01-01T00%3A00%3A00Z&sig=ab%2Fc%2Bd%3D"
SIGNED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
          "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")  # fmt: skip
APP = {"tenant": "example.org", "client_id": "11111111-aaaa", "client_secret": "of the app"}


def error(status: int, code: str, **headers: str) -> Reply:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>of nobody\'s concern</Message></Error>'
    return Reply(status, body.encode(), {"x-ms-error-code": code, **headers})


def signature(method: str, path: str, headers: dict[str, str]) -> str:
    """What Shared Key says that a request has to be signed with, for the version 2015-02-21 and later."""
    parts = urlsplit(path)
    text = method + "\n"
    for name in SIGNED:
        said = headers.get(name, "")
        text += ("" if name == "content-length" and said == "0" else said) + "\n"
    for name in sorted(one for one in headers if one.startswith("x-ms-")):
        text += f"{name}:{' '.join(headers[name].split())}\n"
    text += f"/files{parts.path}"
    pairs = sorted((name.lower(), value) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    for name, values in groupby(pairs, lambda pair: pair[0]):
        text += f"\n{name}:{','.join(value for _, value in values)}"
    return base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()


@dataclass
class Azure:
    """The account ``files`` and one container of it. ``page``: how many blobs a page has."""

    container: str = "docs"
    page: int = 2
    public: bool = False
    api: Api = field(default_factory=Api)
    blobs: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    """By name: the content, and what is listed of it besides the name."""
    tokens: set[str] = field(default_factory=set)
    written: int = 0

    def put(self, name: str, data: bytes, *, metadata: str = "", properties: str = "", **tags: str) -> None:
        """As an upload does: an ETag of its own, even where nothing changed. ``tags``: with ``_`` for ``-``."""
        self.written += 1
        count = f"<TagCount>{len(tags)}</TagCount>" if tags else ""
        said = (
            f"<Properties><Last-Modified>Fri, 01 Mar 2024 09:00:00 GMT</Last-Modified><Etag>0x{self.written:X}</Etag>"
            f"<Content-Length>{len(data)}</Content-Length><BlobType>BlockBlob</BlobType>{count}{properties}"
            f"</Properties><Metadata>{metadata}</Metadata>"
        )
        listed = "".join(
            f"<Tag><Key>{escape(key.replace('_', '-'))}</Key><Value>{escape(value)}</Value></Tag>"
            for key, value in tags.items()
        )
        self.blobs[name] = data, said + (f"<Tags><TagSet>{listed}</TagSet></Tags>" if tags else "")

    def remove(self, name: str) -> None:
        del self.blobs[name]

    def place(self, prefix: str = "", stack: ExitStack | None = None, **store: Any) -> Place:
        who = {} if self.public or {"sas", "tenant"} & store.keys() else {"account_key": KEY}
        made = {"type": "azure", "account": "files", "container": self.container, "prefix": prefix,
                "endpoint": self.api.url, "login": f"{self.api.url}/login", **who, **store}  # fmt: skip
        put = lambda path, data, **more: self.put(prefix + path, data, **more)  # noqa: E731
        return Place(made, put, lambda path: self.remove(prefix + path), stack=stack or ExitStack())

    def asked(self, pattern: str) -> int:
        return sum(re.search(pattern, one.path) is not None for one in self.api.asked)

    # -- what it answers --

    def script(self, asked: Asked) -> Reply:
        """As the service does it, who asks is looked at before anything else is."""
        faults = any(one.times > 0 and re.search(one.path, asked.path) for one in self.api.faults)
        refused = None if faults or asked.path.startswith("/login/") else self._refusal(asked)
        if refused is not None:
            self.api.asked.append(asked)
            return refused
        return self.api.script(asked)

    def _refusal(self, asked: Asked) -> Reply | None:
        kind, _, said = asked.headers.get("authorization", "").partition(" ")
        query = parse_qsl(urlsplit(asked.path).query)
        if asked.headers.get("x-ms-version") != "2021-12-02":
            return error(400, "InvalidHeaderValue")
        if kind == "SharedKey":
            expected = f"files:{signature(asked.method, asked.path, asked.headers)}"
            return None if hmac.compare_digest(said, expected) else error(403, "AuthenticationFailed")
        if kind == "Bearer":
            return None if said in self.tokens else error(401, "InvalidAuthenticationInfo")
        if "sig" in dict(query):
            whole = all(pair in query for pair in parse_qsl(SIGNATURE))
            return None if whole else error(403, "AuthenticationFailed")
        return None if self.public else error(401, "NoAuthenticationInformation")

    def token(self, request: Request) -> Any:
        form = dict(parse_qsl(request.body.decode()))
        wanted = {"grant_type": "client_credentials", "client_id": APP["client_id"],
                  "client_secret": APP["client_secret"], "scope": "https://storage.azure.com/.default"}  # fmt: skip
        if form != wanted or request.match[1] != APP["tenant"]:
            return as_json({"error": "invalid_client"}, 401)
        self.tokens.add(token := f"token-{len(self.tokens) + 1}")
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def listed(self, request: Request) -> Any:
        query = request.query
        if query.get("restype") != "container" or query.get("comp") != "list":
            return error(400, "InvalidQueryParameterValue")
        if request.match[1] != self.container:
            return error(404, "ContainerNotFound")
        names = [name for name in sorted(self.blobs) if name.startswith(query.get("prefix", ""))]
        at, size = int(query.get("marker", 0)), min(self.page, int(query["maxresults"]))
        tags = "tags" in query["include"].split(",")
        some = "".join(f"<Blob>{_name(name)}{self._said(name, tags)}</Blob>" for name in names[at:][:size])
        more = str(at + size) if at + size < len(names) else ""
        return listing(some, more)

    def _said(self, name: str, tags: bool) -> str:
        said = self.blobs[name][1]
        return said if tags else re.sub("<Tags>.*</Tags>", "", said)

    def one(self, request: Request) -> Any:
        name = unquote(request.match[2])
        if request.match[1] != self.container:
            return error(404, "ContainerNotFound")
        if name not in self.blobs:
            return error(404, "BlobNotFound")
        return Reply(200, self.blobs[name][0], {"Content-Type": "application/octet-stream"})


def listing(blobs: str, marker: str = "") -> Reply:
    next_marker = f"<NextMarker>{marker}</NextMarker>" if marker else "<NextMarker />"
    head = '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="docs">'
    return Reply(200, f"{head}<Blobs>{blobs}</Blobs>{next_marker}</EnumerationResults>".encode())


def _name(name: str) -> str:
    if all(char.isprintable() for char in name):
        return f"<Name>{escape(name)}</Name>"
    return f'<Name Encoded="true">{quote(name, safe="")}</Name>'


@contextmanager
def azure(**made: Any) -> Iterator[Azure]:
    """Serve an empty container while the block lasts."""
    found = Azure(**made)
    found.api.route("POST", r"/login/([^/]+)/oauth2/v2.0/token")(found.token)
    found.api.route("GET", r"/([^/]+)")(found.listed)
    found.api.route("GET", r"/([^/]+)/(.+)")(found.one)
    with serving(found.script) as server:
        found.api.url = server.url
        yield found
