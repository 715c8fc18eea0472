"""Tokens of issuers: what is verified, where keys come from, and what of a token reaches the directory."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from acl import directory, jwks
from acl.caller import Caller, authenticate, require_standing
from acl.issuers import Trust, put_issuer
from acl.jwks import ALGORITHMS, KeySets, fetch_json, usable
from acl.keys import create_key, revoke_key
from acl.resolve import resolve
from tests.acl.conftest import ALICE, SECRET, Identity
from tests.acl.issuing import AUDIENCE, DISCOVERY, beginning, found, public_jwk
from vouch.catalog import epoch as epochs
from vouch.catalog.tables import Issuer
from vouch.core import clock
from vouch.core.errors import AccessIncomplete, Forbidden, Unauthenticated, Unavailable


def enter(identity: Identity, token: str, acts_for: str | None = None) -> Caller:
    return authenticate(identity.catalog, SECRET, token, acts_for)


def epoch(identity: Identity) -> int:
    with identity.catalog.reading("t") as session:
        return epochs.current(session, "t")


def groups(identity: Identity, user: str = ALICE) -> set[str]:
    with identity.catalog.reading("t") as session:
        return set(resolve(session, "t", user).principals) - {user, "authenticated"}


def read_at(identity: Identity, user: str = ALICE) -> datetime | None:
    with identity.catalog.reading("t") as session:
        known = directory.known_user(session, "t", user, "okta")
    assert known is not None
    return known.memberships_read_at


# --- verification ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_may_be_pinned_verifies(identity: Identity, algorithm: str) -> None:
    identity.trust(algorithms=(algorithm,))
    identity.provider.rotate("k1", algorithm=algorithm)
    token = identity.provider.token(algorithm=algorithm)
    assert enter(identity, token).user == ALICE
    with pytest.raises(Unauthenticated):
        enter(identity, token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8))


def test_a_token_is_for_asking_as_its_user_until_it_ends(identity: Identity) -> None:
    ends = int(time.time()) + 120
    caller = enter(identity, identity.provider.token(exp=ends))
    assert caller == Caller("t", "oidc:okta", frozenset({"ask"}), ALICE, datetime.fromtimestamp(ends + 30, UTC))
    assert caller.actor == f"{ALICE} via oidc:okta"
    assert enter(identity, identity.provider.token(), ALICE).user == ALICE
    with pytest.raises(Forbidden):
        enter(identity, identity.provider.token(), "user:bob")


def test_a_person_reads_the_report_of_what_they_own_with_their_token(identity: Identity, http: TestClient) -> None:
    headers = {"Authorization": f"Bearer {identity.provider.token()}"}
    identity.user("user:bob")
    found = http.get("/v1/reports/staleness", headers=headers)
    assert (found.status_code, found.json()["user"]) == (200, ALICE)
    assert http.get("/v1/reports/staleness", params={"owner": "user:bob"}, headers=headers).status_code == 404
    group = http.get("/v1/reports/staleness/group", params={"group": "group:staff"}, headers=headers)
    assert (group.status_code, group.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_access_tokens_say_their_type_in_several_ways(identity: Identity, typ: str) -> None:
    assert enter(identity, identity.provider.token(header={"typ": typ})).user == ALICE


def test_the_audience_may_be_one_of_several(identity: Identity) -> None:
    assert enter(identity, identity.provider.token(aud=["https://other.example.org", AUDIENCE])).user == ALICE


def test_clock_skew_is_allowed_for_up_to_the_leeway(identity: Identity) -> None:
    identity.trust(leeway_s=60)
    now = int(time.time())
    assert enter(identity, identity.provider.token(exp=now - 30, iat=now - 100)).user == ALICE
    assert enter(identity, identity.provider.token(nbf=now + 30, iat=now + 30)).user == ALICE
    for changed in ({"exp": now - 61}, {"nbf": now + 120}, {"iat": now + 120}):
        with pytest.raises(Unauthenticated):
            enter(identity, identity.provider.token(**changed))


def test_the_user_is_named_by_the_claim_that_is_configured(identity: Identity) -> None:
    identity.trust(user_claim="oid")
    assert enter(identity, identity.provider.token(sub="_not-one", oid="00u1")).user == ALICE
    with pytest.raises(Unauthenticated):
        enter(identity, identity.provider.token())


def test_a_weak_key_verifies_nothing(identity: Identity) -> None:
    identity.trust(algorithms=("RS256",))
    identity.provider.rotate("weak", algorithm="RS256")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = identity.provider.token(kid="weak", algorithm="RS256")
    with pytest.raises(Unauthenticated):
        enter(identity, token)


@pytest.mark.parametrize(
    "fields",
    [
        {"use": "enc"},
        {"alg": "ES384"},
        {"key_ops": ["sign"]},
        {"crv": "P-384"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"x": "AAAA"},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_a_key_that_is_for_something_else_verifies_nothing(fields: dict[str, Any]) -> None:
    assert usable([public_jwk("ES256", "k1")], "k1", "ES256")
    assert usable([public_jwk("ES256", "k1", **fields)], "k1", "ES256") is None


def test_without_a_key_id_there_has_to_be_one_key_alone(identity: Identity) -> None:
    token = identity.provider.token(kid=None)
    assert enter(identity, token).user == ALICE
    identity.provider.rotate("k1", "k2")
    identity.clock.moment += jwks.MAX_AGE_S + 1
    with pytest.raises(Unauthenticated):
        enter(identity, token)


# --- where keys come from -------------------------------------------------------------------------------------------


def test_keys_are_fetched_once_and_kept(identity: Identity) -> None:
    for _ in range(5):
        enter(identity, identity.provider.token())
    assert identity.provider.asked == {DISCOVERY: 1, "/keys": 1}
    identity.clock.moment += jwks.MAX_AGE_S + 1
    enter(identity, identity.provider.token())
    assert identity.provider.asked == {DISCOVERY: 2, "/keys": 2}


def test_keys_come_from_where_is_configured_without_discovery(identity: Identity) -> None:
    identity.trust(jwks_uri=f"{identity.provider.url}/keys")
    enter(identity, identity.provider.token())
    assert identity.provider.asked == {"/keys": 1}


def test_pinned_keys_are_not_fetched(identity: Identity) -> None:
    identity.trust(jwks={"keys": [public_jwk("ES256", "k1")]})
    assert enter(identity, identity.provider.token()).user == ALICE
    with pytest.raises(Unauthenticated):
        enter(identity, identity.provider.token(kid="k2"))
    assert not identity.provider.asked


def test_an_unknown_key_id_is_asked_for_once_in_a_while(identity: Identity) -> None:
    """Whoever makes up key ids cannot make the platform knock at the issuer's door for each."""
    enter(identity, identity.provider.token())
    identity.clock.moment += jwks.COOL_DOWN_S + 1
    for n in range(20):
        with pytest.raises(Unauthenticated):
            enter(identity, identity.provider.token(kid=f"made-up-{n}"))
    assert identity.provider.asked["/keys"] == 2


def test_a_new_key_is_found_at_once_and_the_old_one_gone(identity: Identity) -> None:
    old = identity.provider.token()
    enter(identity, old)
    identity.provider.rotate("k2")
    identity.clock.moment += jwks.COOL_DOWN_S + 1
    assert enter(identity, identity.provider.token(kid="k2")).user == ALICE
    with pytest.raises(Unauthenticated):
        enter(identity, old)


def test_a_key_taken_back_is_believed_no_longer_than_the_set_is_kept(identity: Identity) -> None:
    token = identity.provider.token()
    enter(identity, token)
    identity.provider.rotate("k2")
    identity.clock.moment += jwks.MAX_AGE_S + 1
    with pytest.raises(Unauthenticated):
        enter(identity, token)


def test_while_the_issuer_cannot_be_reached_its_last_keys_serve_for_a_while(identity: Identity) -> None:
    enter(identity, identity.provider.token())
    identity.provider.answers["/keys"] = lambda: (500, {}, b"")
    identity.clock.moment += jwks.MAX_STALE_S - 1
    assert enter(identity, identity.provider.token()).user == ALICE
    identity.clock.moment += 2
    with pytest.raises(Unavailable):
        enter(identity, identity.provider.token())
    asked = identity.provider.asked["/keys"]
    with pytest.raises(Unavailable):
        enter(identity, identity.provider.token())
    assert identity.provider.asked["/keys"] == asked, "a failure is not tried again at once either"
    del identity.provider.answers["/keys"]
    identity.clock.moment += jwks.COOL_DOWN_S
    assert enter(identity, identity.provider.token()).user == ALICE


KEYS = {"keys": [public_jwk("ES256", "k1")]}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (DISCOVERY, (404, {}, b"")),
        (DISCOVERY, found({"issuer": "https://evil.example.org", "jwks_uri": "https://evil.example.org/keys"})),
        (DISCOVERY, found({"jwks_uri": "https://evil.example.org/keys"})),
        (DISCOVERY, found(["issuer"])),
        ("/keys", (302, {"Location": "/elsewhere"}, b"")),
        ("/keys", (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")),
        ("/keys", (200, {}, b"no JSON")),
        ("/keys", (200, {}, b"[" * 100_000)),
        ("/keys", (200, {}, b" " * (jwks.MAX_BYTES + 1))),
        ("/keys", found({"keys": []})),
        ("/keys", found({"keys": ["k1"]})),
        ("/keys", found({"keys": [public_jwk("ES256", f"k{n}") for n in range(jwks.MAX_KEYS + 1)]})),
        ("/keys", found({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}]})),
    ],
    ids=beginning,
)  # fmt: skip
def test_keys_that_cannot_be_read_let_nobody_in(identity: Identity, path: str, answer: Any) -> None:
    identity.provider.answers[path] = lambda: answer
    identity.provider.answers["/elsewhere"] = lambda: found(KEYS)
    with pytest.raises(Unavailable):
        enter(identity, identity.provider.token())
    assert identity.provider.asked["/elsewhere"] == 0


@pytest.mark.parametrize(
    "uri", ["http://169.254.169.254/keys", "http://keys.example.org/k", "file:///etc/passwd", "keys"]
)
def test_discovery_does_not_lead_off_to_where_keys_may_not_be_fetched(identity: Identity, uri: str) -> None:
    document = {"issuer": identity.provider.url, "jwks_uri": uri}
    identity.provider.answers[DISCOVERY] = lambda: found(document)
    with pytest.raises(Unavailable):
        enter(identity, identity.provider.token())
    assert identity.provider.asked == {DISCOVERY: 1}


def test_discovery_of_an_issuer_elsewhere_does_not_lead_to_this_machine() -> None:
    asked: list[str] = []

    def fetch(url: str) -> Any:
        asked.append(url)
        return {"issuer": "https://id.example.org", "jwks_uri": "http://127.0.0.1:8080/keys"}

    issuer = Issuer(tenant_id="t", id="okta", url="https://id.example.org", audience=AUDIENCE)
    with pytest.raises(Unavailable):
        KeySets(fetch).find(issuer, "k1", "ES256")
    assert asked == [f"https://id.example.org{DISCOVERY}"]


def test_an_issuer_that_is_not_there_is_unavailable(identity: Identity) -> None:
    with pytest.raises(httpx.HTTPError):
        fetch_json("http://127.0.0.1:1/keys")
    identity.trust(jwks_uri="http://127.0.0.1:1/keys")
    with pytest.raises(Unavailable):
        enter(identity, identity.provider.token())


# --- who is let in --------------------------------------------------------------------------------------------------


def test_only_where_the_issuer_provisions_is_a_stranger_created(identity: Identity) -> None:
    token = identity.provider.token(sub="00u2", name="Bob Ashby")
    with pytest.raises(Unauthenticated):
        enter(identity, token)
    identity.trust(provision=True)
    before = epoch(identity)
    assert enter(identity, token).user == "user:okta/00u2"
    assert epoch(identity) == before + 1
    with identity.catalog.reading("t") as session:
        row = session.execute(sa.text("SELECT name, active FROM app_user WHERE id = 'user:okta/00u2'")).one()
        actor = session.execute(sa.text("SELECT actor FROM authz_event ORDER BY epoch DESC LIMIT 1")).scalar_one()
    assert (tuple(row), actor) == (("Bob Ashby", True), "issuer:okta")


@pytest.mark.parametrize("gone", ["deactivated", "deleted"])
def test_a_token_never_brings_back_who_was_sent_away(identity: Identity, gone: str) -> None:
    identity.trust(provision=True)
    token = identity.provider.token(sub="00u2")
    enter(identity, token)
    with identity.catalog.transaction("t") as session:
        if gone == "deleted":
            directory.delete_user(session, "t", "user:okta/00u2", actor="test")
        else:
            directory.put_user(session, "t", "user:okta/00u2", name="Bob", active=False, actor="test")
    before = epoch(identity)
    for presented in (token, identity.provider.token(sub="00u2", iat=int(time.time()) + 1)):
        with pytest.raises(Unauthenticated):
            enter(identity, presented)
    assert epoch(identity) == before


def test_groups_are_those_that_the_newest_token_tells(identity: Identity) -> None:
    identity.trust(groups_claim="groups")
    now = int(time.time())
    enter(identity, identity.provider.token(groups=["staff", "hr"], iat=now - 200))
    assert groups(identity) == {"group:okta/staff", "group:okta/hr"}
    assert read_at(identity) == datetime.fromtimestamp(now - 200, UTC)
    enter(identity, identity.provider.token(groups=["staff", "board"], iat=now - 100))
    assert groups(identity) == {"group:okta/staff", "group:okta/board"}
    before = epoch(identity)
    for older in (now - 100, now - 150, now - 200):  # still good to come in with, and no word on groups
        assert enter(identity, identity.provider.token(groups=["hr"], iat=older)).user == ALICE
    assert groups(identity) == {"group:okta/staff", "group:okta/board"}
    assert epoch(identity) == before
    enter(identity, identity.provider.token(groups=[], iat=now))
    assert groups(identity) == set()


def test_what_a_token_changed_is_in_the_history(identity: Identity) -> None:
    identity.trust(groups_claim="groups")
    now = int(time.time())
    enter(identity, identity.provider.token(groups=["hr"], iat=now - 200))
    enter(identity, identity.provider.token(groups=["staff"], iat=now - 100))
    with identity.catalog.reading("t") as session:
        rows = session.execute(
            sa.text("SELECT group_id, present FROM membership_change WHERE member = :m ORDER BY epoch, group_id"),
            {"m": ALICE},
        ).all()
    assert [tuple(row) for row in rows] == [
        ("group:okta/hr", True),
        ("group:okta/hr", False),
        ("group:okta/staff", True),
    ]


def test_the_same_groups_again_are_noted_once_a_minute_and_begin_no_epoch(identity: Identity) -> None:
    identity.trust(groups_claim="groups")
    now = int(time.time())
    enter(identity, identity.provider.token(groups=["hr"], iat=now - 200))
    before = epoch(identity)
    enter(identity, identity.provider.token(groups=["hr"], iat=now - 170))
    assert read_at(identity) == datetime.fromtimestamp(now - 200, UTC)
    enter(identity, identity.provider.token(groups=["hr"], iat=now - 100))
    assert read_at(identity) == datetime.fromtimestamp(now - 100, UTC)
    assert epoch(identity) == before


def test_groups_of_the_directory_itself_are_none_of_an_issuers_business(identity: Identity) -> None:
    identity.trust(groups_claim="groups")
    with identity.catalog.transaction("t") as session:
        directory.put_group(session, "t", "group:hr", name="HR", members=[ALICE, "group:okta/staff"], actor="test")
    enter(identity, identity.provider.token(groups=["staff", "local/board", "../hr", "group:hr", "with space"]))
    assert groups(identity) == {"group:hr", "group:okta/staff"}
    enter(identity, identity.provider.token(groups=[], iat=int(time.time()) + 1))
    assert groups(identity) == {"group:hr"}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"groups": None},
        {"groups": "staff"},
        {"groups": [1]},
        {"groups": {"staff": True}},
        {"groups": ["staff"], "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}},
        {"_claim_names": {"groups": "src1"}},
        {"groups": ["staff"], "hasgroups": True},
    ],
    ids=lambda told: "-".join(told) or "nothing",
)
def test_a_token_that_does_not_tell_all_groups_fails_closed(identity: Identity, told: dict[str, Any]) -> None:
    """Entra leaves groups out where there are many; a deny rule may be for one of them."""
    identity.trust(groups_claim="groups", provision=True)
    for sub in ("00u1", "00u2"):
        with pytest.raises(AccessIncomplete):
            enter(identity, identity.provider.token(sub=sub, **told))
    with identity.catalog.reading("t") as session:
        assert directory.known_user(session, "t", "user:okta/00u2", "okta") is None


def test_a_stranger_comes_with_their_groups(identity: Identity) -> None:
    identity.trust(groups_claim="groups", provision=True)
    enter(identity, identity.provider.token(sub="00u2", groups=["hr"]))
    assert groups(identity, "user:okta/00u2") == {"group:okta/hr"}


# --- whether it still stands ----------------------------------------------------------------------------------------


def _stands(identity: Identity, caller: Caller) -> bool:
    with identity.catalog.reading("t") as session:
        try:
            require_standing(session, caller)
        except Unauthenticated:
            return False
    return True


def test_what_is_open_on_a_token_falls_with_it(identity: Identity) -> None:
    caller = enter(identity, identity.provider.token())
    assert _stands(identity, caller)
    identity.user(ALICE, active=False)
    assert not _stands(identity, caller)
    identity.user(ALICE)
    assert _stands(identity, caller)
    before = epoch(identity)
    identity.trust(enabled=False)
    assert epoch(identity) > before
    assert not _stands(identity, caller)
    identity.trust()
    with clock.frozen(datetime.fromtimestamp(time.time() + 331, UTC)):
        assert not _stands(identity, caller)


def test_what_is_open_on_a_key_falls_with_it(identity: Identity) -> None:
    with identity.catalog.transaction("t") as session:
        made = create_key(session, SECRET, "t", name="x", scopes=["ask"], user=ALICE, actor="test")
    caller = enter(identity, made.secret)
    assert _stands(identity, caller)
    before = epoch(identity)
    with identity.catalog.transaction("t") as session:
        revoke_key(session, "t", made.id, actor="test")
    assert epoch(identity) == before + 1
    assert not _stands(identity, caller)


def test_the_same_provider_serves_two_tenants_by_audience(identity: Identity) -> None:
    trust = Trust(url=identity.provider.url, audience="elsewhere", algorithms=("ES256",), provision=True)
    with identity.catalog.transaction("other") as session:
        put_issuer(session, "other", "okta", trust, actor="test")
    assert enter(identity, identity.provider.token(aud="elsewhere")).tenant == "other"
    assert enter(identity, identity.provider.token()).tenant == "t"


def test_a_private_key_is_never_taken_for_a_public_one() -> None:
    secret = {**public_jwk("EdDSA", "k1"), "d": "AAAA"}
    with pytest.raises(ValueError, match="private"):
        jwks.keys_of({"keys": [secret]})
