"""The IMAP connector against a real server over TLS, and against one that does what servers should not."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.imap.names import decoded, encoded, numbers, ranges
from connectors.registry import make_connector
from tests.connectors.imap.mailbox import Mailbox, Scripted, door, mail, mailbox, scripted
from vouch.core.errors import (
    BadConfig,
    CursorExpired,
    DocumentRejected,
    NotFound,
    OutboundRefused,
    SourceRefuses,
    Unavailable,
    VouchError,
)
from vouch.core.types import Body, Change, Checkpoint, Deleted, Json, RawClause, Refused, Upsert
from vouch.outbound.door import NOWHERE_PRIVATE


@pytest.fixture(autouse=True)
def nobody_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's server refused is no matter of the next's, which may well listen where that one did."""
    monkeypatch.setattr("connectors.imap.session._WRONG", {})


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Mailbox]]:
    with mailbox() as tls, mailbox("starttls") as starttls:
        yield {"tls": tls, "starttls": starttls}


@pytest.fixture
def box(servers: dict[str, Mailbox]) -> Mailbox:
    """Carol's account with nothing in it."""
    found = servers["tls"]
    with found.program() as program:
        for line in program.list()[1]:
            assert isinstance(line, bytes)
            name = line.decode().rpartition('" ')[2]
            if name != "INBOX":
                program.delete(name)
        program.select("INBOX")
        program.store("1:*", "+FLAGS", "(\\Deleted)")
        program.expunge()
    return found


def cursor_of(changes: list[Change]) -> Json:
    assert isinstance(changes[-1], Checkpoint)
    return changes[-1].cursor


def gone(changes: list[Change]) -> list[str]:
    return [one.external_id for one in changes if isinstance(one, Deleted)]


# -- what is a document, and whose --


def test_a_message_is_a_document_of_the_mailboxs_owner_alone(box: Mailbox) -> None:
    one = box.put("INBOX", mail("Boathouse"))
    two = box.put("Projects/2024", mail("Oars"), arrived="02-Mar-2024 10:00:00 +0200")
    found = box.upserts()
    assert set(found) == {one, two}
    change = found[two]
    assert change.acl == (RawClause(("user:carol",), (), "config.owner"),)
    assert (change.owner, change.mime) == ("user:carol", "message/rfc822")
    assert change.modified_at == datetime(2024, 3, 2, 8, 0, tzinfo=UTC)
    assert change.uri.startswith(f"imap://imap.example.org:{box.port}/Projects/2024;UIDVALIDITY=")
    assert box.connector().fetch(two) == Body(mail("Oars"), "message/rfc822")
    assert list(box.connector().memberships()) == []


def test_declared_readers_take_the_owners_place_and_without_either_nobody_reads(box: Mailbox) -> None:
    name = box.put("INBOX", mail())
    access = [{"allow": ["group:support"], "deny": ["user:mallory"]}]
    declared = (RawClause(("group:support",), ("user:mallory",), "config.access"),)
    assert box.upserts(access=access)[name].acl == declared
    assert box.upserts(owner=None)[name].acl is None


def test_encryption_that_begins_later_is_as_good(servers: dict[str, Mailbox]) -> None:
    box = servers["starttls"]
    name = box.put("INBOX", mail())
    assert set(box.upserts()) == {name}
    assert box.connector().fetch(name).data == mail()


def test_folders_are_chosen_by_their_names_as_people_write_them(box: Mailbox) -> None:
    for name in ("INBOX", "Projects/2024", "Archive"):
        box.put(name, mail())
    umlaut = encoded("Entwürfe & 日本").decode()
    box.put(f'"{umlaut}"', mail())

    def folders(**config: Any) -> set[str]:
        return {name.partition(";")[0] for name in box.upserts(**config)}

    assert folders() == {"INBOX", "Projects/2024", "Archive", "Entwürfe & 日本"}
    assert folders(folders=["Pro*", "Entw*"]) == {"Projects/2024", "Entwürfe & 日本"}
    assert folders(exclude=["Archive", "Entw*", "INBOX"]) == {"Projects/2024"}
    strange = next(name for name in box.upserts() if name.startswith("Entw"))
    assert box.connector().fetch(strange).data == mail()
    with pytest.raises(NotFound):
        box.connector(exclude=["Entw*"]).fetch(strange)


def test_folders_that_hold_no_mail_or_mail_put_aside_are_read_only_where_they_are_named() -> None:
    lines = [
        ("\\Noselect", "Top"),
        ("\\HasNoChildren \\Trash", "Bin"),
        ("\\Junk", "Spam"),
        ("\\All", "All"),
        ("", "In"),
    ]
    listed = "".join(f'* LIST ({flags}) "/" "{name}"\r\n' for flags, name in lines)
    with scripted({"LIST": f"{listed}{{tag}} OK done\r\n"}) as script:

        def folders(**config: Any) -> set[str]:
            found = script.connector(**config).scan(None)
            return {one.external_id.partition(";")[0] for one in found if isinstance(one, Upsert)}

        assert folders() == {"In"}
        assert folders(folders=["*", "Spam", "Top"]) == {"In", "Spam"}


@pytest.mark.parametrize(
    "data", [b"", b"\x00\xff" * 100, b"no headers", b"Subject: \xe4\xf6\xfc\r\n\r\n\xff", b"a" * 10**6]
)
def test_whatever_was_delivered_is_handed_over_as_it_is(data: bytes) -> None:
    literal = data.decode("latin-1").replace("{", "{{").replace("}", "}}")
    fetched = (
        f"* 1 FETCH (UID 5 RFC822.SIZE {len(data)} BODY[] {{{{{len(data)}}}}}\r\n{literal})\r\n{{tag}} OK done\r\n"
    )
    with scripted({"UID FETCH": fetched}) as script:
        assert script.connector().fetch("INBOX;UIDVALIDITY=7/5.eml").data == data


def test_a_short_message_may_come_as_a_quoted_string_and_other_news_between() -> None:
    news = "* 2 EXISTS\r\n* 1 FETCH (UID 5 FLAGS (\\Seen))\r\n* 9 FETCH (UID 6 RFC822.SIZE 9)\r\n"
    body = '* 1 FETCH (UID 5 RFC822.SIZE 4 BODY[] "a\\"b")\r\n'
    with scripted({"UID FETCH": f"{news}{body}{{tag}} OK done\r\n"}) as script:
        assert script.connector().fetch("INBOX;UIDVALIDITY=7/5.eml").data == b'a"b'
        assert [type(one) for one in script.connector().scan(None)] == [Upsert, Checkpoint]


# -- what changed --


def test_a_scan_that_goes_on_names_what_is_new_and_what_is_gone(box: Mailbox) -> None:
    kept, marked, expunged = (box.put("INBOX", mail(str(n))) for n in range(3))
    cursor = cursor_of(box.scan())
    assert box.scan(cursor)[:-1] == []
    box.mark(marked)
    box.mark(expunged, expunge=False)
    new = box.put("INBOX", mail("new"))
    changes = box.scan(cursor)
    assert {one.external_id for one in changes if isinstance(one, Upsert)} == {new}
    assert gone(changes) == sorted([marked, expunged])
    with pytest.raises(NotFound):
        box.connector().fetch(marked)
    box.mark(kept, expunge=True)
    assert gone(box.scan(cursor_of(changes))) == [kept]
    assert set(box.upserts()) == {new}


def test_a_message_that_is_moved_is_gone_here_and_new_there(box: Mailbox) -> None:
    one = box.put("INBOX", mail())
    box.put("Archive", mail())
    cursor = cursor_of(box.scan())
    with box.program() as program:
        program.select("INBOX")
        program.uid("MOVE", one.partition("/")[2].removesuffix(".eml"), "Archive")
    changes = box.scan(cursor)
    assert gone(changes) == [one]
    moved = [change.external_id for change in changes if isinstance(change, Upsert)]
    assert [name.partition(";")[0] for name in moved] == ["Archive"]
    assert box.connector().fetch(moved[0]).data == mail()


def test_a_folder_that_begins_anew_or_goes_has_everything_listed(box: Mailbox) -> None:
    box.put("INBOX", mail())
    old = box.put("Archive", mail())
    cursor = cursor_of(box.scan())
    box.do("delete", "Archive")
    with pytest.raises(CursorExpired):
        box.scan(cursor)
    with pytest.raises(NotFound):
        box.connector().fetch(old)
    new = box.put("Archive", mail("another"))
    assert new != old
    with pytest.raises(CursorExpired):
        box.scan(cursor)
    with pytest.raises(NotFound):
        box.connector().fetch(old)
    box.do("rename", "Archive", "Old")
    with pytest.raises(CursorExpired):
        box.scan(cursor_of(box.scan()) | {"folders": {"Archive": {"validity": 1, "uids": ""}}})


@pytest.mark.parametrize(
    "cursor", [{}, {"version": 2, "folders": {}}, {"version": 1, "folders": {"INBOX": {"validity": 1, "uids": "5:1"}}}]
)
def test_a_cursor_that_is_none_has_everything_listed(box: Mailbox, cursor: Json) -> None:
    with pytest.raises(CursorExpired):
        box.scan(cursor)


def test_an_interrupted_scan_goes_on_where_it_was(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = cursor_of(box.scan())
    names = {box.put("INBOX", mail(str(n))) for n in range(3)}
    monkeypatch.setattr("connectors.imap.connector._CHECKPOINT_EVERY", 2)
    told = []
    for change in box.connector().scan(cursor):
        told.append(change)
        if isinstance(change, Checkpoint):
            break
    first = {one.external_id for one in told if isinstance(one, Upsert)}
    assert len(first) == 2
    rest = box.scan(cursor_of(told))
    assert {one.external_id for one in rest if isinstance(one, Upsert)} == names - first


def test_a_large_folder_is_asked_about_in_parts(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {box.put("INBOX", mail(str(n))) for n in range(5)}
    monkeypatch.setattr("connectors.imap.session.TOGETHER", 2)
    assert set(box.upserts()) == names


def test_one_of_many_that_goes_while_it_is_listed_is_not_named() -> None:
    with scripted({"UID SEARCH": "* SEARCH 5 6\r\n* SEARCH 7\r\n{tag} OK done\r\n"}) as script:
        changes = list(script.connector().scan(None))
    assert [one.external_id for one in changes if isinstance(one, Upsert)] == ["INBOX;UIDVALIDITY=7/5.eml"]
    assert cursor_of(changes) == {"version": 1, "folders": {"INBOX": {"validity": 7, "uids": "5"}}}


# -- bounds --


def test_what_is_too_large_too_old_or_too_many_is_not_read(box: Mailbox) -> None:
    old = box.put("INBOX", mail("old"), arrived="01-Mar-2020 08:00:00 +0000")
    large = box.put("INBOX", mail(text="x" * 70 + "\n" + "long line\n" * 200_000))
    new = box.put("INBOX", mail("new"))
    changes = box.scan(since="2021-01-01", max_message_mb=1)
    assert {one.external_id for one in changes if isinstance(one, Upsert)} == {new}
    assert {one.external_id: one.reason for one in changes if isinstance(one, Refused)} == {large: "too_large"}
    assert box.scan(cursor_of(changes), since="2021-01-01", max_message_mb=1)[:-1] == []
    with pytest.raises(NotFound):
        box.connector(since="2021-01-01").fetch(old)
    with pytest.raises(DocumentRejected) as rejected:
        box.connector(max_message_mb=1).fetch(large)
    assert rejected.value.reason == "too_large"
    with pytest.raises(BadConfig) as refused:
        box.scan(max_messages=2)
    assert refused.value.field == "config.max_messages"


@pytest.mark.parametrize(
    "name",
    [
        "", "INBOX", "x" * 10_000, "../../etc/passwd", "INBOX;UIDVALIDITY=7/9.eml", "INBOX;UIDVALIDITY=8/5.eml",
        "INBOX;UIDVALIDITY=7/05.eml", "INBOX;UIDVALIDITY=7/5.eml\n", "\ud800;UIDVALIDITY=7/5.eml",
        "INBOX\r\nA1 DELETE INBOX;UIDVALIDITY=7/5.eml",
    ],
)  # fmt: skip
def test_what_no_scan_named_is_not_found(name: str) -> None:
    search = {"UID SEARCH UID 9": "* SEARCH\r\n{tag} OK done\r\n"}
    with scripted(search) as script:
        with pytest.raises(NotFound):
            script.connector().fetch(name)
        assert not [line for line in script.said if "DELETE" in line and "UNDELETED" not in line]


@pytest.mark.parametrize("wire", ["a\x07b", "a&b", "a&AGE-b", "\xc3\xb6", "\xff", "n" * 10_000, "&2AA-"])
def test_a_folder_whose_name_leads_nowhere_is_refused_and_the_rest_is_read(wire: str) -> None:
    listed = f'* LIST () "/" "{wire}"\r\n* LIST () NIL {{{{5}}}}\r\nINBOX\r\n{{tag}} OK done\r\n'
    with scripted({"LIST": listed}) as script:
        changes = list(script.connector().scan(None))
    assert [type(one) for one in changes] == [Refused, Upsert, Checkpoint]
    first = changes[0]
    assert isinstance(first, Refused) and first.reason == "unreadable_name" and first.external_id.isprintable()
    assert len(first.external_id) < 2000


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=50))
def test_every_name_is_written_in_one_way_and_read_back(name: str) -> None:
    wire = encoded(name)
    assert wire.isascii() and b"\r" not in wire
    assert decoded(wire) == (name if name and name.isprintable() else None)


@given(st.sets(st.integers(1, 2**32 - 1), max_size=50), st.integers(1, 1000))
def test_sets_of_numbers_are_written_and_read_back(some: set[int], width: int) -> None:
    wanted = some | set(range(width, width + 5))
    assert {n for a, b in numbers(ranges(wanted)) for n in range(a, b + 1)} == wanted


# -- when it does not go well --


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_password_that_is_wrong_is_refused_and_not_repeated(servers: dict[str, Mailbox], security: str) -> None:
    with pytest.raises(SourceRefuses) as refused:
        servers[security].scan(password="a wrong one")
    assert refused.value.said == 401 and "wrong" not in refused.value.detail


def test_a_login_that_was_refused_is_not_tried_again_for_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted({"LOGIN": "{tag} NO [AUTHENTICATIONFAILED] no\r\n"}) as script:
        for _ in range(3):
            with pytest.raises(SourceRefuses, match="does not accept"):
                script.connector().fetch("INBOX;UIDVALIDITY=7/5.eml")
        assert script.connections == 1
        with pytest.raises(SourceRefuses, match="does not accept"):
            script.connector(password="another").fetch("INBOX;UIDVALIDITY=7/5.eml")
        assert script.connections == 2
        monkeypatch.setattr("connectors.imap.session._WRONG", {})  # as a minute later
        script.answers = {}
        assert script.connector().fetch("INBOX;UIDVALIDITY=7/5.eml").data == b"mail"


NO = "{tag} NO [X] the secret of the tests is not it\r\n"


@pytest.mark.parametrize(
    ("answers", "raised", "said"),
    [
        ({"LOGIN": NO}, SourceRefuses, "does not accept"),
        ({"LOGIN": "{tag} NO [UNAVAILABLE] later\r\n"}, Unavailable, "for now"),
        ({"LOGIN": "* BYE too many\r\n"}, Unavailable, "ended"),
        ({"CAPABILITY": "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK done\r\n"}, SourceRefuses, "lets nobody"),
        ({"CAPABILITY": "* CAPABILITY POP9\r\n{tag} OK done\r\n"}, SourceRefuses, "does not answer"),
        ({"LIST": NO}, SourceRefuses, "does not answer"),
        ({"LIST": "* LIST what\r\n{tag} OK done\r\n"}, Unavailable, "cannot be read"),
        ({"LIST": '* LIST () "/" INBOX\r\n* BYE going down\r\n'}, Unavailable, "ended"),
        ({"LIST": ""}, Unavailable, "ended"),
        ({"LIST": "{tag} OK done\r\n"}, Unavailable, "no folder"),
        ({"EXAMINE": NO}, SourceRefuses, "exclude"),
        ({"EXAMINE": "{tag} NO [INUSE] wait\r\n"}, Unavailable, "INUSE"),
        ({"EXAMINE": "{tag} NO [NONEXISTENT] gone\r\n"}, Unavailable, "went away"),
        ({"EXAMINE": "* 1 EXISTS\r\n{tag} OK done\r\n"}, Unavailable, "what state"),
        ({"EXAMINE": "* OK [UIDVALIDITY 7]\r\n{tag} OK done\r\n"}, Unavailable, "what state"),
        ({"UID SEARCH": "{tag} OK done\r\n"}, Unavailable, "which messages"),
        ({"UID SEARCH": "* SEARCH 5 x\r\n{tag} OK done\r\n"}, Unavailable, "which messages"),
        ({"UID SEARCH": "nonsense\r\n"}, Unavailable, "IMAP does not have"),
        ({"UID SEARCH": "* SEARCH 5\r\n{tag} BAD what\r\n"}, SourceRefuses, "does not answer"),
        ({"UID FETCH": "* 1 FETCH (UID 5 RFC822.SIZE 4 BODY[] {{400000000}}\r\nx"}, Unavailable, "more than"),
    ],
)
def test_an_answer_that_is_not_whole_ends_the_scan_with_nothing_gone(
    answers: dict[str, str | None], raised: type[VouchError], said: str
) -> None:
    told = []
    with scripted(answers) as script, pytest.raises(raised, match=said) as ended:
        for change in script.connector().scan(None):
            told.append(change)
    assert told == [] and "secret" not in ended.value.detail


@pytest.mark.parametrize(
    "answers",
    [{"LIST": "* LIST () "}, {"LIST": None}, {"UID FETCH": "* 1 FETCH (UID 5 RFC822.SIZE 4 BODY[] {{400}}\r\nx"}],
    ids=["half a line", "nothing", "half a message"],
)
def test_a_server_that_falls_silent_is_waited_for_so_long(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, str | None]
) -> None:
    monkeypatch.setattr("connectors.imap.session._SECONDS", 1.0)
    with scripted(answers) as script, pytest.raises(Unavailable, match="in time"):
        list(script.connector().scan(None))


def test_an_answer_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.imap.session._TALK", 10_000)
    for flood in ("* OK still here\r\n" * 1000, "* " + "x" * 20_000):
        with scripted({"UID SEARCH": flood}) as script, pytest.raises(Unavailable, match="more than it was asked"):
            list(script.connector().scan(None))


def test_a_message_that_is_too_large_is_not_asked_for() -> None:
    facts = "* 1 FETCH (UID 5 RFC822.SIZE 1048577)\r\n{tag} OK done\r\n"
    with scripted({"UID FETCH": facts}) as script:
        with pytest.raises(DocumentRejected):
            script.connector(max_message_mb=1).fetch("INBOX;UIDVALIDITY=7/5.eml")
        assert not [line for line in script.said if "BODY" in line]


def test_a_message_that_is_larger_than_was_said_is_not_read() -> None:
    facts = "* 1 FETCH (UID 5 RFC822.SIZE 4)\r\n{tag} OK done\r\n"
    body = "* 1 FETCH (UID 5 BODY[] {{9000000}}\r\n"
    answers: dict[str, str | None] = {"UID FETCH": facts, "UID FETCH 5 (UID BODY": body}
    with scripted(answers) as script, pytest.raises(DocumentRejected) as rejected:
        script.connector(max_message_mb=1).fetch("INBOX;UIDVALIDITY=7/5.eml")
    assert rejected.value.reason == "too_large"


@pytest.mark.parametrize("greeting", ["* BYE no room\r\n", "SSH-2.0\r\n", "", "* OK " + "x" * (17 << 20)])
def test_a_greeting_that_is_none_ends_it(monkeypatch: pytest.MonkeyPatch, greeting: str) -> None:
    monkeypatch.setattr("connectors.imap.session._SECONDS", 2.0)
    with scripted({}, greeting=greeting) as script, pytest.raises((Unavailable, SourceRefuses)):
        list(script.connector().scan(None))


# -- who is spoken to, and how --


STARTTLS = {"CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n{tag} OK done\r\n"}


@pytest.mark.parametrize(
    ("answers", "greeting", "said"),
    [
        ({}, "* OK hello\r\n", "no encryption"),
        (STARTTLS, "* PREAUTH you are in\r\n", "no encryption"),
        ({**STARTTLS, "STARTTLS": "{tag} BAD no\r\n"}, "* OK hello\r\n", "does not answer"),
        ({**STARTTLS, "STARTTLS": "{tag} OK go\r\n* OK injected\r\n"}, "* OK hello\r\n", "before the connection"),
    ],
    ids=["not offered", "logged in already", "refused", "injected"],
)
def test_nothing_of_the_user_is_said_unencrypted(answers: dict[str, str], greeting: str, said: str) -> None:
    with scripted(answers, greeting=greeting, tls=False) as script:
        with pytest.raises((SourceRefuses, Unavailable), match=said):
            list(script.connector().scan(None))
        assert not [line for line in script.said if "LOGIN" in line or "AUTH" in line or "carol" in line]


def test_a_certificate_of_another_name_or_of_nobody_is_not_believed(box: Mailbox) -> None:
    for config, tls in (({"host": "mail.example.org"}, None), ({}, ssl.create_default_context())):
        connector = make_connector("imap", box.config(**config), door(tls))
        with pytest.raises(Unavailable, match="does not prove"):
            list(connector.scan(None))


def _leads_to(address: str, host: str, port: int) -> list[str]:
    return [address]


def test_a_place_that_may_not_be_reached_is_not(box: Mailbox) -> None:
    tried: list[str] = []

    def connect(address: str, port: int, timeout: float) -> Any:
        tried.append(address)
        raise AssertionError

    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"):
        ways = replace(NOWHERE_PRIVATE.ways, resolve=partial(_leads_to, address), connect=connect)
        closed = replace(NOWHERE_PRIVATE, ways=ways)
        connector = make_connector("imap", box.config(port=993), closed)
        with pytest.raises(OutboundRefused):
            list(connector.scan(None))
        with pytest.raises(OutboundRefused):
            connector.fetch("INBOX;UIDVALIDITY=7/5.eml")
        with pytest.raises(BadConfig) as refused:
            make_connector("imap", box.config(host=address, port=993), closed)
        assert refused.value.field == "config.host"
    public = replace(NOWHERE_PRIVATE.ways, resolve=partial(_leads_to, "93.184.215.14"), connect=connect)
    with pytest.raises(OutboundRefused, match="Only the ports 143, 993"):
        list(make_connector("imap", box.config(port=25), replace(NOWHERE_PRIVATE, ways=public)).scan(None))
    assert tried == []


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"host": "a b"}, "config.host"),
        ({"host": "user@imap.example.org"}, "config.host"),
        ({"host": "imap.example.org/x"}, "config.host"),
        ({"host": "0177.0.0.1"}, "config.host"),
        ({"user": "a\r\nb"}, "config.user"),
        ({"password": "a\r\nb"}, "config.password"),
        ({"owner": "carol@example.org"}, "config.owner"),
        ({"security": "none"}, "config.security"),
        ({"access": [{"allow": ["bob"]}]}, "config.access.0.allow"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_name(config: Json, field: str) -> None:
    script = Scripted({}, port=993)
    with pytest.raises(BadConfig) as refused:
        make_connector("imap", script.config(**config), door())
    assert refused.value.field == field
