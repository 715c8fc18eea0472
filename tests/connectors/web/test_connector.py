"""The web connector against real servers: what it asks for, what it offers, and what it never takes for gone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from connectors.registry import make_connector
from connectors.web.manners import Manners
from tests.connectors.seen import pausing
from tests.connectors.web.site import ALLOWED, Seen, Site, page, site
from tests.outbound.serving import Reply
from vouch.core.errors import BadConfig, DocumentRejected, NotFound, OutboundRefused, Unavailable
from vouch.core.types import Change, Checkpoint, RawClause, Unreached, Upsert

HTML = {"Content-Type": "text/html"}
XMLNS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


@pytest.fixture
def small() -> Iterator[Site]:
    """``/`` links to ``/a`` and ``/b``, ``/a`` to ``/a/deep``."""
    pages = {"/": page("/a", "b"), "/a": page("/a/deep"), "/b": page("/"), "/a/deep": page(text="deep")}
    with site(pages) as found:
        yield found


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes only by being slept; every pause taken."""
    pace, pauses = pausing()
    monkeypatch.setattr("connectors.web.connector.Manners", partial(Manners, pace=pace))
    return pauses


def test_a_walk_offers_what_is_linked_with_the_access_that_was_declared(small: Site) -> None:
    small.pages["/a"] = Reply(200, b"<a href='/a/deep'>", {**HTML, "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"})
    seen = small.scan(owner="user:carol", review_every="180d", access=[{"allow": ["group:hr"], "deny": ["user:m"]}])
    assert seen.documents == ["/", "/a", "/a/deep", "/b"]
    change = next(c for c in seen.changes if isinstance(c, Upsert) and c.external_id == small.url("/a"))
    assert change.acl == (RawClause(("group:hr",), ("user:m",), "config.access"),)
    assert (change.owner, change.review_every, change.uri) == ("user:carol", "180d", small.url("/a"))
    assert (change.mime, change.modified_at) == ("text/html", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))


def test_of_a_page_the_article_is_wanted_and_of_other_files_all(small: Site) -> None:
    small.pages["/b"] = Reply(200, b"words", {"Content-Type": "text/plain"})
    alone, whole = small.scan(), small.scan(article=False)
    marks = [{c.external_id: c.fingerprint for c in seen.changes if isinstance(c, Upsert)} for seen in (alone, whole)]
    assert {url for url in marks[0] if marks[0][url] == marks[1][url]} == {small.url("/b")}
    assert small.connector().fetch(small.url("/a")).article
    assert not small.connector().fetch(small.url("/b")).article
    assert not small.connector(article=False).fetch(small.url("/a")).article


def test_access_that_is_not_declared_is_nobodys(small: Site) -> None:
    assert {c.acl for c in small.scan(access=[]).changes if isinstance(c, Upsert)} == {None}


def test_depth_hosts_patterns_and_number_of_pages_are_bounds(small: Site) -> None:
    small.pages["/"] = page("/a", "/b", "http://elsewhere.example/", "//127.0.0.1:1/", "mailto:x@y.example", "/x.png")
    assert small.scan(max_depth=1).documents == ["/", "/a", "/b"]
    assert small.scan(max_depth=0).documents == ["/"]
    assert small.scan(exclude=["*/a"]).documents == ["/", "/b"]
    assert small.server.paths == ["/robots.txt", "/", "/b"]
    assert small.scan(include=["*/a*"]).documents == ["/a", "/a/deep"]
    seen = small.scan(max_pages=2)
    assert seen.documents == ["/", "/a"]
    assert seen.refused == {"/b": "too_many_pages"}


def test_robots_txt_is_obeyed_in_scan_and_fetch(small: Site) -> None:
    rules = b"User-agent: *\nDisallow: /\n\nUser-agent: vouch\nDisallow: /a*/\nDisallow: /b$\nAllow: /\n"
    small.pages["/robots.txt"] = Reply(200, rules, {"Content-Type": "text/plain"})
    assert small.scan().documents == ["/", "/a"]
    assert not {"/b", "/a/deep"} & set(small.server.paths)
    with pytest.raises(NotFound):
        small.connector().fetch(small.url("/b"))
    assert "/b" not in small.server.paths


@pytest.mark.parametrize("status", [500, 503, 429])
def test_while_robots_txt_cannot_be_had_nothing_is_asked_for(small: Site, status: int) -> None:
    small.pages["/robots.txt"] = Reply(status)
    with pytest.raises(Unavailable):
        small.scan()
    assert set(small.server.paths) == {"/robots.txt"}
    small.pages["/robots.txt"] = Reply(403)  # RFC 9309: there are no rules
    assert len(small.scan().documents) == 4


def test_requests_to_a_host_are_apart_as_agreed_or_as_robots_txt_asks(small: Site, slept: list[float]) -> None:
    small.scan(delay_s=2)
    assert slept == [2.0] * 4  # robots.txt and four pages
    slept.clear()
    small.pages["/robots.txt"] = Reply(200, b"User-agent: *\nCrawl-delay: 7\n")
    small.scan(delay_s=2)
    assert slept[-3:] == [7.0] * 3
    small.pages["/robots.txt"] = Reply(200, b"User-agent: *\nCrawl-delay: 86400\n")
    with pytest.raises(Unavailable, match="one request in 86400"):
        small.scan(delay_s=0)


def test_what_has_not_changed_is_not_sent_again_and_its_links_are_still_followed(small: Site) -> None:
    small.tagged = True
    first = small.scan()
    again = small.scan(first.cursor)
    assert again.documents == first.documents
    assert dict(small.statuses) == {"/robots.txt": 404, "/": 304, "/a": 304, "/b": 304, "/a/deep": 304}
    assert [c for c in again.changes if isinstance(c, Upsert)] == [c for c in first.changes if isinstance(c, Upsert)]
    small.pages["/b"] = page("/", text="new")
    third = small.scan(again.cursor)
    assert third.fingerprint("/b") != first.fingerprint("/b")
    assert third.fingerprint("/a") == first.fingerprint("/a")
    assert json.loads(json.dumps(third.cursor)) == third.cursor


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_is_not_named(small: Site, status: int) -> None:
    first = small.scan()
    small.pages["/a"] = Reply(status)
    seen = small.scan(first.cursor)
    assert (seen.documents, seen.unreached) == (["/", "/b"], [])  # and what was linked from it alone
    with pytest.raises(NotFound):
        small.connector().fetch(small.url("/a"))


@pytest.mark.parametrize(
    "failing", [Reply(500), Reply(503), Reply(429), Reply(408), Reply(200, b"half", HTML, declared=5000)],
    ids=["500", "503", "429", "408", "truncated"],
)  # fmt: skip
def test_a_page_that_cannot_be_reached_keeps_its_place_and_its_links(small: Site, failing: Reply) -> None:
    first = small.scan()
    small.pages["/a"] = failing
    seen = small.scan(first.cursor)
    assert (seen.documents, seen.unreached) == (["/", "/a/deep", "/b"], ["/a"])
    told = next(c for c in seen.changes if isinstance(c, Unreached))
    assert told.acl == (RawClause(("group:hr",), (), "config.access"),)
    with pytest.raises(Unavailable):
        small.connector().fetch(small.url("/a"))
    del small.pages["/a"]  # gone after all
    assert small.scan(seen.cursor).documents == ["/", "/b"]


def test_behind_a_new_page_that_fails_nothing_counts_as_gone(small: Site) -> None:
    first = small.scan()
    small.pages |= {"/": page("/hub"), "/hub": Reply(500)}  # everything moved behind it, perhaps
    seen = small.scan(first.cursor)
    assert seen.documents == ["/"]
    assert seen.unreached == ["/a", "/a/deep", "/b", "/hub"]
    small.pages["/hub"] = page("/a")
    assert small.scan(seen.cursor).documents == ["/", "/a", "/a/deep", "/hub"]


def _told(small: Site) -> tuple[list[Change], DocumentRejected]:
    told: list[Change] = []
    with pytest.raises(DocumentRejected) as failed:
        for change in small.connector().scan(None):
            told.append(change)
    return told, failed.value


def test_a_first_walk_that_is_not_whole_fails_at_its_end_and_the_next_one_goes_on_from_it(small: Site) -> None:
    small.pages["/a"] = Reply(500)
    told, failed = _told(small)
    assert failed.reason == "unreached" and "Nothing counts as gone" in failed.detail
    assert Seen(small, told).documents == ["/", "/b"]
    assert isinstance(told[-1], Checkpoint)
    with pytest.raises(DocumentRejected):  # still: no walk has met everything yet
        small.scan(told[-1].cursor)
    small.pages["/a"] = page("/a/deep")
    assert small.scan(told[-1].cursor).documents == ["/", "/a", "/a/deep", "/b"]


def test_a_walk_that_is_interrupted_goes_on_from_where_it_was(small: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.web.connector._TOGETHER", 2)
    small.tagged = True
    whole = small.scan().cursor
    small.pages["/b"] = page("/", text="new")
    for cursor in (None, whole):
        changes = small.connector().scan(cursor)
        interrupted = next(c for c in changes if isinstance(c, Checkpoint)).cursor
        assert small.scan(interrupted).documents == ["/", "/a", "/a/deep", "/b"]
        assert dict(small.statuses)["/"] == 304
        small.pages["/hub"], small.pages["/"] = Reply(500), page("/hub")
        if cursor is None:  # it may be that the interrupted one had not seen all
            with pytest.raises(DocumentRejected):
                small.scan(interrupted)
        else:
            assert small.scan(interrupted).unreached == ["/a", "/a/deep", "/b", "/hub"]
        small.pages["/"] = page("/a", "b")


def test_a_site_that_is_down_is_no_empty_site(small: Site) -> None:
    first = small.scan()
    small.pages = {path: Reply(502) for path in small.pages}
    for cursor in (None, first.cursor):
        with pytest.raises(Unavailable):
            small.scan(cursor)


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_may_not_be_read_is_refused(small: Site, status: int) -> None:
    first = small.scan()
    small.pages["/a"] = Reply(status)
    seen = small.scan(first.cursor)
    assert (seen.documents, seen.refused) == (["/", "/a/deep", "/b"], {"/a": "unreadable"})
    with pytest.raises(DocumentRejected) as refused:
        small.connector().fetch(small.url("/a"))
    assert refused.value.reason == "unreadable"


def test_retry_after_is_waited_for_and_a_long_one_leaves_the_host_alone(small: Site, slept: list[float]) -> None:
    first = small.scan()
    small.pages["/a"] = Reply(429, b"", {"Retry-After": "3"})
    seen = small.scan(first.cursor)
    assert slept == [3.0, 3.0]  # before it is asked again, and before the next page
    assert small.server.paths.count("/a") == 2
    assert "/a" in seen.unreached
    slept.clear()
    small.pages["/a"] = Reply(503, b"", {"Retry-After": "900"})
    seen = small.scan(first.cursor)
    assert slept == []
    assert small.server.paths == ["/robots.txt", "/", "/a"]  # nothing more is asked of it
    assert seen.unreached == ["/a", "/a/deep", "/b"]
    with pytest.raises(Unavailable) as left:
        small.connector().fetch(small.url("/a"))
    assert left.value.extra["retry_after_s"] == 900


def test_redirects_lead_to_the_page_itself_and_not_out_of_bounds(small: Site) -> None:
    def to(target: str) -> Reply:
        return Reply(302, b"", {"Location": target})

    small.pages |= {
        "/": page("/old", "/round", "/out", "/inside", "/never"),
        "/old": to("/a"),
        "/round": to("/round2"),
        "/round2": to("/round"),
        "/out": to("http://elsewhere.example/"),
        "/inside": to("http://169.254.169.254/latest/"),
        "/never": to("http://user:password@127.0.0.1/"),
    }
    first = small.scan(exclude=["*/never"])
    assert first.documents == ["/", "/a", "/a/deep"]
    assert small.scan(first.cursor, exclude=["*/never"]).documents == ["/", "/a", "/a/deep"]
    assert small.scan(first.cursor).refused == {"/never": "outbound_refused"}
    with pytest.raises(NotFound):
        small.connector().fetch(small.url("/old"))


def test_one_page_has_one_address(small: Site) -> None:
    port = small.server.port
    small.pages |= {
        "/": page(
            "/a#top", "/a?utm_source=x", "/./b/../a", f"HTTP://127.0.0.1:{port}/%61", "/a;jsessionid=1", "\\\\evil\\x",
            "/x\n/y", "/caf%c3%a9", "/café", "javascript:void(0)", "http://127.0.0.1.:80/", f"http://2130706433:{port}/",
        ),
        "/caf%C3%A9": page(),
        "/a": page(),
    }  # fmt: skip
    assert small.scan().documents == ["/", "/a", "/caf%C3%A9"]
    assert small.server.paths.count("/a") == 1


def test_a_page_that_names_another_as_its_own_gives_way_and_two_that_name_each_other_do_not_vanish(
    small: Site,
) -> None:
    def named(path: str) -> str:
        return f"<link rel='canonical' href='{path}'>"

    small.pages |= {
        "/": page("/print", "/p", "/q"),
        "/print": page(head=named("/a")),
        "/p": page(head=named("/q")),
        "/q": page(head=named("/p")),
    }
    for _ in range(2):
        assert small.scan().documents == ["/", "/a", "/a/deep", "/q"]


def test_a_page_that_does_not_want_to_be_kept_or_followed_is_not(small: Site) -> None:
    small.pages |= {
        "/a": page("/a/deep", head="<meta name='Robots' content='noindex'>"),
        "/b": page("/c", head="<meta name='robots' content='NOFOLLOW'>"),
        "/c": page(),
        "/a/deep": Reply(200, b"deep", {**HTML, "X-Robots-Tag": "noindex"}),
    }
    assert small.scan().documents == ["/", "/b"]


def test_sitemaps_of_sitemaps_are_read_packed_or_not_and_hostile_ones_do_no_harm(small: Site) -> None:
    def urls(*paths: str) -> bytes:
        return f"<urlset {XMLNS}>{''.join(f'<url><loc>{small.url(p)}</loc></url>' for p in paths)}</urlset>".encode()

    maps = ("/one.xml", "/two.xml.gz", "/list.txt", "/index.xml", "/entities.xml")
    index = "".join(f"<sitemap><loc>{small.url(p)}</loc></sitemap>" for p in maps)
    small.pages |= {
        "/robots.txt": Reply(200, f"Sitemap: {small.url('/index.xml')}\n".encode()),
        "/index.xml": Reply(200, f"<?xml version='1.0'?><sitemapindex {XMLNS}>{index}</sitemapindex>".encode()),
        "/one.xml": Reply(200, urls("/s1", "/b")),
        "/two.xml.gz": Reply(200, gzip.compress(urls("/s2")), {"Content-Type": "application/x-gzip"}),
        "/list.txt": Reply(200, f"{small.url('/s3')}\nhttp://elsewhere.example/\n".encode()),
        "/entities.xml": Reply(
            200,
            f"<!DOCTYPE u [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><urlset {XMLNS}><url><loc>&x;</loc></url>"
            "</urlset>".encode(),
        ),
        "/": page(),
        **{path: page() for path in ("/s1", "/s2", "/s3")},
    }
    first = small.scan(max_depth=0)
    assert first.documents == ["/", "/b", "/s1", "/s2", "/s3"]
    for broken in (Reply(500), Reply(200, b"<html>"), Reply(200, gzip.compress(b"x" * 100)[:-9])):
        small.pages["/one.xml"] = broken  # what only it names is not gone
        seen = small.scan(first.cursor, max_depth=0)
        assert (seen.documents, seen.unreached) == (["/", "/s2", "/s3"], ["/b", "/s1"])
    del small.pages["/one.xml"]
    assert small.scan(first.cursor, max_depth=0).documents == ["/", "/s2", "/s3"]


def test_what_a_sitemap_named_is_not_gone_while_the_robots_txt_that_names_it_cannot_be_had(small: Site) -> None:
    with site({"/": page(), "/alone": page()}) as other:
        other.pages |= {
            "/robots.txt": Reply(200, f"Sitemap: {other.url('/map.txt')}\n".encode()),
            "/map.txt": Reply(200, other.url("/alone").encode()),
        }
        starts = [small.url("/"), other.url("/")]
        first = small.scan(start=starts)
        other.pages["/robots.txt"] = Reply(500)
        seen = small.scan(first.cursor, start=starts)
        assert seen.documents == ["/", "/a", "/a/deep", "/b"]
        assert seen.unreached == [other.url("/"), other.url("/alone")]


def test_a_trap_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A calendar without end, links that grow by themselves, and a mirror of the path."""
    with site({"/": page("/calendar?day=0", "/deeper/", "/mirror/a")}) as trap:
        original = trap.answer

        def answer(asked: Any) -> Reply:
            path, _, query = asked.path.partition("?")
            if path == "/calendar":
                return page(f"/calendar?day={int(query.partition('=')[2]) + 1}")
            if path.startswith("/deeper/"):
                return page("deeper/")
            if path.startswith("/mirror/"):
                return page(f"{path}/{len(path)}")
            return original(asked)

        monkeypatch.setattr(trap, "answer", answer)
        seen = trap.scan(max_depth=50, max_pages=10_000)
    assert len(seen.documents) < 120
    assert seen.refused == {}


def test_files_that_can_be_read_are_documents_and_others_are_not(small: Site) -> None:
    small.pages |= {
        "/": page("/f.pdf", "/g", "/h.bin", "/i.css", "/j.md"),
        "/f.pdf": Reply(200, b"%PDF-1.7", {"Content-Type": "application/octet-stream"}),
        "/g": Reply(200, b"\x89PNG", {"Content-Type": "image/png"}),
        "/h.bin": Reply(200, b"\x00", {"Content-Type": "application/octet-stream"}),
        "/j.md": Reply(200, b"# J", {"Content-Type": "text/markdown; charset=utf-8"}),
    }
    assert small.scan().documents == ["/", "/f.pdf", "/j.md"]


def test_size_is_bounded_in_scan_and_fetch(small: Site) -> None:
    small.pages["/b"] = Reply(200, b"x" * ((1 << 20) + 1), HTML)
    seen = small.scan(max_page_mb=1)
    assert (seen.documents, seen.refused) == (["/", "/a", "/a/deep"], {"/b": "too_large"})
    with pytest.raises(DocumentRejected) as refused:
        small.connector(max_page_mb=1).fetch(small.url("/b"))
    assert refused.value.reason == "too_large"


def test_a_text_comes_in_utf_8_where_the_server_alone_says_how_it_is_written(small: Site) -> None:
    small.pages["/b"] = Reply(200, "<p>Grüße</p>".encode("latin-1"), {"Content-Type": "text/html; charset=ISO-8859-1"})
    assert small.connector().fetch(small.url("/b")).data == "<p>Grüße</p>".encode()


def test_the_secret_goes_to_the_starts_origin_alone(small: Site) -> None:
    with site({"/": page(), "/robots.txt": Reply(200)}) as other:
        small.pages["/"] = page(other.url("/"), "/b")
        small.scan(hosts=[f"127.0.0.1:{other.server.port}"], authorization="Bearer correct-horse")
        assert {asked.path for asked in small.server.asked} == {"/", "/robots.txt", "/b"}
        assert {asked.headers.get("authorization") for asked in small.server.asked} == {"Bearer correct-horse"}
        assert {asked.path for asked in other.server.asked} == {"/", "/robots.txt"}
        assert {asked.headers.get("authorization") for asked in other.server.asked} == {None}


def test_a_fetch_reads_only_what_the_source_may_offer(small: Site) -> None:
    small.server.asked.clear()
    for elsewhere in (
        "http://elsewhere.example/", "http://127.0.0.1:1/", f"{small.server.url}/a#x", small.server.url,
        f"http://user@127.0.0.1:{small.server.port}/a", "file:///etc/passwd", small.url("/a/deep"),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            small.connector(exclude=["*deep"]).fetch(elsewhere)
    assert small.server.asked == []


def test_without_the_operators_word_nothing_private_is_read(small: Site) -> None:
    with pytest.raises(BadConfig, match="not a public one") as refused:
        make_connector("web", {"start": [small.url("/")]})
    assert refused.value.field == "config.start"
    named = {"start": [f"http://localhost:{small.server.port}/"], "delay_s": 0}
    with pytest.raises(OutboundRefused):
        make_connector("web", named).fetch(named["start"][0])  # type: ignore[index]
    assert small.server.asked == []


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"start": ["ftp://example.org/"]}, "config.start"),
        ({"start": ["http://user:password@example.org/"]}, "config.start"),
        ({"start": ["http://0x7f.1/"]}, "config.start"),
        ({"start": ["http://10.0.0.1/"]}, "config.start"),
        ({"start": []}, "config.start"),
        ({"sitemaps": ["nothing"]}, "config.sitemaps"),
        ({"hosts": ["exa mple.org"]}, "config.hosts"),
        ({"access": [{"allow": ["bob"]}]}, "config.access"),
        ({"access": [{"allow": [], "deny": ["bob@example.org"]}]}, "config.access"),
        ({"owner": "carol"}, "config.owner"),
        ({"review_every": "often"}, "config.review_every"),
        ({"authorization": "Bearer a\r\nX: b"}, "config.authorization"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_by_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(BadConfig) as refused:
        make_connector("web", {"start": ["https://example.org/"], **config}, ALLOWED)
    assert refused.value.field == field
    assert "correct" not in refused.value.detail and "X: b" not in refused.value.detail
