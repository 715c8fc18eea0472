"""Google Cloud Storage on loopback, as the documentation of its JSON API describes it: objects by page, media, tokens.

A token is given for an assertion that the service account's key signed, for this address and the one scope that reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import jwt

from tests.connectors.api import Api, Request, answering, as_json
from tests.connectors.files.stores import Place
from tests.connectors.tokens import key, service_account
from tests.outbound.serving import Reply

SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


def error(status: int, reason: str, **headers: str) -> Reply:
    said = {"code": status, "message": "of nobody's concern", "errors": [{"reason": reason, "domain": "global"}]}
    return as_json({"error": said}, status, headers)


@dataclass
class Gcs:
    """``page``: how many objects a page has. ``public``: whether nobody has to say who asks."""

    bucket: str = "docs"
    page: int = 2
    public: bool = False
    api: Api = field(default_factory=Api)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    given: int = 0
    written: int = 1_700_000_000_000_000

    def put(self, name: str, data: bytes, **metadata: str) -> None:
        """As an upload does: a generation of its own, even where nothing changed."""
        self.written += 1
        self.content[name] = data
        self.objects[name] = {
            "name": name, "size": str(len(data)), "generation": str(self.written), "etag": f"e{self.written}",
            "timeCreated": "2024-03-01T09:00:00.123Z", "updated": "2024-03-02T09:00:00.123Z",
            **({"metadata": {name.replace("_", "-"): value for name, value in metadata.items()}} if metadata else {}),
        }  # fmt: skip

    def remove(self, name: str) -> None:
        del self.objects[name], self.content[name]

    def place(self, prefix: str = "", stack: ExitStack | None = None, **store: Any) -> Place:
        made = {
            "type": "gcs", "bucket": self.bucket, "prefix": prefix, "service_account": service_account(),
            "endpoint": self.api.url, "token_url": f"{self.api.url}/token", **store,
        }  # fmt: skip
        put = lambda path, data, **metadata: self.put(prefix + path, data, **metadata)  # noqa: E731
        return Place(made, put, lambda path: self.remove(prefix + path), stack=stack or ExitStack())

    def asked(self, pattern: str) -> int:
        return sum(re.search(pattern, one.path) is not None for one in self.api.asked)

    # -- what it answers --

    def token(self, request: Request) -> Any:
        form = dict(parse_qsl(request.body.decode()))
        try:
            claims = jwt.decode(
                form["assertion"], key().public_key(), algorithms=["RS256"], audience=f"{self.api.url}/token"
            )
        except jwt.InvalidTokenError:
            return as_json({"error": "invalid_grant"}, 400)
        if claims["scope"] != SCOPE or "sub" in claims:
            return as_json({"error": "invalid_scope"}, 400)
        self.given += 1
        self.tokens.add(token := f"token-{self.given}")
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def listed(self, request: Request) -> Any:
        names = [name for name in sorted(self.objects) if name.startswith(request.query.get("prefix", ""))]
        at, size = int(request.query.get("pageToken", 0)), min(self.page, int(request.query["maxResults"]))
        fields = re.fullmatch(r"kind(?:,nextPageToken,items\(([\w,]+)\))?", request.query["fields"])
        assert fields is not None
        page: dict[str, Any] = {"kind": "storage#objects"}
        if fields[1] is None:
            return page
        wanted = fields[1].split(",")
        some = [{one: said[one] for one in wanted if one in (said := self.objects[name])} for name in names[at:][:size]]
        more = {"nextPageToken": str(at + size)} if at + size < len(names) else {}
        return {**page, **more, **({"items": some} if some else {})}  # an empty list is left out

    def one(self, request: Request) -> Any:
        name = unquote(request.match["object"])
        if name not in self.objects:
            return error(404, "notFound")
        assert request.query == {"alt": "media"}
        return Reply(200, self.content[name], {"Content-Type": "application/octet-stream"})

    def _checked(self, answer: Any) -> Any:
        def checked(request: Request) -> Any:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if bearer not in self.tokens and not (self.public and not bearer):
                return error(401, "authError")
            if request.match["bucket"] != self.bucket:
                return error(404, "notFound")
            return answer(request)

        return checked


@contextmanager
def gcs(**made: Any) -> Iterator[Gcs]:
    """Serve an empty bucket while the block lasts."""
    found = Gcs(**made)
    found.api.route("POST", "/token")(found.token)
    found.api.route("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/o")(found._checked(found.listed))
    found.api.route("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/o/(?P<object>[^/]+)")(found._checked(found.one))
    with answering(found.api):
        yield found
