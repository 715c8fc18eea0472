"""The google_drive connector against a Drive on loopback: what it reads, what it goes on from, what stops it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from connectors import oauth
from connectors.google_drive.api import EXPORTS
from connectors.google_drive.config import GoogleDriveConfig
from connectors.registry import make_connector
from connectors.rest import Rest
from tests.connectors.api import LOOPBACK, as_json, truncated
from tests.connectors.google_drive.google import (
    ADMIN,
    DOC,
    FORM,
    SHEET,
    SHORTCUT,
    SLIDES,
    Google,
    google,
    service_account,
    user,
)
from tests.connectors.seen import pausing
from tests.outbound.serving import Reply
from vouch.core.errors import (
    BadConfig,
    CursorExpired,
    DocumentRejected,
    NotFound,
    SourceRefuses,
    Unavailable,
)
from vouch.core.types import AclChanged, Checkpoint, Deleted, Refused
from vouch.outbound.door import NOWHERE_PRIVATE

OTHERS: dict[str, Any] = {"ownedByMe": False}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only by being slept; every pause taken."""
    pace, pauses = pausing()
    monkeypatch.setattr("connectors.google_drive.connector.Rest", partial(Rest, pace=pace))
    monkeypatch.setattr(oauth, "_held", OrderedDict())
    return pauses


@pytest.fixture
def drive(slept: list[float]) -> Iterator[Google]:
    """What the account owns: two files, and a folder with one; besides, what somebody else shared with it."""
    with google() as found:
        found.put("a", b"# A")
        found.put("b", b"b")
        found.folder("f")
        found.put("c", b"c", parents=["f"])
        found.put("theirs", **OTHERS)
        for file in ("a", "b", "f"):
            found.share(file, user("carol", "owner"))
        yield found


@pytest.fixture
def team(drive: Google) -> Google:
    """And a shared drive with a folder of two files."""
    drive.shared_drive("T", user("ann", "organizer"))
    drive.folder("tf", parents=["T"], driveId="T", **OTHERS)
    for id in ("t1", "t2"):
        drive.put(id, parents=["tf"], driveId="T", **OTHERS)
    return drive


# --- what is read -----------------------------------------------------------------------------------------------------


def test_what_the_account_owns_is_read_page_by_page(drive: Google) -> None:
    seen = drive.scan()
    assert set(seen.documents) == {"a", "b", "c"}
    assert drive.asked(r"/files\?.*pageToken=") == 1  # two a page
    told = seen.documents["a"]
    assert (told.title, told.uri, told.mime) == ("a", "https://files.example.org/a", "text/plain")
    assert str(told.modified_at) == "2024-03-01 09:00:00+00:00"


def test_shared_drives_are_read_by_name_or_all_and_folders_with_all_below(team: Google) -> None:
    team.shared_drive("U")
    team.put("u", parents=["U"], driveId="U", **OTHERS)
    assert set(team.scan(my_drive=False, drives=["T"]).documents) == {"t1", "t2"}
    assert set(team.scan(my_drive=False, drives=["*"]).documents) == {"t1", "t2", "u"}
    team.folder("ff", parents=["f"])
    team.put("deep", parents=["ff"], **OTHERS)
    assert set(team.scan(my_drive=False, folders=["f", "tf"]).documents) == {"c", "deep", "t1", "t2"}
    assert set(team.scan(drives=["T"], folders=["tf", "f"]).documents) == {"a", "b", "c", "deep", "t1", "t2"}


def test_googles_own_documents_are_exported_and_what_has_no_content_is_left_out(drive: Google) -> None:
    for id, mime in (("d", DOC), ("s", SHEET), ("p", SLIDES), ("short", SHORTCUT), ("form", FORM)):
        drive.put(id, id.encode(), mime)
    documents = drive.scan(include=["[ds]*", "p"], exclude=["sh*"]).documents
    assert {id: one.mime for id, one in documents.items()} == {
        "d": EXPORTS[DOC],
        "s": EXPORTS[SHEET],
        "p": EXPORTS[SLIDES],
    }
    connector = drive.connector()
    for id, one in documents.items():
        body = connector.fetch(id)
        assert (body.data, body.mime) == (id.encode(), one.mime)
    for id in ("short", "form", "f", "theirs", "gone", "a/../b", ""):
        with pytest.raises(NotFound):
            connector.fetch(id)


def test_a_fingerprint_changes_with_content_and_name_and_not_with_who_may_read(drive: Google) -> None:
    drive.put("d", b"", DOC)
    before = drive.scan().documents
    drive.share("a", user("dan"))
    drive.share("d", user("dan"))
    same = drive.scan().documents
    assert {id: one.fingerprint for id, one in before.items()} == {id: one.fingerprint for id, one in same.items()}
    drive.put("a", b"# B")
    drive.put("b", b"b", name="renamed")
    drive.put("d", b"", DOC, modifiedTime="2024-03-01T09:00:00.001Z")
    after = drive.scan().documents
    assert {id for id in after if after[id].fingerprint != before[id].fingerprint} == {"a", "b", "d"}


def test_hostile_names_are_titles_of_one_line_and_links_that_are_none_are_not_passed_on(drive: Google) -> None:
    name = "../../etc/\x00passwd\x1b[31m\u202e " + "x" * 10_000
    drive.put("h", name=name, webViewLink="javascript:alert(1)")
    told = drive.scan().documents["h"]
    assert told.title.startswith("../../etc/ passwd [31m xxx") and len(told.title) == 300
    assert told.title.isprintable() and told.uri == "https://drive.google.com/open?id=h"


def test_a_file_that_is_too_large_is_refused_without_being_read(drive: Google) -> None:
    drive.put("big", b"x")
    drive.files["big"]["size"] = str((1 << 20) + 1)
    seen = drive.scan(max_file_mb=1)
    assert seen.of(Refused) == {"big"}
    with pytest.raises(DocumentRejected) as refused:
        drive.connector(max_file_mb=1).fetch("big")
    assert refused.value.reason == "too_large" and drive.asked("alt=media") == 0


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (403, "exportSizeLimitExceeded", DocumentRejected),
        (403, "cannotExportFile", DocumentRejected),
        (403, "userRateLimitExceeded", Unavailable),
        (404, "notFound", NotFound),
        (500, "backendError", Unavailable),
    ],
)
def test_an_export_that_is_refused(drive: Google, status: int, reason: str, error: type[Exception]) -> None:
    drive.put("d", b"", DOC)
    drive.api.fail("/export", drive._error(status, reason), times=4)
    with pytest.raises(error) as raised:
        drive.connector().fetch("d")
    if isinstance(raised.value, DocumentRejected):
        assert raised.value.reason == ("too_large" if "Size" in reason else "unreadable")


# --- what changed -----------------------------------------------------------------------------------------------------


def test_a_scan_goes_on_with_what_came_changed_went_and_came_back(drive: Google) -> None:
    at = drive.scan().cursor
    assert drive.scan(at).changes == [Checkpoint(at)]
    drive.put("new")
    drive.put("a", b"changed", name="moved")
    drive.put("c", parents=["f"], trashed=True)
    drive.remove("b")
    seen = drive.scan(at)
    assert set(seen.documents) == {"a", "new"} and seen.of(Deleted) == {"b", "c"}
    drive.put("c", parents=["f"], trashed=False)
    drive.put("new", **OTHERS)  # given to somebody else
    seen = drive.scan(seen.cursor)
    assert set(seen.documents) == {"c"} and seen.of(Deleted) == {"new"}


def test_what_changed_many_times_over_many_pages_is_told_once(drive: Google) -> None:
    at = drive.scan().cursor
    for n in range(7):
        drive.put("a", str(n).encode())
        drive.put(f"n{n}")
    seen = drive.scan(at)
    named = [one.external_id for one in seen.changes if not isinstance(one, Checkpoint)]
    assert sorted(named) == ["a", *(f"n{n}" for n in range(7))]


def test_of_a_folder_that_changed_everything_in_it_is_told_again(team: Google) -> None:
    at = team.scan(drives=["T"]).cursor
    team.share("tf", user("dan"))
    team.files["f"]["parents"] = ["elsewhere"]  # the feed tells of the folder alone
    team.tell("f")
    seen = team.scan(at, drives=["T"])
    assert set(seen.documents) == {"t1", "t2", "c"}
    assert seen.readers("t1") == ("group:drive/account.p-ann", "group:drive/account.p-dan")
    team.put("tf", b"", team.files["tf"]["mimeType"], trashed=True, driveId="T")
    for id in ("t1", "t2"):
        team.files[id]["trashed"] = True
    assert team.scan(seen.cursor, drives=["T"]).of(Deleted) == {"t1", "t2"}


def test_what_leaves_a_folder_that_is_read_is_gone_and_what_is_moved_into_it_is_there(drive: Google) -> None:
    config = {"my_drive": False, "folders": ["f"]}
    drive.folder("in", parents=["f"])
    drive.put("deep", parents=["in"])
    at = drive.scan(**config).cursor
    drive.put("a", parents=["in"])
    drive.put("c", parents=["elsewhere"])
    seen = drive.scan(at, **config)
    assert set(seen.documents) == {"a"} and seen.of(Deleted) == {"c"}
    drive.folder("in", parents=["elsewhere"])
    assert drive.scan(seen.cursor, **config).of(Deleted) == {"a", "deep"}
    with pytest.raises(NotFound):
        drive.connector(**config).fetch("deep")


def test_a_folder_that_is_gone_needs_a_whole_listing_a_file_does_not(drive: Google) -> None:
    at = drive.scan().cursor
    drive.remove("f")
    with pytest.raises(CursorExpired):
        drive.scan(at)
    at = drive.scan().cursor
    drive.folder("later")
    at = drive.scan(at).cursor
    drive.remove("later")
    with pytest.raises(CursorExpired):
        drive.scan(at)


def test_members_of_a_shared_drive_that_change_and_drives_that_come_and_go_need_a_whole_listing(team: Google) -> None:
    at = team.scan(drives=["*"]).cursor
    team.feeds["T"].append({"changeType": "drive", "driveId": "T"})
    with pytest.raises(CursorExpired):
        team.scan(at, drives=["*"])
    at = team.scan(drives=["*"]).cursor
    assert team.scan(at, drives=["*"]).of(Deleted) == set()
    team.shared_drive("U")
    with pytest.raises(CursorExpired):
        team.scan(at, drives=["*"])


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_feed_that_does_not_go_back_so_far_means_a_whole_listing(drive: Google, status: int) -> None:
    at = drive.scan().cursor
    drive.api.fail(r"/changes\?", drive._error(status, "invalid"))
    with pytest.raises(CursorExpired):
        drive.scan(at)


@pytest.mark.parametrize("cursor", [{}, {"of": "x", "feeds": {}, "left": [], "folders": ""}, {"feeds": 1}])
def test_a_cursor_of_something_else_means_a_whole_listing(drive: Google, cursor: Any) -> None:
    with pytest.raises(CursorExpired):
        drive.scan(cursor)
    at = drive.scan().cursor
    with pytest.raises(CursorExpired):
        drive.scan(at, anyone_sharing="authenticated")


def test_what_moved_while_it_was_listed_is_told_all_the_same(drive: Google) -> None:
    config = {"my_drive": False, "folders": ["f", "g"]}
    drive.folder("g")
    drive.put("mover", parents=["g"])
    listed = drive.listed

    def moving(request: Any) -> Any:
        found = listed(request)
        if "'f'" in request.query["q"]:  # f was looked at, g not yet
            drive.put("mover", parents=["f"])
        return found

    drive.listed = moving  # type: ignore[method-assign]
    drive.api.routes.clear()
    drive._routes()
    assert set(drive.scan(**config).documents) == {"c", "mover"}


def test_a_long_scan_can_be_gone_on_with_in_its_middle(drive: Google, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.google_drive.connector._CHECKPOINT_EVERY", 2)
    at = drive.scan().cursor
    for n in range(5):
        drive.put(f"n{n}")
    whole = drive.scan(at).changes
    middle = next(n for n, one in enumerate(whole) if isinstance(one, Checkpoint))
    assert middle == 2
    rest = drive.scan(whole[middle].cursor)  # type: ignore[union-attr]
    assert set(rest.documents) == {"n2", "n3", "n4"} and rest.cursor["left"] == []


# --- what stops it ----------------------------------------------------------------------------------------------------


def test_a_pause_that_is_asked_for_is_taken_and_a_long_one_ends_the_scan(drive: Google, slept: list[float]) -> None:
    drive.api.fail(r"/files\?", Reply(429, b"", {"Retry-After": "7"}))
    drive.api.fail("/changes", drive._error(403, "rateLimitExceeded"))
    drive.api.fail(r"pageToken=2", Reply(500))
    assert set(drive.scan().documents) == {"a", "b", "c"}
    assert slept == [1.0, 7.0, 1.0]
    drive.api.fail(r"/files\?", Reply(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(Unavailable) as asleep:
        drive.scan()
    assert asleep.value.extra["retry_after_s"] == 3600


@pytest.mark.parametrize(
    "reply",
    [
        truncated({"files": []}),
        Reply(200, b"{"),
        as_json([]),
        as_json({}),
        as_json({"files": None}),
        as_json({"files": [{"id": "../x", "mimeType": "text/plain", "trashed": False}]}),
        as_json({"files": [{"id": "x", "mimeType": "text/plain"}]}),
        as_json({"files": [], "incompleteSearch": True}),
        as_json({"files": [], "nextPageToken": "again"}),
    ],
)
def test_an_answer_that_is_not_whole_ends_the_scan(drive: Google, reply: Reply) -> None:
    drive.api.fail(r"/files\?", reply, times=9)
    with pytest.raises(Unavailable):
        drive.scan()


def test_changes_that_do_not_end_end_the_scan(drive: Google) -> None:
    at = drive.scan().cursor
    drive.api.fail(r"/changes\?", as_json({"changes": [], "nextPageToken": at["feeds"][""]}), times=9)
    with pytest.raises(Unavailable):
        drive.scan(at)


def test_a_token_that_ends_is_renewed_once_and_documents_share_one(drive: Google) -> None:
    drive.scan()
    drive.connector().fetch("a")
    assert drive.asked("/token") == 1
    drive.tokens.clear()
    drive.connector().fetch("a")
    assert drive.asked("/token") == 2
    drive.api.fail("/files", as_json({}, 401), times=2)
    with pytest.raises(SourceRefuses) as refused:
        drive.connector().fetch("a")
    assert refused.value.said == 401


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (as_json({"error": "invalid_grant", "error_description": "secret words"}, 400), SourceRefuses),
        (as_json({"access_token": "two\r\nlines"}), SourceRefuses),
        (as_json({}), SourceRefuses),
        (Reply(302, b"", {"Location": "http://169.254.169.254/"}), SourceRefuses),
        (Reply(200, b"<html>"), Unavailable),
        (Reply(503), Unavailable),
    ],
)
def test_a_token_that_is_not_had(drive: Google, reply: Reply, error: type[Exception]) -> None:
    drive.api.fail("/token", reply, times=4)
    with pytest.raises(error) as raised:
        drive.scan()
    assert "secret" not in str(raised.value) and drive.asked("/drive/") == 0


def test_a_listing_that_is_refused_ends_the_scan_and_one_item_does_not(team: Google) -> None:
    at = team.scan().cursor
    team.tell("a")
    team.denied.add("a")
    assert [type(one) for one in team.scan(at).changes] == [AclChanged, Checkpoint]
    with pytest.raises(DocumentRejected):
        team.connector().fetch("a")
    for config in ({"drives": ["none"]}, {"folders": ["none"]}, {"folders": ["a"]}, {"folders": ["b"]}):
        with pytest.raises(SourceRefuses):
            team.scan(**config)
    for status in (403, 404):
        team.api.fail(r"/files\?", team._error(status, "forbidden"))
        with pytest.raises(SourceRefuses):
            team.scan()


def test_an_oauth_client_reads_with_what_a_user_gave_it(drive: Google) -> None:
    config = {**drive.config(), "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    del config["service_account"]
    assert len(list(make_connector("google_drive", config, LOOPBACK).scan(None))) == 4
    with pytest.raises(SourceRefuses, match="invalid_grant"):
        list(make_connector("google_drive", {**config, "client_secret": "x"}, LOOPBACK).scan(None))


def test_a_service_account_reads_in_the_name_it_is_told_to(drive: Google) -> None:
    drive.scan(subject="carol@example.org")
    assert list(drive.tokens.values()) == [("https://www.googleapis.com/auth/drive.readonly", "carol@example.org")]


def test_too_many_files_end_the_scan(drive: Google) -> None:
    with pytest.raises(BadConfig) as refused:
        drive.scan(max_files=2)
    assert refused.value.field == "config.max_files"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"my_drive": False}, "drives"),
        ({"service_account": "{}"}, "service_account"),
        ({"service_account": "[]"}, "service_account"),
        ({"service_account": service_account().replace("BEGIN", "BEGUN")}, "service_account"),
        ({"service_account": None}, "service_account"),
        ({"client_id": "c"}, "service_account"),
        (
            {"service_account": None, "client_id": "c", "client_secret": "s", "refresh_token": "r", "subject": ADMIN},
            "subject",
        ),
        ({"domain_sharing": "authenticated"}, "domains"),
        ({"domains": ["Example.org"]}, "domains"),
        ({"folders": ["*"]}, "folders"),
        ({"drives": ["*", "x"]}, "drives"),
        ({"drives": ["a/b"]}, "drives"),
        ({"people": {"issuer": "entra"}}, "people.issuer"),
        ({"issuer": "Not One"}, "issuer"),
        ({"api": "http://10.0.0.1/"}, "api"),
        ({"token_url": "http://169.254.169.254/token"}, "token_url"),
        ({"directory": {"subject": ADMIN, "api": "http://[::1]/"}}, "directory.api"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(drive: Google, config: Any, field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        drive.connector(**config)
    assert refused.value.field is not None and refused.value.field.startswith(f"config.{field}")
    assert "PRIVATE KEY" not in str(refused.value)
    assert field != "service_account" or refused.value.__context__ is None  # it would quote the key


def test_nothing_private_is_reached(drive: Google) -> None:
    with pytest.raises(BadConfig):
        make_connector("google_drive", drive.config(), NOWHERE_PRIVATE)
    assert drive.api.asked == []


def test_a_secret_stays_through_nothing_that_could_lead_it_elsewhere() -> None:
    kept, fields = GoogleDriveConfig.keeps_secrets_through, set(GoogleDriveConfig.model_fields)
    secrets = {"service_account", "client_secret", "refresh_token"}
    assert kept == fields - secrets - {"issuer", "subject", "client_id", "directory", "api", "token_url"}
