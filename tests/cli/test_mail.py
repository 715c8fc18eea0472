"""`vouch report …` and `vouch directory …`, the part that is mail and managers, on a platform that sends none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Vouch


@pytest.fixture(scope="module")
def people(running: Any) -> Vouch:
    vouch: Vouch = running.vouch
    for name in ("gil", "hal"):
        vouch.ok("directory", "user", name, "--name", name.title())
    vouch.ok("directory", "group", "crew", "--name", "Crew", "--member", "user:gil")
    return vouch


def test_where_reports_go_and_whether(people: Vouch) -> None:
    assert people.ok("directory", "mail", "gil") == "user:gil: no address.\n"
    assert people.ok("directory", "mail", "user:gil", "gil@example.org") == "user:gil: gil@example.org.\n"
    assert people("directory", "mail", "gil", "gil@").returncode == 2
    said = people.ok("report", "subscribe", "--as", "gil")
    assert said.startswith("address: gil@example.org (set by administrator)\nreports: sent (subscribed)\n")
    assert "not sent (unsubscribed)" in people.ok("report", "unsubscribe", "--as", "gil")
    assert "as the schedule has it" in people.ok("report", "subscribe", "--default", "--as", "gil")
    refused = people("report", "address", "g@example.org", "--as", "gil")
    assert refused.returncode == 1 and "VOUCH_SMTP_HOST" in refused.stderr
    assert people("report", "address", "--as", "gil").returncode == 2
    assert json.loads(people.ok("report", "address", "--remove", "--as", "gil", "--json"))["address"] is None
    assert people.ok("report", "mail", "--as", "gil").startswith("address: none\n")


def test_when_they_go_out_and_what_became_of_them(people: Vouch) -> None:
    assert people.ok("report", "schedule").startswith("never, to those alone who subscribed")
    said = people.ok("report", "schedule", "--every", "0 7 * * 1", "--to", "group:crew")
    assert said.startswith("0 7 * * 1, to group:crew, next ") and "no mail server is set" in said
    assert people.ok("report", "schedule", "--to", "authenticated").startswith("0 7 * * 1, to authenticated, next ")
    assert people.ok("report", "schedule", "--off").startswith("never, to authenticated;")
    assert people("report", "schedule", "--every", "often").returncode == 2
    assert people("report", "send", "gil").returncode == 1
    assert people.ok("report", "deliveries", "--state", "dead") == ""
    assert people.ok("report", "retry", "--user", "gil") == "0 messages are tried again.\n"


def test_the_view_of_a_group(people: Vouch) -> None:
    assert people("report", "staleness", "--group", "group:crew", "--as", "hal").returncode == 1
    assert people.ok("directory", "managers", "crew", "--add", "user:hal") == "group:crew is managed by user:hal.\n"
    source = json.loads(people.ok("source", "add", "push", "crew-notes", "--owner", "user:gil", "--json"))
    assert source["owner"] == "user:gil"
    assert people.ok("report", "staleness", "--group", "group:crew", "--as", "hal") == ""
    found = json.loads(people.ok("report", "staleness", "--group", "group:crew", "--as", "hal", "--json"))
    assert (found["user"], found["owners"]) == ("user:hal", [])
    assert people.ok("report", "staleness", "--group", "group:crew", "--format", "csv").startswith('"section","owner"')
    assert people("report", "staleness", "--group", "group:crew", "--owner", "user:gil").returncode == 2
    assert people.ok("directory", "managers", "group:crew", "--remove", "user:hal").endswith("by nobody.\n")


@pytest.mark.parametrize("command", ["up", "work", "schedule", "serve"])
def test_nothing_starts_with_a_mail_server_that_cannot_work(alone: Vouch, command: str) -> None:
    done = alone(command, VOUCH_SMTP_HOST="mail.example.org", VOUCH_SECRET_KEY="of the tests, and long enough for one")
    assert (done.returncode, done.stdout) == (2, "")
    assert "VOUCH_MAIL_FROM" in done.stderr and not (alone.data_dir / "postgres").exists()
