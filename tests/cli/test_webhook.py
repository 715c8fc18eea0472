"""`vouch webhook …`: registering, looking, ending; its calls lead nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Vouch

URL = "https://hooks.invalid/vouch"


@pytest.fixture(scope="module")
def vouch(running: Any) -> Vouch:
    found: Vouch = running.vouch
    return found


def test_a_webhook_from_its_making_to_its_end(vouch: Vouch) -> None:
    made = vouch("webhook", "add", URL, "--event", "job.ended")
    assert made.returncode == 0 and made.stdout.startswith("whsec_") and "not shown again" in made.stderr
    (listed,) = json.loads(vouch.ok("webhook", "list", "--json"))["webhooks"]
    webhook, secret = listed["id"], made.stdout.strip()
    assert (listed["url"], listed["events"], listed["state"]) == (URL, ["job.ended"], "active")
    assert secret not in json.dumps(listed) and webhook in made.stderr
    sent = json.loads(vouch.ok("webhook", "test", webhook, "--json"))
    assert (sent["event"], sent["state"]) == ("webhook.test", "waiting")
    assert vouch.ok("webhook", "pause", webhook) == f"{webhook} is paused.\n"
    assert vouch("webhook", "test", webhook).returncode == 1
    assert vouch.ok("webhook", "list").startswith(f"paused\t{URL}\tjob.ended\tall\t")
    assert sent["id"] in vouch.ok("webhook", "deliveries", webhook)
    assert vouch.ok("webhook", "deliveries", webhook, "--state", "delivered") == ""
    assert vouch("webhook", "deliveries", webhook, "--state", "lost").returncode == 2
    assert vouch.ok("webhook", "secret", webhook).strip() not in ("", secret)
    assert vouch.ok("webhook", "redeliver", webhook, sent["id"]).startswith(f"{sent['id']} is on its way")
    assert vouch.ok("webhook", "resume", webhook) == f"{webhook} is active.\n"
    assert vouch.ok("webhook", "rm", webhook) == f"{webhook} is deleted.\n"
    assert vouch("webhook", "rm", webhook).returncode == 1
    assert vouch.ok("webhook", "list") == ""


def test_what_cannot_be_one_is_refused(vouch: Vouch) -> None:
    for arguments in ((URL, "--event", "job.began"), ("http://hooks.invalid/",), ("https://127.0.0.1/",), ("x",)):
        assert vouch("webhook", "add", *arguments).returncode == 2, arguments
    assert vouch("webhook", "add", URL, "--source", "none").returncode == 1
