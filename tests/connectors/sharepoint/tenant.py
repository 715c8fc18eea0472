"""A SharePoint behind Microsoft Graph on loopback, as its documentation describes it; files lie on another host."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from connectors.protocol import Connector
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, Api, Request, answering, as_json, paged
from tests.connectors.seen import Seen, members
from tests.connectors.tokens import Tokens, key
from tests.outbound.serving import Asked, Reply

TENANT = "contoso.example.org"
APP = "00000000-0000-0000-0000-0000000000aa"
COLLECTION, WEB = "00000000-0000-0000-0000-0000000000c0", "00000000-0000-0000-0000-0000000000e0"
SITE = f"files.example.org,{COLLECTION},{WEB}"
DRIVE = "b!lib-1"


def guid(n: int) -> str:
    return f"00000000-0000-0000-0000-{n:012d}"


@cache
def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reader")])
    began = datetime(2024, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder(name, name, key().public_key(), 1, began, began + timedelta(days=9999))
    return made.sign(key(), SHA256())


@cache
def pem(*, of_another: bool = False) -> str:
    """The private key, its own or another one, and the certificate."""
    private = (generate_private_key(65537, 2048) if of_another else key()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return (private + certificate().public_bytes(Encoding.PEM)).decode()


def user(n: int, role: str = "read", **more: Any) -> dict[str, Any]:
    return {"id": f"u{n}", "roles": [role], "grantedToV2": {"user": {"id": guid(n)}, "siteUser": {"id": "9"}}, **more}


def group(n: int) -> dict[str, Any]:
    return {"id": f"g{n}", "roles": ["read"], "grantedToV2": {"group": {"id": guid(n)}}}


def link(scope: str, *people: int, **more: Any) -> dict[str, Any]:
    to = [{"user": {"id": guid(n)}} for n in people]
    return {"id": "l", "roles": ["read"], "link": {"scope": scope, "type": "view"}, "grantedToIdentitiesV2": to, **more}


@dataclass
class SharePoint:
    """``items`` of each library by id, ``parents`` of each; ``feed``: ids of each library in the order they changed."""

    api: Api = field(default_factory=Api)
    elsewhere: Api = field(default_factory=Api)
    page: int = 2
    sites: dict[str, list[str]] = field(default_factory=lambda: {SITE: [DRIVE]})
    items: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {DRIVE: {}})
    content: dict[str, bytes] = field(default_factory=dict)
    permissions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    feed: dict[str, list[str]] = field(default_factory=lambda: {DRIVE: []})
    oldest: int = 0
    users: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    tokens: Tokens = field(default_factory=Tokens)
    forms: list[dict[str, str]] = field(default_factory=list)

    # -- what a test does to it --

    def put(self, id: str, data: bytes = b"text", parent: str = "root", drive: str = DRIVE, **more: Any) -> None:
        item = {
            "id": id, "name": id, "size": len(data), "webUrl": f"https://files.example.org/{id}",
            "file": {"mimeType": "text/plain", "hashes": {"quickXorHash": base64.b64encode(data).decode()}},
            "lastModifiedDateTime": "2024-03-01T09:00:00Z", **more, "parentReference": {"id": parent},
        }  # fmt: skip
        self.items[drive][id], self.content[id] = item, data
        self.tell(id, drive)

    def folder(self, id: str, parent: str = "root", drive: str = DRIVE) -> None:
        self.items[drive][id] = {"id": id, "name": id, "folder": {}, "parentReference": {"id": parent}}
        self.tell(id, drive)

    def share(self, id: str, *permissions: dict[str, Any], told: bool = True) -> None:
        self.permissions[id] = list(permissions)
        if told:
            self.tell(id)

    def tell(self, id: str, drive: str = DRIVE) -> None:
        self.feed[drive].append(id)

    def remove(self, id: str) -> None:
        self.items[DRIVE].pop(id)
        self.tell(id)

    # -- how it is asked --

    def config(self, **more: Any) -> dict[str, Any]:
        return {
            "issuer": "sharepoint", "tenant": TENANT, "client_id": APP, "client_secret": "s3cret", "sites": [SITE],
            "api": f"{self.api.url}/v1.0", "login": f"{self.api.url}/login", **more,
        }  # fmt: skip

    def connector(self, **config: Any) -> Connector:
        return make_connector("sharepoint", self.config(**config), LOOPBACK)

    def scan(self, cursor: Any = None, **config: Any) -> Seen:
        return Seen(list(self.connector(**config).scan(cursor)))

    def memberships(self, **config: Any) -> set[tuple[str, str]]:
        return members(self.connector(**config))

    def asked(self, pattern: str) -> list[Asked]:
        return self.api.asked_for(pattern)

    # -- what it answers --

    def token(self, request: Request) -> Any:
        form = dict(parse_qsl(request.body.decode()))
        self.forms.append(form)
        if "client_assertion" in form:
            url = f"{self.api.url}/login/{TENANT}/oauth2/v2.0/token"
            print_ = base64.urlsafe_b64encode(certificate().fingerprint(SHA256())).rstrip(b"=").decode()
            assert jwt.get_unverified_header(form["client_assertion"])["x5t#S256"] == print_
            jwt.decode(form["client_assertion"], key().public_key(), algorithms=["PS256"], audience=url, issuer=APP)
        elif form.get("client_secret") != "s3cret":
            return as_json({"error": "invalid_client"}, 401)
        return self.tokens.give()

    def delta(self, request: Request) -> Any:
        drive, token = request.match[1], request.query.get("token", "")
        if drive not in self.items:
            return as_json({}, 404)
        kind, _, rest = token.partition("-")
        if kind == "since" and int(rest) < self.oldest:
            return as_json({"error": {"code": "resyncRequired"}}, 410, {"Location": self.api.url})
        ids = ["root", *self.items[drive]] if kind != "since" else self.feed[drive][int(rest) :]
        if kind == "page":
            at, end = map(int, rest.split("-"))
        else:
            at, end = 0, len(self.feed[drive])
        found = [self.items[drive].get(id, {"id": id, "deleted": {}}) for id in ids]
        found = [
            {"id": "root", "name": "root", "root": {}, "folder": {}} if one["id"] == "root" else one for one in found
        ]
        url = f"{self.api.url}/v1.0/drives/{drive}/root/delta?token="
        some, following = paged(found, at, len(found) if kind == "since" else self.page)
        if following is None:
            return {"value": some, "@odata.deltaLink": f"{url}since-{end}"}
        return {"value": some, "@odata.nextLink": f"{url}page-{following}-{end}"}

    def item(self, request: Request) -> Any:
        found = self.items.get(request.match[1], {}).get(request.match[2])
        if found is None:
            return as_json({}, 404)
        return as_json({}, 403) if found["id"] in self.denied else found

    def listed(self, request: Request, found: list[Any]) -> Any:
        some, following = paged(found, request.query.get("$skiptoken", 0), self.page)
        path = f"{self.api.url}{request.match[0]}?$skiptoken={following}"
        return {"value": some, **({"@odata.nextLink": path} if following else {})}

    def children(self, request: Request) -> Any:
        drive, parent = self.items[request.match[1]], request.match[2]
        return self.listed(request, [one for one in drive.values() if one["parentReference"]["id"] == parent])

    def allowed(self, request: Request) -> Any:
        id = request.match[2]
        return as_json({}, 403) if id in self.denied else self.listed(request, self._effective(request.match[1], id))

    def batch(self, request: Request) -> Any:
        """Each as if it had come by itself, the last one first."""
        answers = []
        for one in request.json["requests"]:
            reply = self.api.script(Asked(f"/v1.0{one['url']}", request.headers, one["method"]))
            body = Request(request.match, {}, {}, reply.body).json
            answers.append({"id": one["id"], "status": reply.status, "body": body})
        return {"responses": answers[::-1]}

    def _effective(self, drive: str, id: str) -> list[dict[str, Any]]:
        above = self.items[drive][id]["parentReference"]["id"] if id in self.items[drive] else None
        own = self.permissions.get(id, [])
        return own + (self._effective(drive, above) if above is not None else [])

    def _routes(self) -> None:
        def get(pattern: str, answer: Any) -> None:
            def checked(request: Request) -> Any:
                return as_json({"error": {}}, 401) if self.tokens.of(request) is None else answer(request)

            self.api.route("POST" if "batch" in pattern else "GET", f"/v1.0/{pattern}")(checked)

        drive, item = r"drives/([\w!-]+)", r"drives/([\w!-]+)/items/([\w!-]+)"
        ids = {"siteId": COLLECTION, "webId": WEB}
        self.api.route("POST", f"/login/{TENANT}/oauth2/v2.0/token")(self.token)
        get("sites/getAllSites", lambda r: self.listed(r, [{"id": site} for site in self.sites]))
        get(
            r"sites/([\w.,-]+)/drives",
            lambda r: (
                self.listed(r, [{"id": one} for one in self.sites[r.match[1]]])
                if r.match[1] in self.sites
                else as_json({}, 404)
            ),
        )
        get(drive, lambda r: {"id": r.match[1], "sharePointIds": ids} if r.match[1] in self.items else as_json({}, 404))
        get(f"{drive}/root/delta", self.delta)
        get(item, self.item)
        get(f"{item}/children", self.children)
        get(f"{item}/permissions", self.allowed)
        get(f"{item}/content", lambda r: Reply(302, b"", {"Location": f"{self.elsewhere.url}/{r.match[2]}?sig=x"}))
        get("users", lambda r: self.listed(r, self.users))
        get("groups", lambda r: self.listed(r, [{"id": id} for id in self.groups]))
        get(r"groups/([\w-]+)/transitiveMembers", lambda r: self.listed(r, self.groups[r.match[1]]))
        get(r"\$batch", self.batch)
        self.elsewhere.route("GET", r"/([\w!-]+)")(lambda r: Reply(200, self.content[r.match[1]]))


@contextmanager
def sharepoint() -> Iterator[SharePoint]:
    """Serve an empty library while the block lasts."""
    made = SharePoint()
    made._routes()
    with answering(made.api), answering(made.elsewhere):
        yield made


def path_of(asked: Asked) -> str:
    return urlsplit(asked.path).path
