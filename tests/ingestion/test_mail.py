"""Reports by mail, to a real SMTP server: what is in them, who gets none, and what becomes of them when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket

import pytest
import sqlalchemy as sa

from acl import directory
from ingestion.mail.address import mail_address
from ingestion.mail.deliveries import HANDED_AT_MOST, LEASE_S, MAX_ATTEMPTS, PAUSES_S
from ingestion.mail.recipients import forget_address, give_address, subscribe
from ingestion.mail.server import Login
from tests.ingestion.post import LOST, TENANT, Mailbox, Post, open_post, serving, trusting
from vouch.catalog.database import Catalog
from vouch.core.errors import InvalidInput


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
def post(catalog: Catalog, box: Mailbox) -> Iterator[Post]:
    with serving(box) as port:
        yield open_post(catalog, box, port)


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_each_gets_what_they_own_and_may_read_in_two_forms(post: Post) -> None:
    sent = post.deliver(post.owed("carol"))
    assert (sent.state, sent.attempts, sent.handed, sent.problem) == ("sent", 1, 1, None)
    post.deliver(post.owed("dave"))
    (carols,), (daves,) = post.box.letters("carol@example.org"), post.box.letters("dave@example.org")
    for letter, mine, others in ((carols, "Hotels", ("Boats", "Salaries")), (daves, "Boats", ("Hotels", "Salaries"))):
        assert letter.get_content_type() == "multipart/alternative"
        text, html = (part.get_content() for part in letter.iter_parts())
        for form in (text, html):
            assert mine in form and not any(other in form for other in others)
        assert "<svg" in html and "https://www.example.org/mail/unsubscribe?token=" in text
    assert b"Salaries" not in b"".join(raw for _, raw in post.box.arrived)
    (entry, _) = post.audited("report.mailed")
    assert (entry.actor, len(entry.detail["documents"])) == ("user:carol via mail", 1)


def test_headers_are_those_that_mail_programs_go_by(post: Post) -> None:
    row = post.deliver(post.owed("carol"))
    (letter,) = post.box.letters()
    assert (letter["From"], letter["To"]) == ("Vouch <vouch@example.org>", "carol@example.org")
    assert letter["Subject"] == "Your documents: 1 stale"
    assert letter["List-Unsubscribe"].startswith("<https://www.example.org/mail/unsubscribe?token=")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Message-ID"].endswith("@example.org>") and row.id not in letter["Message-ID"]
    (raw,) = [raw for _, raw in post.box.arrived]
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"\r\nList-Unsubscribe: <https://www.example.org/mail/unsubscribe?token=" in head
    assert b"=?" not in head  # a link in pieces, or encoded, is none to the programs that look for one
    assert all(len(line) <= 998 for line in head.split(b"\r\n")) and len(head.split(b"\r\n")) == 11
    assert all(len(line) <= 78 for line in body.split(b"\r\n"))


def test_nothing_is_sent_where_there_is_nothing_to_say(post: Post) -> None:
    assert post.deliver(post.owed("erin")).state == "nothing"
    assert post.box.heard == [] and post.audited("report.mailed") == []


def test_one_that_is_sent_is_not_sent_again(post: Post) -> None:
    owed = post.owed("carol")
    post.deliver(owed)
    post.deliver(owed, after_s=LEASE_S * 10)
    assert len(post.box.arrived) == 1


# --- decided when it is sent ----------------------------------------------------------------------------------------


def test_what_was_revoked_since_it_was_due_is_not_in_it(post: Post, catalog: Catalog) -> None:
    boats = post.document("Sails", "user:carol")
    owed = post.owed("carol")
    post.readers(boats, "user:erin")
    post.deliver(owed)
    (letter,) = post.box.letters()
    assert b"Hotels" in letter.as_bytes() and b"Sails" not in letter.as_bytes()


def test_what_is_revoked_while_the_server_makes_us_wait_is_not_in_it(post: Post) -> None:
    sails = post.document("Sails", "user:carol")
    post.box.on_rcpt = lambda: post.readers(sails, "user:erin")
    post.deliver(post.owed("carol"))
    (letter,) = post.box.letters()
    assert b"Hotels" in letter.as_bytes() and b"Sails" not in letter.as_bytes()


def _deactivated(post: Post) -> None:
    post.user("carol", active=False)


def _unsubscribed(post: Post) -> None:
    with post.catalog.transaction(TENANT) as session:
        subscribe(session, TENANT, "user:carol", False)


def _without_address(post: Post) -> None:
    with post.catalog.transaction(TENANT) as session:
        forget_address(session, TENANT, "user:carol")


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_deactivated, "inactive"), (_unsubscribed, "unsubscribed"), (_without_address, "no_address")],
)
@pytest.mark.parametrize("late", [False, True])
def test_who_is_to_get_none_gets_none(post: Post, change: object, reason: str, late: bool) -> None:
    """Whether that was so before the server was called, or while it was."""
    assert callable(change)
    owed = post.owed("carol")
    if late:
        post.box.on_rcpt = lambda: change(post)
    else:
        change(post)
    row = post.deliver(owed)
    assert (row.state, row.problem and row.problem["reason"]) == ("skipped", reason)
    assert post.box.arrived == []


def test_an_address_that_changes_meanwhile_is_not_the_one_that_is_written_to(post: Post) -> None:
    def moved() -> None:
        with post.catalog.transaction(TENANT) as session:
            give_address(session, TENANT, "user:carol", "carol@www.example.org")

    post.box.on_rcpt = moved
    owed = post.owed("carol")
    assert post.deliver(owed).state == "waiting" and post.box.arrived == []
    assert post.deliver(owed, after_s=PAUSES_S[0] + 1).state == "sent"
    assert [rcpt for rcpt, _ in post.box.arrived] == ["carol@www.example.org"]


def test_who_is_deleted_takes_what_is_owed_along(post: Post) -> None:
    owed = post.owed("carol")
    with post.catalog.transaction(TENANT) as session:
        directory.delete_user(session, TENANT, "user:carol", actor="test")
        assert session.execute(sa.text("SELECT count(*) FROM mail_address WHERE user_id = 'user:carol'")).scalar() == 0
    assert owed not in [row.id for row in post.rows()]


# --- when it goes wrong ---------------------------------------------------------------------------------------------


def test_a_server_that_is_down_is_tried_again_after_longer_and_longer(post: Post) -> None:
    with closing(socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = post.with_mailer(port=nobody.getsockname()[1])
        owed, at = post.owed("carol"), 0.0
        for attempt, pause in enumerate((*PAUSES_S, None), 1):
            row = down.deliver(owed, after_s=at)
            assert row.problem and row.problem["reason"] == "unreachable" and row.attempts == attempt
            assert row.state == ("dead" if pause is None else "waiting")
            if pause is not None:
                assert down.deliver(owed, after_s=at + pause - 5).attempts == attempt  # not before its time
                at += pause + 5
    assert (row.attempts, row.handed) == (MAX_ATTEMPTS, 0)


def test_a_recipient_that_is_refused_is_given_up_and_the_others_get_theirs(post: Post) -> None:
    post.box.recipients["carol@example.org"] = "550 5.1.1 nobody of that name\x07"
    refused, other = post.owed("carol"), post.owed("dave")
    row = post.deliver(refused)
    assert row.state == "dead" and row.problem
    assert (row.problem["reason"], row.problem["detail"]) == ("recipient_refused", "550 5.1.1 nobody of that name")
    assert post.deliver(other).state == "sent"
    assert [rcpt for rcpt, _ in post.box.arrived] == ["dave@example.org"]


def test_what_is_put_off_goes_out_later_as_the_same_message(post: Post) -> None:
    post.box.recipients["carol@example.org"] = "451 4.7.1 greylisted"
    owed = post.owed("carol")
    row = post.deliver(owed)
    assert (row.state, row.problem and row.problem["reason"]) == ("waiting", "put_off")
    post.box.recipients.clear()
    post.box.answers = ["452 4.3.1 full"]
    row = post.deliver(owed, after_s=PAUSES_S[0] + 1)
    assert (row.state, row.handed, row.attempts) == ("waiting", 0, 2)  # it said no, so it does not have it
    row = post.deliver(owed, after_s=sum(PAUSES_S[:2]) + 2)
    assert (row.state, row.handed) == ("sent", 1)
    assert len(post.box.arrived) == 1


def test_a_message_that_is_refused_is_given_up(post: Post) -> None:
    post.box.answers = ["554 5.7.1 spam"]
    row = post.deliver(post.owed("carol"))
    assert (row.state, row.handed, row.problem and row.problem["reason"]) == ("dead", 0, "message_refused")


def test_a_connection_lost_after_the_message_costs_one_copy_at_most(post: Post) -> None:
    post.box.answers = [LOST]
    owed = post.owed("carol")
    row = post.deliver(owed)
    assert (row.state, row.handed, row.problem and row.problem["reason"]) == ("waiting", 1, "unsure")
    assert post.deliver(owed, after_s=PAUSES_S[0] + 1).state == "sent"
    first, second = post.box.letters()
    assert first["Message-ID"] == second["Message-ID"]  # so that the mailbox can tell


def test_what_is_lost_each_time_is_not_sent_a_third_time(post: Post) -> None:
    post.box.answers = [LOST, LOST, LOST]
    owed = post.owed("carol")
    post.deliver(owed)
    row = post.deliver(owed, after_s=PAUSES_S[0] + 1)
    assert (row.state, row.handed) == ("dead", HANDED_AT_MOST)
    post.deliver(owed, after_s=sum(PAUSES_S) * 2)
    assert len(post.box.arrived) == HANDED_AT_MOST


_CHILD = """
import sys
from ingestion.mail.deliver import deliver
from ingestion.mail.letters import Desk
from ingestion.mail.server import Mailer
from vouch.catalog.database import Catalog
url, port, tenant, owed = sys.argv[1:]
mailer = Mailer("127.0.0.1", int(port), "none", "vouch@example.org", "https://www.example.org")
deliver(Catalog(url, audit_key=b"of the tests"), Desk(mailer, (b"key of the links",)), tenant, owed)
"""


@pytest.mark.parametrize(("moment", "copies"), [("on_rcpt", 1), ("on_data", 2)])
def test_a_worker_that_is_killed_on_the_way(post: Post, moment: str, copies: int) -> None:
    """Before it handed the message over: nothing is lost and nothing doubled. After, and before it could say so: a
    second copy, under the same id, and no third."""
    owed = post.owed("carol")
    child: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        setattr(post.box, moment, lambda: None)
        os.kill(child[0].pid, signal.SIGKILL)
        child[0].wait()

    setattr(post.box, moment, kill)
    command = [sys.executable, "-c", _CHILD, post.catalog.url, str(post.desk.mailer.port), TENANT, owed]
    child.append(subprocess.Popen(command, cwd=Path(__file__).parents[2]))
    assert child[0].wait(timeout=120) == -signal.SIGKILL
    assert post.row(owed).state == "sending"
    assert post.deliver(owed).attempts == 1  # its lease holds: it might live
    row = post.deliver(owed, after_s=LEASE_S + 1)
    assert (row.state, row.handed, len(post.box.arrived)) == ("sent", copies, copies)
    assert len({letter["Message-ID"] for letter in post.box.letters()}) == 1


def test_a_fault_of_ours_is_tried_again_and_told_without_its_words(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("quotes Hotels")

    monkeypatch.setattr("ingestion.mail.letters.staleness", broken)
    row = post.deliver(post.owed("carol"))
    assert row.state == "waiting" and row.problem
    assert (row.problem["reason"], row.problem["detail"]) == ("failed", "RuntimeError")


# --- TLS ------------------------------------------------------------------------------------------------------------


def test_without_tls_nothing_is_said_to_a_server(post: Post) -> None:
    row = post.with_mailer(security="starttls").deliver(post.owed("carol"))
    assert (row.state, row.problem and row.problem["reason"]) == ("waiting", "no_tls")
    assert post.box.heard == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_in_tls_with_a_login(post: Post, tmp_path: Path, security: str) -> None:
    with serving(post.box, tls=security, login=True) as port:
        given = {"port": port, "security": security, "ca_file": trusting(tmp_path)}
        stranger = post.with_mailer(**given, login=Login("vouch", "let me out"))
        row = stranger.deliver(post.owed("carol"))
        assert row.problem and row.problem["reason"] == "login_refused" and "let me" not in str(row.problem)
        unbelieved = post.with_mailer(port=port, security=security, login=Login("vouch", "let me in"))
        row = unbelieved.deliver(post.owed("carol"))
        assert (row.state, row.problem and row.problem["reason"]) == ("waiting", "no_tls")
        assert post.box.heard == []
        good = post.with_mailer(**given, login=Login("vouch", "let me in"))
        assert good.deliver(post.owed("carol")).state == "sent"
    assert post.box.heard == ["MAIL vouch@example.org tls"]


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "", "carol", "@example.org", "carol@", "carol@localhost", "carol@127.0.0.1", "carol@[127.0.0.1]",
        "carol@example.org\r\nBcc: eve@example.org", "carol\n@example.org", "carol@example.org,eve@example.org",
        "Carol <carol@example.org>", '"carol eve"@example.org', "ca rol@example.org", "cärol@example.org",
        "carol@exämple.org", "carol@example.org\x00", "=?utf-8?q?carol?=@example.org", "carol..c@example.org",
        ".carol@example.org", f"{'c' * 65}@example.org", f"carol@{'a.' * 130}org", "carol@x.org ", "<carol@x.org>",
        "carol@-x.org", "carol@x..org", "carol@x.org>\r\nDATA",
    ],
)  # fmt: skip
def test_an_address_that_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        mail_address(text)


@pytest.mark.parametrize(
    "text", ["carol@example.org", "c.w+reports_1@mail.example.org", "o'neil!#$%&*/?=^`{|}~-@x-1.org"]
)
def test_a_plain_address_is_kept_and_arrives(post: Post, text: str) -> None:
    assert mail_address(text.upper()) == f"{text.upper().rpartition('@')[0]}@{text.rpartition('@')[2]}"
    with post.catalog.transaction(TENANT) as session:
        give_address(session, TENANT, "user:carol", text)
    assert post.deliver(post.owed("carol")).state == "sent"
    assert post.box.arrived[0][0] == text and post.box.letters()[0]["To"] == text
