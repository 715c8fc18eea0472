"""Mail over HTTP: addresses that are asked first, subscriptions, links that need no login, the schedule, deliveries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from acl import directory
from acl.keys import create_key
from ingestion.doorbell import QUEUES
from ingestion.mail import deliveries
from ingestion.mail.deliveries import BATCH
from ingestion.mail.letters import Desk
from ingestion.mail.links import LASTS, opened, token
from ingestion.mail.recipients import MOST_QUESTIONS
from ingestion.mail.server import Mailer
from ingestion.scheduler import sweep
from ingestion.services import Services
from ingestion.tasks import register
from tests.applications import ingestion_routes
from tests.client.conftest import served
from tests.ingestion.post import KEYS, TENANT, Mailbox, Post, open_post, serving
from vouch.catalog.blobs import Blobs
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import IndexGeneration, Tenant
from vouch.client import Client
from vouch.core import clock
from vouch.core.errors import BadConfig, NotFound
from vouch.core.settings import Settings

SECRET = "a-secret-for-the-tests-of-mail-alone"


@pytest.fixture
def post(catalog: Catalog) -> Iterator[Post]:
    box = Mailbox()
    with serving(box) as port:
        yield open_post(catalog, box, port)


class Http:
    """The routes of ingestion, and the pages that mail leads to."""

    def __init__(self, post: Post, app: FastAPI) -> None:
        self.post = post
        self.app = app
        settings = SimpleNamespace(mail_keys=KEYS)
        self.services = SimpleNamespace(catalog=post.catalog, desk=post.desk, settings=settings)
        self.app.state.ingestion = self.services
        self.app.state.catalog, self.app.state.secret_key = post.catalog, SECRET
        self.client = TestClient(self.app)
        with post.catalog.transaction(TENANT) as session:
            scopes = ("ask", "reports", "directory", "admin", "act_as")
            self.key = create_key(session, SECRET, TENANT, name="t", scopes=scopes, actor="test").secret

    def send(self, method: str, path: str, user: str | None = None, **kw: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"} | ({"X-Vouch-As": f"user:{user}"} if user else {})
        return self.client.request(method, path, headers=headers, **kw)

    def ok(self, method: str, path: str, user: str | None = None, body: Any = None) -> Any:
        response = self.send(method, path, user, json=body)
        assert response.status_code < 300, response.text
        return response.json()


@pytest.fixture
def http(post: Post) -> Iterator[Http]:
    with ingestion_routes() as app:
        yield Http(post, app)


def _deliver_all(post: Post) -> None:
    for row in post.rows():
        if row.state == "waiting":
            post.deliver(row.id)


def _link(post: Post, what: str) -> str:
    """The newest link for this that arrived."""
    text = post.box.letters()[-1].get_body(("plain",))
    assert text is not None
    found = re.findall(rf"https://www\.example\.org(/mail/{what}\?token=[\w-]+)", text.get_content())
    return str(found[-1])


# --- an address of one's own ----------------------------------------------------------------------------------------


def test_an_address_is_asked_before_anything_else_is_sent_to_it(post: Post, http: Http) -> None:
    said = http.ok("PUT", "/v1/mail/address", "carol", {"address": "c@www.example.org"})
    assert (said["address"], said["pending"]) == ("carol@example.org", "c@www.example.org")
    post.deliver(post.owed("carol"))
    _deliver_all(post)
    assert [rcpt for rcpt, _ in post.box.arrived] == ["carol@example.org", "c@www.example.org"]
    (question,) = post.box.letters("c@www.example.org")
    assert b"Hotels" not in question.as_bytes() and question["List-Unsubscribe"] is None
    link = _link(post, "confirm")
    page = http.client.get(link)
    assert page.status_code == 200 and "<form" in page.text and "script" not in page.text
    assert http.ok("GET", "/v1/mail", "carol")["pending"] == "c@www.example.org"  # looking at it confirms nothing
    assert http.client.post(link).status_code == 200
    said = http.ok("GET", "/v1/mail", "carol")
    assert (said["address"], said["set_by"], said["pending"]) == ("c@www.example.org", "person", None)
    assert http.client.post(link).status_code == 404  # good once
    post.deliver(post.owed("carol"))
    assert post.box.arrived[-1][0] == "c@www.example.org"
    assert [entry.actor for entry in post.audited("mail.address")][-1] == "user:carol via mail"


def test_only_the_newest_question_counts_and_not_for_long(post: Post, http: Http) -> None:
    http.ok("PUT", "/v1/mail/address", "carol", {"address": "first@example.org"})
    _deliver_all(post)
    first = _link(post, "confirm")
    http.ok("PUT", "/v1/mail/address", "carol", {"address": "second@example.org"})
    (asked,) = [row for row in post.rows() if row.state == "waiting"]
    assert http.client.post(first).status_code == 404
    _deliver_all(post)
    second = _link(post, "confirm")
    with clock.frozen(asked.period + LASTS["confirm"] + timedelta(seconds=1)):
        assert http.client.post(second).status_code == 404
    assert http.client.post(second).status_code == 200
    assert http.ok("GET", "/v1/mail", "carol")["address"] == "second@example.org"


def test_an_administrator_who_decides_ends_the_question(post: Post, http: Http) -> None:
    http.ok("PUT", "/v1/mail/address", "carol", {"address": "mine@example.org"})
    _deliver_all(post)
    http.ok("POST", "/v1/directory/users/carol/mail", body={"address": "given@example.org"})
    assert http.client.post(_link(post, "confirm")).status_code == 404
    said = http.ok("GET", "/v1/directory/users/carol/mail")
    assert (said["address"], said["set_by"]) == ("given@example.org", "administrator")
    assert http.ok("POST", "/v1/directory/users/carol/mail", body={"address": None})["receives"] is False
    for user in ("nobody", "okta/00u1"):
        assert http.send("GET", f"/v1/directory/users/{user}/mail").status_code == 404


def test_nobody_is_flooded_with_questions(post: Post, http: Http) -> None:
    for number in range(MOST_QUESTIONS):
        http.ok("PUT", "/v1/mail/address", "carol", {"address": f"eve{number}@example.org"})
    refused = http.send("PUT", "/v1/mail/address", "carol", json={"address": "eve@example.org"})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    http.ok("PUT", "/v1/mail/address", "dave", {"address": "dave@www.example.org"})


def test_an_address_is_nobody(post: Post, http: Http) -> None:
    """Two may have the same; neither can be named by it, and each gets their own report."""
    for user in ("carol", "dave"):
        http.ok("POST", f"/v1/directory/users/{user}/mail", body={"address": "both@example.org"})
    post.deliver(post.owed("carol"))
    assert b"Boats" not in post.box.arrived[0][1]
    refused = http.send("POST", "/v1/reports/deliveries", json={"user": "user:both@example.org"})
    assert (refused.status_code, refused.json()["field"]) == (422, "user")


def test_without_a_mail_server_nothing_is_promised(post: Post, http: Http) -> None:
    http.services.desk = None
    for method, path, user, body in (
        ("PUT", "/v1/mail/address", "carol", {"address": "c@example.org"}),
        ("POST", "/v1/reports/deliveries", None, {"user": "user:carol"}),
    ):
        assert http.send(method, path, user, json=body).status_code == 409
    assert http.ok("GET", "/v1/reports/schedule")["mail_server"] is False


# --- links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_click", [True, False])
def test_one_click_ends_reports_and_nothing_else(post: Post, http: Http, one_click: bool) -> None:
    post.deliver(post.owed("carol"))
    (letter,) = post.box.letters()
    link = str(letter["List-Unsubscribe"]).strip("<>").removeprefix("https://www.example.org")
    assert http.client.get(link).status_code == 200
    assert http.ok("GET", "/v1/mail", "carol")["receives"] is True  # a scanner that looks at it changes nothing
    data = {"List-Unsubscribe": "One-Click"} if one_click else {}
    assert http.client.post(link, data=data).status_code == 200
    said = http.ok("GET", "/v1/mail", "carol")
    assert (said["subscribed"], said["receives"], said["address"]) == (False, False, "carol@example.org")
    assert http.client.post(link).status_code == 200  # again: it stays so
    signed = link.partition("token=")[2]
    for path in ("/mail/confirm", "/v1/mail", "/v1/reports/staleness", "/v1/reports/deliveries"):
        for headers in ({}, {"Authorization": f"Bearer {signed}"}):
            response = http.client.request("GET" if "v1" in path else "POST", f"{path}?token={signed}", headers=headers)
            assert response.status_code in (401, 404), path
    row = post.deliver(post.owed("carol"))
    assert (row.state, row.problem and row.problem["reason"]) == ("skipped", "unsubscribed")
    assert len(post.box.arrived) == 1
    http.ok("PUT", "/v1/mail/subscription", "carol", {"subscribed": True})
    assert post.deliver(post.owed("carol")).state == "sent"


def test_a_token_that_was_changed_is_none(post: Post, http: Http) -> None:
    owed = post.owed("carol")
    good = token(KEYS, "unsubscribe", TENANT, owed)
    assert opened(KEYS, "unsubscribe", good) == (TENANT, owed)
    assert opened((b"new", *KEYS), "unsubscribe", good) == (TENANT, owed)  # by a former key
    flipped = [good[:n] + ("A" if good[n] != "A" else "B") + good[n + 1 :] for n in range(len(good) - 1)]
    others = [
        "", "x", "=", good[:-8], good + "AAAA", good * 9, "ä", token((b"another",), "unsubscribe", TENANT, owed),
        token(KEYS, "confirm", TENANT, owed), token(KEYS, "unsubscribe", "elsewhere", owed),
        token(KEYS, "unsubscribe", TENANT, owed[:-1] + ("0" if owed[-1] != "0" else "1")),
    ]  # fmt: skip
    for wrong in (*flipped, *others[:8]):
        with pytest.raises(NotFound):
            opened(KEYS, "unsubscribe", wrong)
    for wrong in others:
        response = http.client.post("/mail/unsubscribe", params={"token": wrong[:400]})
        assert (response.status_code, response.json()["code"]) == (404, "not_found"), wrong
        seen = http.client.post("/mail/unsubscribe", params={"token": wrong[:400]}, headers={"Accept": "text/html"})
        assert seen.status_code == 404 and "over" in seen.text
    with clock.frozen(clock.now() + LASTS["unsubscribe"] + timedelta(days=1)):
        assert http.client.post("/mail/unsubscribe", params={"token": good}).status_code == 404
    assert http.ok("GET", "/v1/mail", "carol")["receives"] is True
    with post.catalog.transaction(TENANT) as session:  # whoever has the name next is another
        directory.delete_user(session, TENANT, "user:carol", actor="test")
    assert http.client.post("/mail/unsubscribe", params={"token": good}).status_code == 404


def test_a_page_shows_the_token_as_text_and_leaks_it_nowhere(http: Http) -> None:
    page = http.client.get("/mail/unsubscribe", params={"token": '"><script>alert(1)</script>'})
    assert page.status_code == 200 and "<script" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer" and page.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert http.client.get("/mail/unsubscribe", params={"token": "x" * 401}).status_code == 422


# --- schedule and deliveries ----------------------------------------------------------------------------------------


def test_who_gets_reports_and_when(post: Post, http: Http) -> None:
    with post.catalog.transaction(TENANT) as session:
        directory.put_group(session, TENANT, "group:inner", name="I", members=["user:dave"], actor="test")
        directory.put_group(session, TENANT, "group:outer", name="O", members=["group:inner"], actor="test")
    put = {"schedule": "0 7 * * 1", "send_to": ["group:outer", "user:ghost"]}
    said = http.ok("PUT", "/v1/reports/schedule", body=put)
    assert said["next_at"].endswith("T07:00:00Z") and said["send_to"] == ["group:outer", "user:ghost"]
    http.ok("PUT", "/v1/mail/subscription", "erin", {"subscribed": True})
    post.user("frank")  # no address
    post.due()
    assert [row.user_id for row in post.rows()] == ["user:dave", "user:erin"]
    post.due()  # that Monday is over, and the next is not there
    assert len(post.rows()) == 2
    http.ok("PUT", "/v1/mail/subscription", "dave", {"subscribed": False})
    post.due(days=30)
    assert [row.user_id for row in post.rows()] == ["user:dave", "user:erin", "user:erin"]
    http.ok("PUT", "/v1/reports/schedule", body={"schedule": None, "send_to": []})
    before = len(post.rows())
    post.due(days=60)
    assert len(post.rows()) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"schedule": "often"}, "schedule"), ({"schedule": "* * * * *"}, "schedule"), ({"schedule": "15m"}, "schedule"),
        ({"schedule": "0,1 7 * * *"}, "schedule"),
        ({"schedule": "7d", "send_to": ["carol@example.org"]}, "send_to"), ({"send_to": []}, "schedule"),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be(http: Http, body: Any, field: str) -> None:
    response = http.send("PUT", "/v1/reports/schedule", json=body)
    assert (response.status_code, response.json()["field"]) == (422, field)
    assert http.ok("GET", "/v1/reports/schedule")["schedule"] == "7d"


def test_a_time_that_was_missed_is_made_up_for_once(post: Post) -> None:
    assert len(post.due(days=100)) == 3
    assert len(post.due(days=100)) == 3


def test_an_administrator_sees_what_failed_and_has_it_tried_again(post: Post, http: Http) -> None:
    post.box.recipients["carol@example.org"] = "550 no"
    http.ok("POST", "/v1/reports/deliveries", body={"user": "user:carol"})
    http.ok("POST", "/v1/reports/deliveries", body={"user": "user:dave"})
    _deliver_all(post)
    (dead,) = http.ok("GET", "/v1/reports/deliveries?state=dead")["deliveries"]
    assert (dead["user"], dead["problem"]["reason"], dead["attempts"]) == ("user:carol", "recipient_refused", 1)
    assert "example.org" not in str(http.ok("GET", "/v1/reports/deliveries"))
    first = http.ok("GET", "/v1/reports/deliveries?limit=1")
    (second,) = http.ok("GET", f"/v1/reports/deliveries?limit=1&cursor={first['next_cursor']}")["deliveries"]
    assert {first["deliveries"][0]["user"], second["user"]} == {"user:carol", "user:dave"}
    post.box.recipients.clear()
    assert http.ok("POST", "/v1/reports/deliveries/retry", body={"user": "user:dave"})["deliveries"] == 0
    assert http.ok("POST", "/v1/reports/deliveries/retry", body={})["deliveries"] == 1
    _deliver_all(post)
    assert http.ok("GET", "/v1/reports/deliveries?user=user:carol")["deliveries"][0]["state"] == "sent"
    post.user("dave", active=False)
    assert http.send("POST", "/v1/reports/deliveries", json={"user": "user:dave"}).status_code == 409
    assert http.send("POST", "/v1/reports/deliveries", json={"user": "user:nobody"}).status_code == 404


def test_the_client_does_all_of_it(post: Post, http: Http) -> None:
    with served(http.app) as url, Client(url, http.key) as anyone:
        carol = anyone.as_user("user:carol")
        assert carol.mail.get().receives and not carol.mail.subscribe(False).receives
        assert carol.mail.subscribe(None).subscribed is None
        assert carol.mail.set_address("c@example.org").pending == "c@example.org"
        assert carol.mail.forget_address().address is None
        assert anyone.directory.set_mail("carol", "c@example.org").set_by == "administrator"
        assert anyone.directory.mail("carol").address == "c@example.org"
        assert anyone.reports.set_schedule("30d", ["user:carol"]).send_to == ("user:carol",)
        assert anyone.reports.schedule().mail_server
        anyone.reports.send("user:carol")
        assert [one.user for one in anyone.reports.deliveries(state="waiting")] == ["user:carol", "user:carol"]
        assert anyone.reports.retry() == 0


# --- the clock ------------------------------------------------------------------------------------------------------


def test_the_scheduler_rings_for_what_is_owed_one_batch_at_a_time(post: Post, tmp_path: Path, redis_url: str) -> None:
    mailer = post.desk.mailer
    settings = Settings(
        data_dir=tmp_path, database_url=SecretStr(post.catalog.url), redis_url=SecretStr(redis_url),
        secret_key=SecretStr(SECRET), smtp_host=mailer.host, smtp_port=mailer.port, smtp_security="none",
        mail_from=mailer.sender, public_url=mailer.public_url,
    )  # fmt: skip
    services = replace(Services.open(settings), blobs=Blobs(str(tmp_path / "blobs")))
    with post.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(IndexGeneration(id="g1", model="m", dimensions=3, chunker="test"))
        session.add(Tenant(id="elsewhere", name="E"))
    post.due()
    sweep(services)
    sweep(services)  # nothing is rung for twice while it may be under way
    assert services.redis.llen("mail") == 1 and "mail" in QUEUES
    bell = Celery("test", set_as_current=False)
    register(bell, lambda: services, scan_limit_s=60)
    bell.tasks["ingestion.mail"]([[TENANT, row.id] for row in post.rows()])
    assert sorted(row.state for row in post.rows()) == ["nothing", "sent", "sent"]
    assert {entry.actor for entry in post.audited("report.mailed")} == {"user:carol via mail", "user:dave via mail"}
    services.catalog.close()


def test_where_no_mail_server_is_set_nothing_piles_up(post: Post, tmp_path: Path, redis_url: str) -> None:
    settings = Settings(
        data_dir=tmp_path, database_url=SecretStr(post.catalog.url), redis_url=SecretStr(redis_url),
        secret_key=SecretStr(SECRET),
    )  # fmt: skip
    services = Services.open(settings)
    with post.catalog.transaction(ACROSS_TENANTS) as session:
        session.add(IndexGeneration(id="g1", model="m", dimensions=3, chunker="test"))
    with clock.frozen(clock.now() + timedelta(days=8)):
        sweep(services)
    assert post.rows() == [] and services.redis.llen("mail") == 0
    services.catalog.close()


def test_what_is_due_is_claimed_by_one(post: Post) -> None:
    for _ in range(BATCH + 1):
        post.owed("carol")
    with post.catalog.transaction(ACROSS_TENANTS) as session:
        assert len(deliveries.due(session)) == BATCH
        assert deliveries.due(session) == []  # until the first batch is done
    owed = post.rows()[0].id
    with post.catalog.transaction(TENANT) as session:
        assert deliveries.claim(session, TENANT, owed) is not None
    with post.catalog.transaction(TENANT) as session:
        assert deliveries.claim(session, TENANT, owed) is None


# --- settings -------------------------------------------------------------------------------------------------------

GOOD = {"smtp_host": "mail.example.org", "mail_from": "vouch@example.org", "public_url": "https://www.example.org/v/"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"mail_from": None}, "mail_from"), ({"mail_from": "Vouch <v@example.org>"}, "mail_from"),
        ({"mail_from": "v@example.org\r\nBcc: e@example.org"}, "mail_from"), ({"public_url": None}, "public_url"),
        ({"public_url": "http://www.example.org"}, "public_url"), ({"public_url": "javascript:alert(1)"}, "public_url"),
        ({"public_url": "https://www.example.org/?a=b"}, "public_url"), ({"public_url": "https://[x"}, "public_url"),
        ({"public_url": "https://www.example.org/>\r\nX: y"}, "public_url"), ({"smtp_user": "vouch"}, "smtp_user"),
        ({"smtp_password": "let me in"}, "smtp_user"),
        ({"smtp_user": "v", "smtp_password": "let me in", "smtp_security": "none"}, "smtp_security"),
        ({"smtp_user": "v", "smtp_password": "let me in", "smtp_password_file": "x"}, "smtp_password"),
        ({"smtp_user": "v", "smtp_password_file": "nowhere"}, "smtp_password_file"),
        ({"smtp_ca_file": "nowhere"}, "smtp_ca_file"), ({"secret_key": None}, "secret_key"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_named_at_the_start(given: Any, field: str) -> None:
    with pytest.raises(BadConfig) as failed:
        Desk.of(Settings(**{"secret_key": SECRET, **GOOD, **given}))
    assert failed.value.field == field and "let me in" not in str(failed.value)


def test_settings_as_they_are_meant(tmp_path: Path) -> None:
    assert Mailer.of(Settings()) is None
    file = tmp_path / "password"
    file.write_text("let me in\n")
    mailer = Mailer.of(Settings(**GOOD, smtp_user="vouch", smtp_password_file=file))  # type: ignore[arg-type]
    assert mailer is not None and mailer.login is not None
    assert (mailer.security, mailer.port, mailer.login.password) == ("starttls", 587, "let me in")
    assert mailer.public_url == "https://www.example.org/v" and "let me in" not in repr(mailer)
