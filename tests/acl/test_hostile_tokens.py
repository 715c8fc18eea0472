"""Credentials that are not good, over HTTP: all refused alike, whatever is wrong with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from jwt.algorithms import get_default_algorithms

from acl.keys import make_key, revoke_key
from tests.acl.conftest import ALICE, Identity
from tests.acl.issuing import private_key, public_jwk
from vouch.core import clock

Header = tuple[str, str]
NOBODY = {"type": "urn:vouch:error:unauthenticated", "title": "Who is asking is not known", "status": 401,
          "code": "unauthenticated",
          "detail": "A valid credential of someone active is needed: `Authorization: Bearer …`."}  # fmt: skip


def refused(http: TestClient, *headers: Header, about: object = None) -> None:
    """By every kind of route, with and without a body: one status, one body, one set of headers."""
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    for method, path, body in (
        ("GET", "/v1/whoami", None),
        ("GET", "/v1/keys", None),
        ("PUT", "/v1/directory/users/eve", {"name": "Eve"}),
        ("PUT", "/v1/directory/users/eve", {"not": "valid"}),
        ("DELETE", "/v1/sources/none", None),
    ):
        response = http.request(method, path, headers=sent, json=body)
        assert response.status_code == 401, (about, method, path, response.text)
        assert response.json() == NOBODY, about
        assert dict(response.headers) == {
            "cache-control": "no-store",
            "www-authenticate": "Bearer",
            "content-type": "application/problem+json",
            "content-length": str(len(json.dumps(NOBODY, ensure_ascii=False, separators=(",", ":")).encode())),
        }


def bearer(token: str) -> Header:
    return ("Authorization", f"Bearer {token}")


def whoami(http: TestClient, *headers: Header) -> Any:
    response = http.get("/v1/whoami", headers=list(headers))
    assert response.status_code == 200, response.text
    return response.json()


# --- tokens ---------------------------------------------------------------------------------------------------------


def _part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _unsigned(i: Identity, algorithm: str) -> str:
    return f"{_part({'alg': algorithm, 'typ': 'JWT', 'kid': 'k1'})}.{_part(i.provider.claims())}."


def _by_shared_secret(i: Identity, secret: bytes) -> str:
    """HS256 with something public for its secret: what fools a verifier that lets the token choose the algorithm."""
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{_part(i.provider.claims())}"
    return f"{signed}.{_part(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def _raw(payload: bytes, **header: Any) -> str:
    """Well signed, whatever the payload and the header."""
    signed = f"{_part({'alg': 'ES256', 'typ': 'JWT', 'kid': 'k1', **header})}.{_part(payload)}"
    algorithm = get_default_algorithms()["ES256"]
    return f"{signed}.{_part(algorithm.sign(signed.encode(), private_key('ES256', 'k1')))}"


def _now(seconds: float = 0) -> int:
    return int(time.time() + seconds)


PEM = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
TOKENS: dict[str, Callable[[Identity], str]] = {
    "alg none": lambda i: _unsigned(i, "none"),
    "alg None, in capitals": lambda i: _unsigned(i, "NONE"),
    "no alg": lambda i: f"{_part({'typ': 'JWT', 'kid': 'k1'})}.{_part(i.provider.claims())}.{_part(b'x' * 64)}",
    "HS256 by the public key as PEM": lambda i: _by_shared_secret(
        i, private_key("ES256", "k1").public_key().public_bytes(*PEM)
    ),
    "HS256 by the public key as JWK": lambda i: _by_shared_secret(i, json.dumps(i.provider.keys[0]).encode()),
    "HS256 by nothing": lambda i: _by_shared_secret(i, b""),
    "an algorithm that is not pinned": lambda i: i.provider.token(kid="rsa", algorithm="RS256"),
    "signed by another key": lambda i: jwt.encode(
        i.provider.claims(), private_key("ES256", "evil"), "ES256", {"kid": "k1"}
    ),
    "no signature": lambda i: i.provider.token().rpartition(".")[0] + ".",
    "a signature of zeros": lambda i: i.provider.token().rpartition(".")[0] + "." + _part(bytes(64)),
    "claims of another token": lambda i: _swapped(i.provider.token(), i.provider.token(sub="00u2")),
    "wrong audience": lambda i: i.provider.token(aud="another"),
    "no audience": lambda i: i.provider.token(aud=None),
    "an empty audience": lambda i: i.provider.token(aud=[]),
    "wrong issuer": lambda i: i.provider.token(iss="https://evil.example.org"),
    "the issuer with a slash": lambda i: i.provider.token(iss=i.provider.url + "/"),
    "no issuer": lambda i: i.provider.token(iss=None),
    "a list of issuers": lambda i: i.provider.token(iss=None, aud=i.provider.url),
    "expired": lambda i: i.provider.token(exp=_now(-31)),
    "expired long ago": lambda i: i.provider.token(exp=1),
    "no expiry": lambda i: i.provider.token(exp=None),
    "an expiry that is no number": lambda i: _raw(json.dumps(i.provider.claims(exp="never")).encode()),
    "an expiry that is true": lambda i: i.provider.token(exp=True),
    "an endless expiry": lambda i: _raw(
        json.dumps(i.provider.claims()).replace('"exp": ', '"exp": 1e999, "x": ').encode()
    ),
    "an expiry past the end of time": lambda i: i.provider.token(exp=10**18),
    "not yet valid": lambda i: i.provider.token(nbf=_now(60)),
    "issued in the future": lambda i: i.provider.token(iat=_now(60)),
    "no moment of issue": lambda i: i.provider.token(iat=None),
    "another tenant's issuer, its claims": lambda i: jwt.encode(
        {**i.stranger.claims(), "iss": i.provider.url}, private_key("ES256", "s1"), "ES256", {"kid": "s1"}
    ),
    "our user, signed by another tenant's issuer": lambda i: i.stranger.token(kid="k1"),
    "unknown kid": lambda i: i.provider.token(kid="k2"),
    "a kid that is a path": lambda i: i.provider.token(kid="../../dev/null"),
    "a kid that is no text": lambda i: _raw(json.dumps(i.provider.claims()).encode(), kid=1),
    "jwk in the header": lambda i: i.provider.token(kid="evil", header={"jwk": public_jwk("ES256", "evil")}),
    "jku in the header": lambda i: i.provider.token(kid="evil", header={"jku": f"{i.stranger.url}/keys"}),
    "x5u in the header": lambda i: i.provider.token(kid="evil", header={"x5u": f"{i.stranger.url}/keys"}),
    "an extension it calls critical": lambda i: i.provider.token(header={"crit": ["b64"], "b64": True}),
    "of another type": lambda i: i.provider.token(header={"typ": "logout+jwt"}),
    "an ID token": lambda i: i.provider.token(at_hash="x"),
    "Keycloak's ID token": lambda i: i.provider.token(typ="ID"),
    "bound to a key that is not proved": lambda i: i.provider.token(cnf={"jkt": "x"}),
    "no subject": lambda i: i.provider.token(sub=None),
    "an empty subject": lambda i: i.provider.token(sub=""),
    "a subject that is no text": lambda i: _raw(json.dumps(i.provider.claims(sub=["00u1"])).encode()),
    "a subject in another issuer": lambda i: i.provider.token(sub="../idp/00u1"),
    "a subject with a line break": lambda i: i.provider.token(sub="00u1\n"),
    "a subject with NUL": lambda i: i.provider.token(sub="00u1\x00"),
    "a subject that is too long": lambda i: i.provider.token(sub="a" * 129),
    "of nobody known": lambda i: i.provider.token(sub="00u9"),
    "too large": lambda i: i.provider.token(padding="x" * 16_384),
    "a payload that is a list": lambda i: _raw(b"[1]"),
    "a payload that is no JSON": lambda i: _raw(b"\xff\xfe"),
    "a payload without an end": lambda i: _raw(b"[" * 9000),
    "an issuer that cannot be kept": lambda i: _raw(json.dumps(i.provider.claims(iss="a\x00")).encode()),
    "dots alone": lambda i: "..",
    "five parts": lambda i: i.provider.token() + ".a.b",
    "spaces around the parts": lambda i: i.provider.token().replace(".", " . "),
}


def _swapped(signed: str, other: str) -> str:
    head, _, signature = signed.split(".")
    return ".".join((head, other.split(".")[1], signature))


def test_a_good_token_is_its_user(http: TestClient, identity: Identity) -> None:
    """What makes the refusals below worth something."""
    assert whoami(http, bearer(identity.provider.token())) == {"tenant": "t", "user": ALICE, "by": "oidc:okta"}
    assert whoami(http, bearer(identity.stranger.token(kid="s1"))) == {
        "tenant": "other", "user": "user:idp/00u1", "by": "oidc:idp",
    }  # fmt: skip


def test_hostile_tokens_are_all_refused_alike(http: TestClient, identity: Identity) -> None:
    for name, made in TOKENS.items():
        refused(http, bearer(made(identity)), about=name)


def test_keys_that_a_token_brings_or_points_to_are_never_looked_at(http: TestClient, identity: Identity) -> None:
    identity.stranger.keys.append(public_jwk("ES256", "evil"))
    for header in ({"jku": f"{identity.stranger.url}/keys"}, {"x5u": f"{identity.stranger.url}/keys"}):
        refused(http, bearer(identity.provider.token(kid="evil", header=header)))
        assert whoami(http, bearer(identity.provider.token(header=header)))["user"] == ALICE
    assert not identity.stranger.asked


def test_a_key_that_was_rotated_away_is_not_believed(http: TestClient, identity: Identity) -> None:
    old = bearer(identity.provider.token())
    assert whoami(http, old)
    identity.provider.rotate("k2")
    identity.clock.moment += 31
    assert whoami(http, bearer(identity.provider.token(kid="k2")))["user"] == ALICE
    refused(http, old)


def test_a_token_ends_with_its_user(http: TestClient, identity: Identity) -> None:
    token = bearer(identity.provider.token())
    assert whoami(http, token)
    identity.user(ALICE, active=False)
    refused(http, token)
    identity.user(ALICE)
    assert whoami(http, token)


def test_a_token_ends_with_the_trust_in_its_issuer(http: TestClient, identity: Identity) -> None:
    token = bearer(identity.provider.token())
    assert whoami(http, token)
    identity.trust(enabled=False)
    refused(http, token)


def test_a_token_for_two_tenants_is_nobodys(http: TestClient, identity: Identity) -> None:
    """One provider serves both, told apart by audience: a token that holds both audiences chooses neither."""
    admin = bearer(identity.key(tenant="other"))
    body = {"url": identity.provider.url, "audience": "elsewhere", "algorithms": ["ES256"]}
    assert http.put("/v1/issuers/second", json=body, headers=[admin]).status_code == 200
    identity.user("user:second/00u1", tenant="other")
    assert whoami(http, bearer(identity.provider.token(aud=["elsewhere", "x"])))["tenant"] == "other"
    refused(http, bearer(identity.provider.token(aud=["elsewhere", "vouch"])))


def test_a_token_gets_no_further_than_asking(http: TestClient, identity: Identity) -> None:
    token = bearer(identity.provider.token(scope="admin directory act_as", scopes=["admin"]))
    for path in ("/v1/keys", "/v1/sources", "/v1/issuers", "/scim/v2/okta/Users"):
        assert http.get(path, headers=[token]).status_code == 403
    identity.user("user:bob")
    assert whoami(http, token, ("X-Vouch-As", ALICE))["user"] == ALICE
    response = http.get("/v1/whoami", headers=[token, ("X-Vouch-As", "user:bob")])
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")


# --- keys -----------------------------------------------------------------------------------------------------------


def _mangled(key: str) -> str:
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def _swapped_letters(key: str) -> str:
    body = list(key)
    at = next(n for n in range(6, 44) if body[n] != body[n + 1])
    body[at], body[at + 1] = body[at + 1], body[at]
    return "".join(body)


NO_KEYS = [
    "", " ", "\t", "Bearer", "Bearer ", "Bearer  ", "Bearer null", "Bearer None", "Bearer undefined", "Bearer vouch_",
    "Bearer vouch_" + "0" * 40 + "_00000000", "Bearer Bearer", "Basic dm91Y2g6dm91Y2g=", "null", "Bearer \xa0",
    "Bearer \xff.\xff.\xff",
    "Bearer " + "a" * 7000,
]  # fmt: skip
CHANGES: list[Callable[[str], str]] = [
    _mangled, _swapped_letters, str.upper, lambda key: key[:-1], lambda key: key + "0", lambda key: key + " x",
    lambda _: make_key(),
]  # fmt: skip


def test_what_is_no_key_is_refused_like_any_other(http: TestClient) -> None:
    for credential in NO_KEYS:
        refused(http, ("Authorization", credential), about=credential)


def test_keys_that_are_nearly_right_are_refused(http: TestClient, identity: Identity) -> None:
    key = identity.key("ask", "act_as")
    assert whoami(http, bearer(key), ("X-Vouch-As", ALICE))
    for change in CHANGES:
        refused(http, bearer(change(key)), ("X-Vouch-As", ALICE), about=change(key))


def test_revoked_and_expired_keys_are_refused_like_any_other(http: TestClient, identity: Identity) -> None:
    revoked = identity.key()
    with identity.catalog.transaction("t") as session:
        key_id = session.execute(sa.text("SELECT max(id) FROM api_key")).scalar_one()
        revoke_key(session, "t", key_id, actor="test")
    refused(http, bearer(revoked))
    brief = identity.key(expires_at=clock.now() + timedelta(minutes=1))
    assert http.get("/v1/keys", headers=[bearer(brief)]).status_code == 200
    with clock.frozen(clock.now() + timedelta(minutes=2)):
        refused(http, bearer(brief))


def test_no_credential_is_refused_like_a_bad_one(http: TestClient) -> None:
    refused(http)
    refused(http, ("X-Vouch-As", ALICE))


def test_two_credentials_are_refused(http: TestClient, identity: Identity) -> None:
    """A proxy and the platform might each believe another one."""
    key, token = bearer(identity.key()), bearer(identity.provider.token())
    for pair in ((key, key), (key, token), (token, key), (key, bearer("x")), (("Authorization", "Basic eDp4"), token)):
        refused(http, *pair)


# --- whom it acts for -----------------------------------------------------------------------------------------------

SMUGGLED = [
    "", " ", "user:", "user:okta/", "00u1", "okta/00u1", "group:staff", "group:okta/staff", "authenticated", "*",
    "user:okta/00u1,user:bob", "user:okta/00u1, user:bob", "user:okta/00u1;user:bob", "user:okta/00u1 user:bob",
    "user:okta/00u1\tuser:bob", "user:okta%2F00u1", "user%3Aokta/00u1", "user:okta/00u1%0a", "user:okta/00u1%00",
    "user:okta/00u1/", "user:okta//00u1", "user:/00u1", "user:../00u1", "user:okta/../okta/00u1", "USER:okta/00u1",
    "user:OKTA/00u1", "user:okta/00u1\x00", "user:okta/00u1\x1f", "user:okta/00u1\x7f", "user:okta/00u1\x85",
    "user:\xf6kta/00u1", "user:okta/00\xb5", "user:" + "a" * 129, "user:" + "a" * 7000, '{"user": "okta/00u1"}',
    "user:idp/00u1", "user:okta/00u2", "user:alice' OR '1'='1", "key:1", "null",
]  # fmt: skip


def test_only_one_plain_active_user_can_be_acted_for(http: TestClient, identity: Identity) -> None:
    key = bearer(identity.key())
    assert whoami(http, key, ("X-Vouch-As", ALICE))["user"] == ALICE
    for value in SMUGGLED:
        refused(http, key, ("X-Vouch-As", value), about=value)


def test_two_users_cannot_be_acted_for(http: TestClient, identity: Identity) -> None:
    identity.user("user:bob")
    key = bearer(identity.key())
    for second in (ALICE, "user:bob", ""):
        refused(http, key, ("X-Vouch-As", ALICE), ("X-Vouch-As", second))
        refused(http, key, ("X-Vouch-As", ALICE), ("x-vouch-as", second))


@pytest.mark.parametrize("user", ["user:gone", "user:never"])
def test_a_key_ends_with_its_user_on_every_route(http: TestClient, identity: Identity, user: str) -> None:
    """Bound to the user, or acting for them: also where no content is read."""
    bound = bearer(identity.key(user=user))
    acting = (bearer(identity.key()), ("X-Vouch-As", user))
    refused(http, bound)
    refused(http, *acting)
    identity.user(user)
    assert whoami(http, bound)["user"] == whoami(http, *acting)["user"] == user
    identity.user(user, active=False)
    refused(http, bound)
    refused(http, *acting)


def test_who_has_a_name_next_does_not_inherit_the_keys(http: TestClient, identity: Identity) -> None:
    identity.user("user:eve")
    bound, admin = bearer(identity.key(user="user:eve")), bearer(identity.key())
    assert whoami(http, bound)
    assert http.delete("/v1/directory/users/eve", headers=[admin]).status_code == 200
    refused(http, bound)
    identity.user("user:eve")
    refused(http, bound)
