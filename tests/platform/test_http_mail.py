"""A report on its whole way: the scheduler finds it due, a worker hands it to a mail server, its link ends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.ingestion.post import Mailbox, serving, trusting
from tests.platform.conftest import Platform, acting, platform_on, problem
from vouch.core.settings import Settings


@pytest.fixture(scope="module")
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, model_settings: Settings, embedder: object, box: Mailbox
) -> Iterator[Platform]:
    """One that sends mail, in TLS and with a password, which every part of it has to have."""
    folder = tmp_path_factory.mktemp("platform")
    with serving(box, tls="starttls", login=True) as port:
        given: dict[str, Any] = {
            "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_ca_file": trusting(folder), "smtp_user": "vouch",
            "smtp_password": "let me in", "mail_from": "vouch@example.org", "public_url": "https://www.example.org",
        }  # fmt: skip
        with platform_on(folder / "data", model_settings, **given) as platform:
            yield platform


def test_a_report_reaches_its_owner_and_the_link_in_it_ends_them(platform: Platform, box: Mailbox) -> None:
    source = platform.source("aging", owner="user:alice", freshness={"stale_after": "365d"})
    body = {
        "text": "# Sauna\n\nIt is heated.",
        "modified_at": "2024-01-01T00:00:00Z",
        "access": [{"allow": ["user:alice"]}],
    }
    job = platform.ok("PUT", f"/v1/sources/{source}/documents/sauna.md", json=body)["job_id"]
    assert platform.ended(job)["state"] == "succeeded"
    problem(platform.http.post("/v1/reports/deliveries", json={"user": "user:alice"}), 409, "conflict")
    platform.ok("POST", "/v1/directory/users/alice/mail", json={"address": "alice@example.org"})
    platform.ok("PUT", "/v1/mail/subscription", headers=acting("alice"), json={"subscribed": True})
    platform.ok("POST", "/v1/reports/deliveries", json={"user": "user:alice"})
    sent = platform.until(lambda: platform.ok("GET", "/v1/reports/deliveries?state=sent")["deliveries"])
    assert [(one["user"], one["attempts"], one["handed_over"]) for one in sent] == [("user:alice", 1, 1)]
    (letter,) = box.letters("alice@example.org")
    assert b"Sauna" in letter.as_bytes() and box.heard == ["MAIL vouch@example.org tls"]
    (signed,) = re.findall(r"\?token=([\w-]+)", letter["List-Unsubscribe"])
    with httpx.Client(base_url=platform.http.base_url) as anyone:
        assert "<form" in anyone.get("/mail/unsubscribe", params={"token": signed}).text
        assert anyone.post("/mail/unsubscribe", params={"token": signed}).status_code == 200
        problem(anyone.post("/mail/unsubscribe", params={"token": f"A{signed}"}), 404, "not_found")
    assert platform.ok("GET", "/v1/mail", headers=acting("alice"))["receives"] is False
