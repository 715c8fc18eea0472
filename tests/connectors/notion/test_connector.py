"""The notion connector against a workspace on loopback: what it reads, whose it is, what stops it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from connectors.notion.config import NotionConfig
from connectors.registry import make_connector
from connectors.rest import Rest
from tests.connectors.api import LOOPBACK, as_json, truncated
from tests.connectors.notion.workspace import AT, LATER, Workspace, error, notion, text, uid
from tests.connectors.seen import pausing
from tests.outbound.serving import Reply
from vouch.core import clock
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, SourceRefuses, Unavailable
from vouch.core.types import Checkpoint, Refused
from vouch.outbound.door import NOWHERE_PRIVATE

BOARD = [{"allow": ["group:board"], "deny": ["user:mallory"]}]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only by being slept; every pause taken."""
    pace, pauses = pausing()
    monkeypatch.setattr("connectors.notion.connector.Rest", partial(Rest, pace=pace))
    return pauses


@pytest.fixture
def space(slept: list[float]) -> Iterator[Workspace]:
    """Two roots. Below `hall` a page with one in it, one in a toggle, and a database of three rows; `board` has one."""
    with notion() as found:
        found.page("hall", None, "Welcome.")
        found.page("a", "hall", "Text of a.")
        found.page("deep", "a", "Text of deep.")
        toggle = found.block("hall", "toggle", rich_text=text("More"))
        found.page("nested", toggle, "In a toggle.")
        found.database("db", "hall")
        for n in range(3):
            found.row(f"r{n}", "db rows", f"Row {n}.")
        found.page("board", None, "Minutes.")
        found.page("secret", "board", "The price is 7.")
        yield found


HALL = {"hall", "a", "deep", "nested", "db", "r0", "r1", "r2"}


def two_roots(space: Workspace) -> list[dict[str, Any]]:
    return [*space.config("hall")["roots"], {"id": uid("board"), "access": BOARD, "owner": "user:carol"}]


# --- what is read -----------------------------------------------------------------------------------------------------


def test_everything_below_a_root_is_read_page_by_page(space: Workspace) -> None:
    seen = space.scan("hall")
    assert set(seen.documents) == HALL
    assert space.asked(r"children\?.*start_cursor=") and len(space.rows[uid("db rows")]) > space.page_size
    told = seen.documents["a"]
    assert (told.external_id, told.mime) == (uid("a"), "text/markdown")
    assert told.uri == f"https://notion.example.org/{uid('a').replace('-', '')}"
    assert told.modified_at == datetime(2024, 3, 1, 9, 0, tzinfo=UTC)
    assert seen.documents["db"].external_id == f"database/{uid('db')}"
    assert space.body("deep", "hall") == "# deep\n\nText of deep.\n"
    assert {one.headers["notion-version"] for one in space.api.asked} == {"2025-09-03"}


def test_a_root_may_be_an_address_and_a_database(space: Workspace) -> None:
    hexed = uid("db").replace("-", "")
    for id in (f"https://www.notion.so/acme/All-of-it-{hexed}?v=1", hexed.upper(), uid("db")):
        roots = [{"id": id, "access": BOARD}]
        assert set(space.scan(roots=roots).documents) == {"db", "r0", "r1", "r2"}


def test_the_nearest_root_decides_who_may_read(space: Workspace) -> None:
    seen = space.scan(roots=two_roots(space))
    assert seen.readers("a") == ("group:staff",) and seen.documents["a"].owner is None
    assert seen.readers("secret") == ("group:board",) and seen.documents["secret"].owner == "user:carol"
    inner = [*two_roots(space), {"id": uid("a"), "access": BOARD}, {"id": uid("r1")}]
    for roots in (inner, inner[::-1]):
        seen = space.scan(roots=roots)
        assert set(seen.documents) == HALL | {"board", "secret"}
        assert seen.readers("a") == seen.readers("deep") == ("group:board",)
        assert seen.readers("hall") == seen.readers("nested") == seen.readers("r0") == ("group:staff",)
        assert seen.documents["r1"].acl is None  # no clause: nobody
    assert "group:board" in str(seen.documents["deep"].acl) and "user:mallory" in str(seen.documents["deep"].acl)


def test_what_is_moved_to_another_root_is_its_and_what_is_moved_out_is_gone(space: Workspace) -> None:
    roots = two_roots(space)
    at = space.scan(roots=roots).cursor
    space.move("a", "board")
    seen = space.scan(roots=roots, cursor=at)
    assert seen.readers("a") == seen.readers("deep") == ("group:board",)
    space.page("outside")
    space.move("a", "outside")
    seen = space.scan(roots=roots, cursor=seen.cursor)
    assert {"a", "deep"}.isdisjoint(seen.documents) and "secret" in seen.documents
    for name in ("a", "deep", "outside"):
        with pytest.raises(NotFound):
            space.connector(roots=roots).fetch(uid(name))


def test_a_page_is_where_it_says_that_it_is(space: Workspace) -> None:
    """Moved between the listing of its parent and its own turn: what the listing said no longer counts."""
    roots = two_roots(space)
    space.objects[uid("a")]["parent"] = {"type": "page_id", "page_id": uid("board")}
    seen = space.scan(roots=roots)
    assert seen.readers("a") == seen.readers("deep") == ("group:board",)


@pytest.mark.parametrize(
    "parent",
    [
        {"type": "workspace", "workspace": True},
        {"type": "agent_id", "agent_id": uid("hall")},
        {"type": "page_id", "page_id": uid("nowhere")},
        {"type": "page_id", "page_id": uid("deep")},  # a circle
        {"type": "block_id", "block_id": "../hall"},
        {"type": "page_id"},
        None,
    ],
)
def test_what_cannot_be_followed_to_a_root_is_not_offered(space: Workspace, parent: Any) -> None:
    space.objects[uid("a")]["parent"] = parent
    assert set(space.scan("hall").documents) == HALL - {"a", "deep"}
    for name in ("a", "deep"):
        with pytest.raises(NotFound):
            space.body(name, "hall")


def test_a_row_of_a_data_source_that_names_no_database_is_followed_by_its_source(space: Workspace) -> None:
    space.objects[uid("r1")]["parent"] = {"type": "data_source_id", "data_source_id": uid("db rows")}
    assert "r1" in space.scan("hall").documents and space.body("r1", "hall").startswith("# r1")


def test_a_database_has_several_sources_a_wiki_has_databases_and_a_view_of_another_is_none(space: Workspace) -> None:
    space.database("two", "hall", ("people", "places"))
    space.row("p", "people")
    space.row("q", "places")
    space.rows[uid("people")].append(uid("inner rows"))
    space.database("inner", None, ("inner rows",))
    space.objects[uid("inner")]["parent"] = {"type": "database_id", "database_id": uid("two")}
    space.row("i", "inner rows")
    space.objects[uid("two")]["data_sources"].append({"id": uid("linked"), "name": "linked"})
    space.block("hall", "child_database", "view", title="Another's")
    assert set(space.scan("hall").documents) == HALL | {"two", "p", "q", "inner", "i"}


def test_more_rows_than_one_query_tells_of_are_asked_for_from_where_it_stopped(space: Workspace) -> None:
    for n in range(3):
        space.objects[uid(f"r{n}")]["created_time"] = f"2024-03-01T09:0{n}:00.000Z"
    space.most = 2
    assert set(space.scan("hall").documents) == HALL
    for n in range(3):
        space.objects[uid(f"r{n}")]["created_time"] = AT
    with pytest.raises(Unavailable):  # which of that minute are missing cannot be told
        space.scan("hall")


def test_what_is_in_the_trash_is_gone_with_all_that_is_below(space: Workspace) -> None:
    at = space.scan("hall").cursor
    space.trash("a")
    space.objects[uid("r1")]["in_trash"] = True
    assert set(space.scan("hall", cursor=at).documents) == HALL - {"a", "deep", "r1"}
    for name in ("a", "deep", "r1"):
        with pytest.raises(NotFound):
            space.body(name, "hall")
    space.objects[uid("hall")]["in_trash"] = True
    assert space.scan("hall").documents == {}
    with pytest.raises(NotFound):
        space.body("nested", "hall")


def test_hostile_names_are_titles_of_one_line_and_links_that_are_none_are_not_passed_on(space: Workspace) -> None:
    name = "../../etc/\x00passwd\x1b[31m\u202e\n# " + "x" * 10_000
    space.page("h", "hall", title=text(name))
    space.objects[uid("h")]["url"] = "javascript:alert(1)"
    told = next(one for one in space.scan("hall").documents.values() if one.external_id == uid("h"))
    assert told.title.startswith("../../etc/ passwd [31m # xxx") and len(told.title) == 300
    assert told.title.isprintable() and told.uri == f"https://www.notion.so/{uid('h').replace('-', '')}"
    assert space.body("h", "hall").startswith("# ../../etc/ passwd \\[31m \\# xxx")


def test_what_lies_deeper_than_is_read_is_left_out_and_too_many_pages_end_the_scan(space: Workspace) -> None:
    assert set(space.scan("hall", max_depth=0).documents) == {"hall"}
    assert set(space.scan("hall", max_depth=1).documents) == {"hall", "a", "nested", "db"}
    assert set(space.scan("hall", max_pages=8).documents) == HALL
    with pytest.raises(BadConfig) as refused:
        space.scan("hall", max_pages=7)
    assert refused.value.field == "config.max_pages"


@pytest.mark.parametrize("why", ["blocks", "nested", "unsupported"])
def test_a_page_that_cannot_be_read_is_refused_and_the_others_are_not(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    config: dict[str, Any] = {}
    if why == "blocks":
        config = {"max_blocks": 5}
        for n in range(4):
            space.block("r1", "paragraph", rich_text=text(str(n)))
        space.block("r2", "paragraph", rich_text=text("4"))
        space.block("r1", "paragraph", rich_text=text("5"))
    elif why == "nested":
        monkeypatch.setattr("connectors.notion.blocks._DEEPEST", 2)
        space.block(space.block(space.block(space.block("r1", "toggle"), "toggle"), "toggle"), "toggle")
    else:
        space.api.fail(f"{uid('r1')}/children", error(400, "validation_error"), times=9)
    seen = space.scan("hall", **config)
    assert seen.of(Refused) == {uid("r1")} and set(seen.documents) == HALL - {"r1"}
    with pytest.raises(DocumentRejected) as rejected:
        space.body("r1", "hall", **config)
    assert rejected.value.reason == ("unreadable" if why == "unsupported" else "too_large")


# --- what changed -----------------------------------------------------------------------------------------------------


def test_blocks_of_pages_that_were_not_edited_are_not_read_again(space: Workspace) -> None:
    first = space.scan("hall")
    space.api.asked.clear()
    again = space.scan("hall", cursor=first.cursor)
    assert again.changes == first.changes and space.asked("children") == 0
    space.edit("a", "Now this.")
    space.edit("r1", "And that.")
    space.page("new", "a")
    changed = space.scan("hall", cursor=again.cursor)
    assert set(changed.documents) == HALL | {"new"}
    before, after = first.documents, changed.documents
    assert {name for name in HALL if before[name].fingerprint != after[name].fingerprint} == {"a", "r1"}
    assert {path for one in space.api.asked for path in [one.path.split("/")[3]] if "children" in one.path} == {
        uid("a"),
        uid("r1"),
        uid("new"),
    }


def test_an_edit_in_the_minute_of_another_is_noticed(space: Workspace) -> None:
    with clock.frozen(datetime(2024, 3, 1, 9, 0, 20, tzinfo=UTC)):
        first = space.scan("hall")
    space.edit("a", "In the same minute.", edited=AT)
    with clock.frozen(datetime(2024, 3, 1, 9, 0, 50, tzinfo=UTC)):
        second = space.scan("hall", cursor=first.cursor)
    assert second.documents["a"].fingerprint != first.documents["a"].fingerprint
    space.edit("a", "And again.", edited=AT)
    with clock.frozen(datetime(2024, 3, 1, 10, 0, tzinfo=UTC)):
        third = space.scan("hall", cursor=second.cursor)
        assert third.documents["a"].fingerprint != second.documents["a"].fingerprint
        space.api.asked.clear()
        space.scan("hall", cursor=third.cursor)
    assert space.asked("children") == 0


def test_a_fingerprint_changes_with_title_properties_and_text_and_with_nothing_else(space: Workspace) -> None:
    before = space.scan("hall").documents
    for name in ("a", "r0", "r1", "db"):
        space.objects[uid(name)]["last_edited_time"] = LATER
    space.objects[uid("r0")]["properties"]["Status"] = {"type": "status", "status": {"name": "Done"}}
    space.objects[uid("r1")]["properties"]["title"]["title"] = text("renamed")
    space.objects[uid("db")]["description"] = text("All of them.")
    after = space.scan("hall").documents
    assert after["a"].fingerprint == before["a"].fingerprint
    assert after["r0"].fingerprint != before["r0"].fingerprint
    assert after["renamed"].fingerprint != before["r1"].fingerprint
    assert after["db"].fingerprint != before["db"].fingerprint
    assert space.body("db", "hall", kind="database/") == "# db\n\nAll of them.\n\n- db rows\n"


@pytest.mark.parametrize("wrong", [{}, {"of": "x"}, {"of": 1, "pages": {}}, {"pages": {"x": ["", "", [""]]}}, {"x": 1}])
def test_a_cursor_of_something_else_spares_nothing(space: Workspace, wrong: dict[str, Any]) -> None:
    space.scan("hall", cursor=wrong)
    read = space.asked("children")
    space.api.asked.clear()
    at = space.scan("hall").cursor
    assert space.asked("children") == read
    space.api.asked.clear()
    tampered = {**at, "pages": {id: [edited, digest, ["p../x"]] for id, (edited, digest, _) in at["pages"].items()}}
    assert set(space.scan("hall", cursor=tampered).documents) == HALL
    space.scan("hall", cursor=at, max_blocks=77)
    assert space.asked("children") == 2 * read


def test_a_walk_that_was_interrupted_does_not_read_twice(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.notion.walk._CHECKPOINT_EVERY", 3)
    at = space.scan("hall").cursor
    for name in ("hall", "a", "r0"):
        space.objects[uid(name)]["last_edited_time"] = LATER
    space.api.asked.clear()
    whole = space.scan("hall", cursor=at).changes
    middle = next(one for one in whole if isinstance(one, Checkpoint))
    assert whole.index(middle) == 3
    space.api.asked.clear()
    rest = space.scan("hall", cursor=middle.cursor)
    assert set(rest.documents) == HALL and space.asked("children") == 1 and space.asked(f"{uid('r0')}/children") == 1


# --- what stops it ----------------------------------------------------------------------------------------------------


def test_a_root_that_is_not_there_is_an_error_and_never_a_deletion(space: Workspace) -> None:
    space.hidden = {uid(name) for name in (*HALL, "db rows")}
    for failing in (partial(space.scan, "hall"), partial(space.scan, "board", "hall")):
        with pytest.raises(SourceRefuses) as refused:
            failing()
        assert refused.value.said == 404 and uid("hall") in str(refused.value)
    with pytest.raises(SourceRefuses):
        space.body("a", "hall")


def test_a_root_that_goes_while_it_is_walked_ends_the_scan(space: Workspace) -> None:
    told = []
    with pytest.raises(SourceRefuses):
        for change in space.connector("hall").scan(None):
            told.append(change)
            space.hidden = {uid(name) for name in HALL}
    assert len(told) == 1 and not isinstance(told[-1], Checkpoint)


def test_a_page_that_is_not_there_any_more_is_gone(space: Workspace) -> None:
    at = space.scan("hall").cursor
    space.hidden = {uid("a")}
    seen = space.scan("hall", cursor=at)
    assert set(seen.documents) == HALL - {"a", "deep"} and seen.of(Refused) == set()
    with pytest.raises(NotFound):
        space.body("a", "hall")
    for name in ("", "no such item", "../../etc/passwd", f"database/{uid('r0')}", uid("db"), f"page/{uid('r0')}"):
        with pytest.raises(NotFound):
            space.connector("hall").fetch(name)


def test_one_page_that_may_not_be_read_is_refused_and_a_root_ends_the_scan(space: Workspace) -> None:
    space.api.fail(f"/pages/{uid('a')}", error(403, "restricted_resource"), times=2)
    seen = space.scan("hall")
    assert seen.of(Refused) == {uid("a")} and set(seen.documents) == HALL - {"a", "deep"}
    with pytest.raises(DocumentRejected):
        space.body("a", "hall")
    for path in (f"/pages/{uid('hall')}", "/query"):
        space.api.fail(path, error(403, "restricted_resource"))
        with pytest.raises(SourceRefuses):
            space.scan("hall")


def test_a_token_that_is_not_good_ends_the_scan_and_is_not_repeated(space: Workspace) -> None:
    with pytest.raises(SourceRefuses) as refused:
        space.scan("hall", token="somebody's")
    assert refused.value.said == 401 and "somebody" not in str(refused.value)


def test_a_pause_that_is_asked_for_is_taken_and_a_long_one_ends_the_scan(space: Workspace, slept: list[float]) -> None:
    space.api.fail(r"/children", Reply(429, b"", {"Retry-After": "7"}))
    space.api.fail(r"/query", error(500, "internal_server_error"))
    assert set(space.scan("hall").documents) == HALL
    assert slept == [7.0, 1.0]
    space.api.fail(r"/children", Reply(429, b"", {"Retry-After": "3600"}))
    with pytest.raises(Unavailable) as asleep:
        space.scan("hall")
    assert asleep.value.extra["retry_after_s"] == 3600


def test_requests_keep_their_distance(space: Workspace, slept: list[float]) -> None:
    space.scan("board", delay_s=0.34)
    assert len(slept) == len(space.api.asked) - 1 and all(round(pause, 6) == 0.34 for pause in slept)


@pytest.mark.parametrize("path", ["/pages/", "/children", "/query", "/databases/"])
@pytest.mark.parametrize(
    "reply",
    [
        truncated({"object": "list", "results": [], "has_more": False}),
        Reply(200, b"{"),
        as_json([]),
        as_json({"results": None, "has_more": False}),
        as_json({"results": [], "has_more": True, "next_cursor": None}),
        as_json({"results": [{"id": "../x", "type": "paragraph"}], "has_more": False}),
        as_json({"results": ["x"], "has_more": False}),
        as_json({"results": [], "has_more": True, "next_cursor": "again"}),
        as_json({"object": "page", "id": uid("other"), "last_edited_time": AT}),
        as_json({"object": "database", "id": uid("db"), "last_edited_time": AT, "data_sources": [{}]}),
    ],
)
def test_an_answer_that_is_not_whole_ends_the_scan(space: Workspace, path: str, reply: Reply) -> None:
    space.api.fail(path, reply, times=9)
    with pytest.raises(Unavailable):
        space.scan("hall")


def test_pages_that_do_not_end_end_the_scan(space: Workspace) -> None:
    again = as_json({"results": [], "has_more": True, "next_cursor": "again"})
    space.api.fail("/children", again, times=1000)
    with pytest.raises(Unavailable, match="do not end"):
        space.scan("hall")
    assert space.asked("/children") == 2


def test_what_is_below_a_page_that_cannot_be_read_stays_and_a_root_that_cannot_ends_the_scan(space: Workspace) -> None:
    at = space.scan("hall").cursor
    space.edit("a", "New.")
    fault = error(400, "validation_error")
    for _ in range(2):
        space.api.fail(f"{uid('a')}/children", fault)
        seen = space.scan("hall", cursor=at)
        assert set(seen.documents) == HALL - {"a"} and seen.of(Refused) == {uid("a")}
        at = seen.cursor
    assert set(space.scan("hall", cursor=at).documents) == HALL
    for status in (400, 403):
        space.api.fail(f"{uid('hall')}/children", error(status, "…"))
        with pytest.raises(SourceRefuses, match="cannot be read"):
            space.scan("hall")
    with pytest.raises(SourceRefuses, match="more than 3 blocks"):
        space.scan("hall", max_blocks=3)


def test_what_is_listed_twice_is_told_once(space: Workspace) -> None:
    space.rows[uid("db rows")].append(uid("r0"))
    space.below[uid("hall")].append(f"child {uid('a')}")
    space.database("again", "hall")
    space.rows[uid("again rows")].append(uid("r0"))
    seen = space.scan("hall")
    named = [one.external_id for one in seen.changes if not isinstance(one, Checkpoint)]
    assert len(named) == len(set(named)) == len(HALL) + 1


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"roots": []}, "roots"),
        ({"roots": [{"id": "x"}]}, "roots.0.id"),
        ({"roots": [{"id": "https://www.notion.so/"}]}, "roots.0.id"),
        ({"roots": [{"id": f"https://www.notion.so/{'a' * 32}?v=1&p={'b' * 32}"}]}, "roots.0.id"),
        ({"roots": [{"id": "a" * 32}, {"id": "A" * 32}]}, "roots"),
        ({"roots": [{"id": "a" * 32, "access": [{"allow": ["nobody at all"]}]}]}, "roots.0.access.0.allow"),
        ({"roots": [{"id": "a" * 32, "owner": "authenticated"}]}, "roots.0.owner"),
        ({"token": "two\r\nlines"}, "token"),
        ({"token": ""}, "token"),
        ({"api": "ftp://x"}, "api"),
        ({"api": "http://169.254.169.254"}, "api"),
        ({"api": "http://[::1]:8"}, "api"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(space: Workspace, config: dict[str, Any], field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector("notion", {**space.config("hall"), **config}, NOWHERE_PRIVATE if "api" in config else LOOPBACK)
    assert refused.value.field == f"config.{field}" and space.api.asked == []


def test_the_token_is_kept_only_through_what_does_not_lead_it_elsewhere() -> None:
    assert set(NotionConfig.model_fields) - NotionConfig.keeps_secrets_through == {"token", "api"}
