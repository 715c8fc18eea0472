"""The Slack connector against an API on loopback: what becomes a document, who may read it, what is noticed when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from acl.groups import own_memberships
from connectors.pace import Pace
from connectors.registry import make_connector
from tests.connectors.api import LOOPBACK, as_json, truncated
from tests.connectors.seen import members
from tests.connectors.slack.chat import TEAM, Chat, chat, ts
from tests.outbound.serving import Reply
from vouch.core import clock
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
from vouch.core.types import AccessUnknown, Body, Checkpoint, Deleted, Json, RawClause, Refused, Upsert
from vouch.outbound.door import NOWHERE_PRIVATE

NOW = datetime(2024, 5, 10, 12, 0, tzinfo=UTC)
EVERYONE = f"group:slack/workspace.{TEAM}"


@pytest.fixture
def slept() -> list[float]:
    """Every pause taken."""
    return []


@pytest.fixture
def pace(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Time that passes only by being slept."""
    pace = Pace(lambda: sum(slept), slept.append)
    monkeypatch.setattr("connectors.slack.api.PACE", pace)
    monkeypatch.setattr("connectors.slack.workspace.PACE", pace)
    monkeypatch.setattr("connectors.slack.workspace._NAMES", {})
    return pace


@pytest.fixture
def acme(pace: Pace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """`general`: a thread and two days of talk; `board`: one message."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with chat() as found:
        root = found.say("C0GENERAL", "2024-05-01 09:00", "How do I *book* the boathouse?")
        found.reply("C0GENERAL", root, "2024-05-01 09:05", "Ask &lt;Gus&gt;, or <@U0GUS>")
        found.say("C0GENERAL", "2024-05-01 10:00", "Lunch is late")
        found.say("C0GENERAL", "2024-05-01 10:01", "<@U0BOB> has joined", subtype="channel_join")
        found.say("C0GENERAL", "2024-05-08 08:00", "see <https://example.org/a|the plan>", "U0BOB")
        found.say("C0BOARD", "2024-05-02 08:00", "The numbers are in")
        yield found


ROOT = ts("2024-05-01 09:00")
THREAD = f"C0GENERAL/{ROOT}"


def cursor_of(found: Chat, **config: Any) -> Json:
    last = found.scan(**config)[-1]
    assert isinstance(last, Checkpoint)
    return last.cursor


def read(found: Chat, name: str, **config: Any) -> str:
    body: Body = found.connector(**config).fetch(name)
    assert body.mime == "text/markdown"
    return body.data.decode()


# -- what is a document --


def test_threads_and_days_are_documents_with_their_text_and_where_people_open_them(acme: Chat) -> None:
    found = acme.upserts(owner="user:carol")
    assert set(found) == {THREAD, "C0GENERAL/2024-05-01", "C0GENERAL/2024-05-08", "C0BOARD/2024-05-02"}
    thread = found[THREAD]
    assert thread.title == "#general: How do I book the boathouse?"
    assert thread.uri == f"https://acme.slack.com/archives/C0GENERAL/p{ROOT.replace('.', '')}"
    assert (thread.owner, thread.modified_at) == ("user:carol", datetime(2024, 5, 1, 9, 5, tzinfo=UTC))
    assert found["C0GENERAL/2024-05-08"].title == "#general, 2024-05-08"
    assert read(acme, THREAD) == (
        "**Alice Example**, 2024-05-01 09:00 UTC\n\nHow do I **book** the boathouse?\n\n"
        "**Bob**, 2024-05-01 09:05 UTC\n\nAsk &lt;Gus&gt;, or @Gus\n"
    )
    assert read(acme, "C0GENERAL/2024-05-01") == "**Alice Example**, 2024-05-01 10:00 UTC\n\nLunch is late\n"
    assert "[the plan](<https://example.org/a>)" in read(acme, "C0GENERAL/2024-05-08")


def test_bots_are_left_out_unless_wanted_but_for_what_a_thread_begins_with(acme: Chat) -> None:
    bot: Json = {"user": None, "subtype": "bot_message", "bot_id": "B1", "username": "Deploys"}
    acme.say("C0BOARD", "2024-05-03 08:00", "Deployed", **bot)
    alert = acme.say("C0BOARD", "2024-05-04 08:00", "", **bot, attachments=[{"title": "Disk full", "text": "on db1"}])
    acme.reply("C0BOARD", alert, "2024-05-04 08:01", "I am on it")
    acme.reply("C0BOARD", alert, "2024-05-04 08:02", "Resolved by itself", **bot)
    assert "C0BOARD/2024-05-03" not in acme.upserts()
    said = read(acme, f"C0BOARD/{alert}")
    assert "**Deploys**" in said and "Disk full" in said and "I am on it" in said and "Resolved" not in said
    assert "C0BOARD/2024-05-03" in acme.upserts(bots=True)
    assert "Resolved" in read(acme, f"C0BOARD/{alert}", bots=True)
    with pytest.raises(NotFound):
        acme.connector().fetch("C0BOARD/2024-05-03")


def test_files_are_named_and_a_private_channel_is_not(acme: Chat) -> None:
    file = {"title": "Plan [v2].pdf", "permalink": "https://acme.slack.com/files/U0ALICE/F1/plan.pdf"}
    acme.say("C0GENERAL", "2024-05-09 08:00", "in <#C0BOARD|board> and <#C0GENERAL>", files=[file])
    said = read(acme, "C0GENERAL/2024-05-09")
    assert "Attached: [Plan \\[v2\\].pdf](<https://acme.slack.com/files/U0ALICE/F1/plan.pdf>)" in said
    assert "in \\#(private channel) and \\#general" in said and "board" not in said


def test_nothing_that_is_written_becomes_more_than_text(acme: Chat) -> None:
    hostile = (
        "# heading\n---\n&gt; quote\n• one\n\x00\x1b[0m" + "x" * 10_000 + "\n<javascript:alert(1)|click> <!here> a*b*"
    )
    acme.user("U0ALICE", "Alice\n# <b>\u202e](x)" + "y" * 10_000)
    acme.say("C0BOARD", "2024-05-09 08:00", hostile)
    said = read(acme, "C0BOARD/2024-05-09")
    assert "\n\\# heading  \n\\---\n\n> quote\n\n- one\n" in said
    assert "javascript" not in said and "<b>" not in said and "\x00" not in said and "\u202e" not in said
    assert said.startswith("**Alice \\# &lt;b&gt; \\](x)yyy") and len(said.splitlines()[0]) < 200
    titles = [one.title for one in acme.upserts().values()]
    assert all(len(title) <= 120 and title.isprintable() for title in titles)


def test_code_is_kept_as_it_was_written(acme: Chat) -> None:
    acme.say(
        "C0BOARD", "2024-05-09 08:00", "try `a &lt; *b*` or\n```if a &amp;&amp; b:\n    <https://example.org>```\ndone"
    )
    said = read(acme, "C0BOARD/2024-05-09")
    assert "`a < *b*`" in said and "```\nif a && b:\n    https://example.org\n```\n\ndone" in said


def test_pages_are_read_to_the_end_and_a_message_met_twice_counts_once(acme: Chat) -> None:
    whole = acme.scan()
    acme.page = 1
    assert acme.scan() == whole
    assert read(acme, THREAD).count("UTC") == 2
    page = {"ok": True, "has_more": True, "response_metadata": {"next_cursor": "c1"}}
    page["messages"] = [acme.messages["C0GENERAL"][ts("2024-05-08 08:00")]]
    acme.api.fail(
        r"history\?channel=C0GENERAL.*cursor=c1", as_json(page | {"response_metadata": {"next_cursor": "c2"}})
    )
    assert acme.scan() == whole


# -- who may read --


def test_a_private_channel_is_its_members_and_a_public_one_the_workspace_and_its_guests(acme: Chat) -> None:
    found = acme.upserts()
    assert found["C0BOARD/2024-05-02"].acl == (RawClause(("group:slack/channel.C0BOARD",), (), "#board"),)
    both = (EVERYONE, "group:slack/channel.C0GENERAL")
    assert found[THREAD].acl == (RawClause(both, (), "#general"),)
    told = members(acme.connector())
    assert told == {
        (EVERYONE, "group:slack/account.U0ALICE"),
        (EVERYONE, "group:slack/account.U0BOB"),
        ("group:slack/channel.C0GENERAL", "group:slack/account.U0GUS"),
        ("group:slack/channel.C0BOARD", "group:slack/account.U0ALICE"),
        ("group:slack/account.U0ALICE", "user:alice"),
        ("group:slack/account.U0BOB", "user:bob"),  # by an address that Slack has confirmed
        ("group:slack/account.U0GUS", "user:gus"),
    }
    assert own_memberships(told, "slack") == told


def test_members_of_other_workspaces_are_in_their_channels_alone_and_who_left_is_out(acme: Chat) -> None:
    acme.page = 1
    acme.channels["C0GENERAL"]["is_ext_shared"] = True
    acme.members["C0GENERAL"] += ["U9HERE", "U9GONE", "U9HIDDEN"]
    other = {"team_id": "T9OTHER", "is_email_confirmed": True, "profile": {"email": "bob@example.org"}}
    full = {"is_restricted": False, "is_ultra_restricted": False}
    acme.foreign["U9HERE"] = {"id": "U9HERE", "deleted": False, **other, **full}
    acme.foreign["U9GONE"] = {"id": "U9GONE", "deleted": True, **other, **full}
    told = members(acme.connector())
    assert ("group:slack/channel.C0GENERAL", "group:slack/account.U9HERE") in told
    assert not {member for group, member in told if group == EVERYONE} & {"group:slack/account.U9HERE"}
    assert not {one for one in told if "U9GONE" in str(one) or "U9HIDDEN" in str(one) or "U0CAROL" in str(one)}
    assert [member for group, member in told if "U9HERE" in group] == []  # another workspace's word for an address
    people = {"named": {"U9HERE": "user:hera"}}
    assert ("group:slack/account.U9HERE", "user:hera") in members(acme.connector(people=people))


def test_an_account_that_says_too_little_is_nobody(acme: Chat) -> None:
    for left_out in ("deleted", "is_restricted", "is_ultra_restricted", "team_id"):
        acme.user("U0BOB", "Bob")
        del acme.users["U0BOB"][left_out]
        told = members(acme.connector())
        assert (EVERYONE, "group:slack/account.U0BOB") not in told, left_out


def test_a_member_who_was_removed_is_no_longer_told(acme: Chat) -> None:
    acme.members["C0BOARD"] = ["U0BOB"]
    told = members(acme.connector())
    assert [member for group, member in told if group.endswith("C0BOARD")] == ["group:slack/account.U0BOB"]


def test_half_a_list_of_members_is_no_list(acme: Chat) -> None:
    for reply in (as_json({"ok": True}), as_json({"ok": True, "members": [1]}), Reply(200, b"not json")):
        acme.api.fail(r"members\?channel=C0BOARD", reply, times=8)
        with pytest.raises(Unavailable):
            list(acme.connector().memberships())
        acme.api.faults.clear()


def test_a_channel_that_does_not_say_whether_it_is_private_is_nobodys(acme: Chat) -> None:
    del acme.channels["C0GENERAL"]["is_private"]
    acl = acme.upserts()[THREAD].acl
    assert isinstance(acl, AccessUnknown) and acl.reason == "access_unknown"
    assert "C0GENERAL/2024-05-01" not in acme.upserts(private=False)


def test_only_channels_that_are_wanted_and_that_the_app_is_in_are_read(acme: Chat) -> None:
    acme.channel("C0RANDOM", "random", [], is_member=False)
    acme.say("C0RANDOM", "2024-05-01 09:00", "never read")
    acme.channel("C0OLD", "old", ["U0ALICE"], is_archived=True)
    acme.say("C0OLD", "2024-05-01 09:00", "archived")

    def channels(**config: Any) -> set[str]:
        return {name.partition("/")[0] for name in acme.upserts(**config)}

    assert channels() == {"C0GENERAL", "C0BOARD", "C0OLD"}
    assert channels(archived=False) == {"C0GENERAL", "C0BOARD"}
    assert channels(private=False) == {"C0GENERAL", "C0OLD"}
    assert channels(channels=["gen*", "C0BOARD"]) == {"C0GENERAL", "C0BOARD"}
    assert channels(exclude=["#old", "C0BOARD"]) == {"C0GENERAL"}
    assert not [one for one in acme.api.asked if "history?channel=C0RANDOM" in one.path]
    for name, config in (("C0RANDOM/2024-05-01", {}), ("C0OLD/2024-05-01", {"archived": False})):
        with pytest.raises(NotFound):
            acme.connector(**config).fetch(name)


# -- what changed --


def test_a_scan_that_goes_on_tells_what_is_new_and_what_is_gone(acme: Chat) -> None:
    cursor = cursor_of(acme)
    before = acme.upserts()
    acme.edit("C0GENERAL", ts("2024-05-08 08:00"), "edited")
    acme.reply("C0GENERAL", ROOT, "2024-05-10 09:00", "It is closed now")
    acme.messages["C0BOARD"].clear()
    after = acme.scan(cursor)
    told = {one.external_id: one.fingerprint for one in after if isinstance(one, Upsert)}
    changed = {name for name in told if name not in before or told[name] != before[name].fingerprint}
    assert changed == {THREAD, "C0GENERAL/2024-05-08"}
    assert [one for one in after if isinstance(one, Deleted)] == [Deleted("C0BOARD/2024-05-02")]
    with pytest.raises(NotFound):
        acme.connector().fetch("C0BOARD/2024-05-02")
    assert "(edited)\n\nedited" in read(acme, "C0GENERAL/2024-05-08")


def test_a_message_that_gets_its_first_reply_moves_from_its_day_to_a_thread_and_back(acme: Chat) -> None:
    cursor, name = cursor_of(acme), ts("2024-05-02 08:00")
    answer = acme.reply("C0BOARD", name, "2024-05-09 08:00", "Which?")
    changes = acme.scan(cursor)
    assert Deleted("C0BOARD/2024-05-02") in changes
    assert f"C0BOARD/{name}" in {one.external_id for one in changes if isinstance(one, Upsert)}
    last = changes[-1]
    assert isinstance(last, Checkpoint)
    del acme.messages["C0BOARD"][answer]
    changes = acme.scan(last.cursor)
    assert Deleted(f"C0BOARD/{name}") in changes
    assert "C0BOARD/2024-05-02" in {one.external_id for one in changes if isinstance(one, Upsert)}


def test_a_thread_whose_beginning_was_deleted_keeps_its_replies(acme: Chat) -> None:
    acme.messages["C0GENERAL"][ROOT] |= {
        "subtype": "tombstone",
        "text": "This message was deleted.",
        "user": "USLACKBOT",
    }
    said = read(acme, THREAD)
    assert said.startswith("*deleted message*") and "Ask" in said and "boathouse" not in said
    assert "boathouse" not in acme.upserts()[THREAD].title


def test_how_far_is_looked_back_is_bounded_and_the_rest_is_a_whole_listings(acme: Chat) -> None:
    cursor = cursor_of(acme, look_back_days=3)
    before = acme.upserts()
    del acme.messages["C0GENERAL"][ts("2024-05-01 10:00")]
    acme.reply("C0GENERAL", ROOT, "2024-05-10 09:00", "too late to be noticed")
    acme.say("C0GENERAL", "2024-05-10 10:00", "new")
    changes = acme.scan(cursor, look_back_days=3)
    told = {one.external_id for one in changes if isinstance(one, Upsert)}
    assert told == {"C0GENERAL/2024-05-08", "C0GENERAL/2024-05-10"}
    assert not [one for one in changes if isinstance(one, Deleted)]
    whole = acme.upserts()
    assert "C0GENERAL/2024-05-01" not in whole and whole[THREAD].fingerprint != before[THREAD].fingerprint


def test_an_edited_reply_is_noticed_while_its_thread_is_young(acme: Chat) -> None:
    name = acme.reply("C0GENERAL", ROOT, "2024-05-09 09:00", "first")
    before = acme.upserts()[THREAD].fingerprint, acme.upserts(reply_edits_days=0)[THREAD].fingerprint
    acme.edit("C0GENERAL", name, "second")
    assert acme.upserts()[THREAD].fingerprint != before[0]
    asked = acme.asked("conversations.replies")
    assert acme.upserts(reply_edits_days=0)[THREAD].fingerprint == before[1]
    assert acme.asked("conversations.replies") == asked


def test_a_name_that_changed_is_content_that_changed(acme: Chat) -> None:
    before = acme.upserts()["C0GENERAL/2024-05-08"].fingerprint
    acme.user("U0BOB", "Robert")
    assert acme.upserts()["C0GENERAL/2024-05-08"].fingerprint != before
    assert "**Robert**" in read(acme, "C0GENERAL/2024-05-08")


@pytest.mark.parametrize(
    "change",
    [
        {"is_private": True},
        {"name": "all-hands"},
        {"is_member": False},
        {"id": "C0OTHER"},
    ],
    ids=["made private", "renamed", "left", "gone"],
)
def test_what_concerns_a_whole_channel_has_everything_listed(acme: Chat, change: Json) -> None:
    cursor = cursor_of(acme)
    acme.channels["C0GENERAL"] |= change
    with pytest.raises(CursorExpired):
        acme.scan(cursor)
    if change == {"is_private": True}:
        of_its_members = (RawClause(("group:slack/channel.C0GENERAL",), (), "#general"),)
        assert acme.upserts()[THREAD].acl == of_its_members
        told = members(acme.connector())
        assert ("group:slack/channel.C0GENERAL", "group:slack/account.U0ALICE") in told


def test_a_channel_made_private_while_it_is_read_is_told_as_private(acme: Chat) -> None:
    listed = {"ok": True, "channels": [dict(one) for one in acme.channels.values()]}
    acme.api.fail("conversations.list", as_json(listed))
    acme.channels["C0GENERAL"]["is_private"] = True
    assert acme.upserts()[THREAD].acl == (RawClause(("group:slack/channel.C0GENERAL",), (), "#general"),)


@pytest.mark.parametrize("cursor", [{}, {"version": 2}, {"version": 1, "team": "T0", "channels": {}, "done": []}])
def test_a_cursor_that_is_not_of_this_workspace_has_everything_listed(acme: Chat, cursor: Json) -> None:
    with pytest.raises(CursorExpired):
        acme.scan({"version": 1, "team": TEAM, "channels": {}, "done": []} | cursor if "version" in cursor else cursor)


def test_a_channel_that_is_new_to_a_cursor_is_read_from_its_beginning(acme: Chat) -> None:
    cursor = cursor_of(acme)
    acme.channel("C0NEW", "new", ["U0ALICE"])
    acme.say("C0NEW", "2020-01-01 09:00", "older than any look back")
    assert "C0NEW/2020-01-01" in acme.upserts(cursor)


def test_an_interrupted_scan_goes_on_where_it_was(acme: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = cursor_of(acme)
    monkeypatch.setattr("connectors.slack.connector._CHECKPOINT_EVERY", 1)
    acme.api.fail("history.channel=C0GENERAL", Reply(500), times=100)
    changes = []
    with pytest.raises(Unavailable):
        for one in acme.connector().scan(cursor):
            changes.append(one)
    acme.api.faults.clear()
    last = changes[-1]
    assert isinstance(last, Checkpoint) and last.cursor["done"] == ["C0BOARD"]
    rest = acme.scan(last.cursor)
    assert {one.external_id.partition("/")[0] for one in rest if isinstance(one, Upsert)} == {"C0GENERAL"}
    final = rest[-1]
    assert isinstance(final, Checkpoint) and final.cursor["done"] == []
    assert "C0BOARD/2024-05-02" in acme.upserts(final.cursor)


# -- bounds --


def test_what_is_before_the_beginning_or_past_a_bound_is_not_read(acme: Chat) -> None:
    assert set(acme.upserts(begin="2024-05-02")) == {"C0GENERAL/2024-05-08", "C0BOARD/2024-05-02"}
    with pytest.raises(NotFound):
        acme.connector(begin="2024-05-02").fetch(THREAD)
    with pytest.raises(BadConfig) as refused:
        acme.scan(max_documents=3)
    assert refused.value.field == "config.max_documents"


def test_a_day_or_thread_that_is_too_large_is_refused_alone(acme: Chat) -> None:
    acme.say("C0BOARD", "2024-05-03 08:00", "x" * 1100)
    acme.reply("C0GENERAL", ROOT, "2024-05-03 08:00", "x" * 1100)
    changes = acme.scan(max_document_kb=1)
    assert [one.external_id for one in changes if isinstance(one, Refused)] == ["C0BOARD/2024-05-03"]
    for name in ("C0BOARD/2024-05-03", THREAD):
        with pytest.raises(DocumentRejected) as rejected:
            acme.connector(max_document_kb=1).fetch(name)
        assert rejected.value.reason == "too_large"
    last = changes[-1]
    assert isinstance(last, Checkpoint)
    assert not [one for one in acme.scan(last.cursor, max_document_kb=1) if isinstance(one, Deleted)]


@pytest.mark.parametrize(
    "name", ["", "C0GENERAL", "C0GENERAL/2024-13-45", "C0GENERAL/1969-01-01", "C0NONE/2024-05-01", "../x/2024-05-01",
             "C0GENERAL/1714000000.000001", "C0GENERAL/2024-05-01/x", "\ud800/2024-05-01", "C" * 10_000]
)  # fmt: skip
def test_what_no_scan_named_is_not_found(acme: Chat, name: str) -> None:
    with pytest.raises(NotFound):
        acme.connector().fetch(name)


# -- when it does not go well --


@pytest.mark.parametrize(
    ("answer", "raised", "said"),
    [
        ({"ok": False, "error": "invalid_auth"}, SourceRefuses, "does not accept the token"),
        ({"ok": False, "error": "token_revoked"}, SourceRefuses, "does not accept the token"),
        (
            {"ok": False, "error": "missing_scope", "needed": "groups:read"},
            SourceRefuses,
            "lacks the scope groups:read",
        ),
        ({"ok": False, "error": "something_new"}, SourceRefuses, "something_new"),
        ({"ok": False, "error": "<script>"}, SourceRefuses, "an unknown error"),
        ({"ok": False}, SourceRefuses, "an unknown error"),
        ({"ok": False, "error": "ratelimited"}, Unavailable, "ratelimited"),
        ({"ok": False, "error": "internal_error"}, Unavailable, "internal_error"),
        ({"ok": "yes"}, Unavailable, "documented"),
        (["ok"], Unavailable, "documented"),
        ({"ok": True, "channels": {}}, Unavailable, "without channels"),
        ({"ok": True, "channels": [{"id": "../../x"}]}, Unavailable, "documented"),
        ({"ok": True, "channels": [], "has_more": True}, Unavailable, "not where"),
        ({"ok": True, "channels": [], "response_metadata": {"next_cursor": "same"}}, Unavailable, "do not end"),
    ],
)
def test_an_answer_that_is_no_listing_ends_the_scan(
    acme: Chat, answer: Any, raised: type[VouchError], said: str
) -> None:
    acme.api.fail("conversations.list", as_json(answer), times=100)
    told = []
    with pytest.raises(raised, match=said):
        for change in acme.connector().scan(None):
            told.append(change)
    assert told == []


@pytest.mark.parametrize(
    "fault", [Reply(500), Reply(429, b"", {"Retry-After": "7"}), truncated({"ok": True}), Reply(200, b"<html>"),
              as_json({"ok": False, "error": "ratelimited"}, headers={"Retry-After": "7"})]
)  # fmt: skip
def test_what_fails_once_is_asked_again_after_the_pause_it_names(acme: Chat, slept: list[float], fault: Reply) -> None:
    whole = acme.scan()
    acme.api.fail("history.channel=C0GENERAL", fault)
    assert acme.scan() == whole
    assert slept == [7.0 if fault.status == 429 or b"ratelimited" in fault.body else 1.0]


def test_a_pause_that_is_too_long_ends_the_scan_and_keeps_everybody_away(acme: Chat, pace: Pace) -> None:
    for fault in (Reply(429, b"", {"Retry-After": "900"}),
                  as_json({"ok": False, "error": "ratelimited"}, headers={"Retry-After": "900"})):  # fmt: skip
        acme.api.fail("conversations.history", fault)
        with pytest.raises(Unavailable) as left:
            acme.scan()
        assert left.value.extra["retry_after_s"] == 900.0
        asked = len(acme.api.asked)
        with pytest.raises(Unavailable):
            acme.scan()
        assert len(acme.api.asked) == asked
        pace.sleep(1000.0)


def test_a_channel_that_goes_away_while_it_is_read_ends_the_scan(acme: Chat) -> None:
    acme.api.fail("history.channel=C0GENERAL", as_json({"ok": False, "error": "not_in_channel"}))
    with pytest.raises(Unavailable, match="went away"):
        acme.scan()


def test_messages_that_come_in_another_order_end_the_scan(acme: Chat) -> None:
    messages = sorted(acme.messages["C0GENERAL"].values(), key=lambda one: str(one["ts"]))
    acme.api.fail("history.channel=C0GENERAL", as_json({"ok": True, "messages": messages}))
    with pytest.raises(Unavailable, match="newest first"):
        acme.scan()


def test_an_address_without_the_api_says_so(acme: Chat) -> None:
    with pytest.raises(SourceRefuses, match=r"has no auth\.test"):
        acme.scan(base=f"{acme.api.url}/elsewhere")


def test_a_place_that_may_not_be_reached_is_not(acme: Chat) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector("slack", acme.config(), NOWHERE_PRIVATE)
    assert refused.value.field == "config.base"
    inside = replace(NOWHERE_PRIVATE, ways=replace(NOWHERE_PRIVATE.ways, resolve=lambda host, port: ["10.0.0.1"]))
    with pytest.raises(OutboundRefused):
        list(make_connector("slack", acme.config(base="https://slack.example.org/api"), inside).scan(None))
    assert acme.api.asked == []


@pytest.mark.parametrize(
    ("config", "field"),
    [({"token": "a\nb"}, "config.token"), ({"owner": "authenticated"}, "config.owner"),
     ({"owner": "a@example.org"}, "config.owner"), ({"issuer": "No"}, "config.issuer"), ({"base": "x"}, "config.base")],
)  # fmt: skip
def test_a_configuration_that_cannot_work_is_refused_by_name(acme: Chat, config: Json, field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector("slack", acme.config(**config), LOOPBACK)
    assert refused.value.field == field


def test_fetches_share_the_names_for_a_while(acme: Chat, pace: Pace) -> None:
    acme.scan()
    asked = acme.asked("users.list")
    read(acme, THREAD)
    assert acme.asked("users.list") == asked
    pace.sleep(601.0)
    read(acme, THREAD)
    assert acme.asked("users.list") == asked + 1
