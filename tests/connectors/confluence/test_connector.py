"""The confluence connector against a site on loopback: what it names, what it fetches, and what faults do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.registry import make_connector
from tests.connectors.api import Answer, Request, as_json, truncated
from tests.connectors.confluence.cloud import Cloud, Comment, Patience, cloud
from tests.outbound.recording import World as Recorded
from tests.outbound.serving import Asked, Reply, serving
from vouch.core.errors import (
    BadConfig,
    DocumentRejected,
    NotFound,
    OutboundRefused,
    SourceRefuses,
    Unavailable,
    VouchError,
)
from vouch.core.types import AccessUnknown, Change, Checkpoint, Refused, Upsert


@pytest.fixture
def site() -> Iterator[Cloud]:
    with cloud() as made:
        yield made


def scanned(site: Cloud, /, **config: Any) -> dict[str, Change]:
    changes = list(site.connector(**config).scan(None))
    assert isinstance(changes[-1], Checkpoint)
    named = {c.external_id: c for c in changes if not isinstance(c, Checkpoint)}
    assert len(named) == len(changes) - 1
    return dict(named)


def upsert(site: Cloud, external_id: str, /, **config: Any) -> Upsert:
    found = scanned(site, **config)[external_id]
    assert isinstance(found, Upsert)
    return found


def text(site: Cloud, external_id: str, /, **config: Any) -> str:
    return site.connector(**config).fetch(external_id).data.decode()


# -- what it names --


def test_a_page_says_what_it_is(site: Cloud) -> None:
    site.put("10", title="Travel policy", version=3)
    found = upsert(site, "page/10")
    assert found.title == "Travel policy" and found.mime == "text/html" and found.owner == "user:alice"
    assert found.uri == f"{site.api.url}/wiki/spaces/HR/pages/10/A+page"
    assert found.modified_at is not None and found.modified_at.isoformat() == "2026-03-03T12:00:00+00:00"
    elsewhere = upsert(site, "page/10", base_url="https://www.example.org/wiki/")
    assert elsewhere.uri == "https://www.example.org/wiki/spaces/HR/pages/10/A+page"


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_every_page_of_every_listing_is_read(site: Cloud, size: int) -> None:
    site.page_size = size
    for n in range(5):
        site.space(str(20 + n), f"S{n}", ("group", "staff"))
    for n in range(7):
        site.put(str(n), ("user", "acc-1"), space="20")
        site.put(str(100 + n), kind="blogpost")
        site.attach(f"att{n}", str(n), "a.txt", b"a")
        site.person(f"p{n}", f"g{n}")
    assert len(scanned(site)) == 21
    named = {"named": {f"p{n}": f"user:p{n}" for n in range(7)}}
    assert len({m.member for m in site.connector(people=named).memberships() if m.member.startswith("user:")}) == 7


def test_what_is_not_published_is_not_there(site: Cloud) -> None:
    site.put("10")
    for n, status in enumerate(("draft", "trashed", "deleted", "archived", "historical")):
        site.put(str(20 + n), status=status)
        site.attach(f"att{n}", str(20 + n), "a.txt", b"a")
    site.attach("att9", "10", "gone.txt", b"a", status="trashed")
    assert set(scanned(site)) == {"page/10"}
    assert set(scanned(site, archived=True)) == {"page/10", "page/23", "attachment/att3"}
    for id in ("20", "21", "22", "23", "24"):
        with pytest.raises(NotFound):
            site.connector().fetch(f"page/{id}")
    assert "text" in text(site, "page/23", archived=True)
    for id in ("att3", "att9"):
        with pytest.raises(NotFound):
            site.connector().fetch(f"attachment/{id}")


def test_a_listing_that_tells_more_than_was_asked_for_brings_no_drafts(site: Cloud) -> None:
    site.put("10")
    site.put("11", status="draft")
    listed = [site._said(site.contents[id]) for id in ("10", "11")]
    _answers_first(site, "/wiki/api/v2/spaces/1/pages", lambda asked: {"results": listed})
    assert set(scanned(site)) == {"page/10"}


def test_spaces_are_chosen_by_key(site: Cloud) -> None:
    site.space("2", "OLD", ("group", "staff"), status="archived")
    site.space("3", "~acc-1", ("user", "acc-1"), type="personal")
    site.space("4", "IT", ("group", "staff"))
    for id in ("1", "2", "3", "4"):
        site.put(f"{id}0", space=id)
        site.attach(f"att{id}", f"{id}0", "a.txt", b"a")

    def pages(**config: Any) -> set[str]:
        found = {name.removeprefix("page/") for name in scanned(site, **config) if name.startswith("page/")}
        connector = site.connector(**config)
        for id in ("10", "40"):  # what is not named is not fetched either
            for name in (f"page/{id}", f"attachment/att{id[0]}"):
                if id in found:
                    connector.fetch(name)
                else:
                    with pytest.raises(NotFound):
                        connector.fetch(name)
        return found

    assert pages() == {"10", "40"}
    assert pages(archived=True, personal=True) == {"10", "20", "30", "40"}
    assert pages(spaces=["HR", "~acc-1"]) == {"10", "30"}
    assert pages(exclude_spaces=["HR"]) == {"40"}
    assert pages(spaces=["OLD", "IT"]) == {"40"}
    with pytest.raises(BadConfig, match="GONE") as refused:
        scanned(site, spaces=["HR", "GONE"])
    assert refused.value.field == "config.spaces"


def test_a_change_of_anything_that_is_read_changes_the_fingerprint(site: Cloud) -> None:
    page = site.put("10")
    told = [upsert(site, "page/10").fingerprint]
    site.comments.append(Comment("c1", "10", "<p>first</p>"))
    told.append(upsert(site, "page/10").fingerprint)
    site.comments[0].version = 2
    told.append(upsert(site, "page/10").fingerprint)
    page.version = 2
    told.append(upsert(site, "page/10").fingerprint)
    page.title = "Renamed"
    told.append(upsert(site, "page/10").fingerprint)
    assert len(set(told)) == 5
    site.comments.clear()
    page.restricted = [("user", "acc-1")]
    page.version, page.title = 1, "Page 10"
    assert upsert(site, "page/10").fingerprint == told[0]
    assert upsert(site, "page/10", comments=False).fingerprint == told[0]


def test_attachments_are_documents_of_their_own(site: Cloud) -> None:
    site.put("10")
    site.attach("att1", "10", "Prices.PDF", b"%PDF", media_type="application/pdf")
    site.attach("att2", "10", "picture.png", b"x", media_type="image/png")
    site.attach("att3", "10", "notes.md", b"# x", media_type="application/octet-stream")
    site.attach("att4", "10", "huge.txt", b"x" * ((1 << 20) + 1))
    found = scanned(site, max_attachment_mb=1)
    assert set(found) == {"page/10", "attachment/att1", "attachment/att3", "attachment/att4"}
    one = found["attachment/att1"]
    assert isinstance(one, Upsert) and (one.title, one.mime) == ("Prices.PDF", "application/pdf")
    assert site.connector().fetch("attachment/att3").mime == "text/markdown"
    refused = found["attachment/att4"]
    assert isinstance(refused, Refused) and refused.reason == "too_large"
    with pytest.raises(DocumentRejected) as rejected:
        site.connector(max_attachment_mb=1).fetch("attachment/att4")
    assert rejected.value.reason == "too_large"
    with pytest.raises(NotFound):
        site.connector().fetch("attachment/att2")
    site.attachments["att1"].version = 2
    assert upsert(site, "attachment/att1").fingerprint != one.fingerprint
    assert set(scanned(site, attachments=[])) == {"page/10"}


def test_more_documents_than_agreed_fail_the_scan(site: Cloud) -> None:
    for n in range(4):
        site.put(str(n))
    assert len(scanned(site, max_items=4)) == 4
    with pytest.raises(BadConfig) as refused:
        scanned(site, max_items=3)
    assert refused.value.field == "config.max_items"


def _answers_first(site: Cloud, pattern: str, answer: Answer) -> None:
    """Let ``answer`` come before the site's own."""
    site.api.route("GET", pattern)(answer)
    site.api.routes.insert(0, site.api.routes.pop())


def test_a_page_that_is_listed_twice_is_named_once(site: Cloud) -> None:
    site.put("10")
    listed = [site._said(site.contents["10"]), {**site._said(site.contents["10"]), "title": "Later"}]
    _answers_first(site, "/wiki/api/v2/spaces/1/pages", lambda asked: {"results": listed})
    assert upsert(site, "page/10").title == "Later"


def test_a_page_that_moves_to_another_space_meanwhile_is_named_once(site: Cloud) -> None:
    site.space("2", "IT", ("group", "staff"))
    site.put("10")
    moved = [site._said(site.contents["10"])]
    _answers_first(site, "/wiki/api/v2/spaces/2/pages", lambda asked: {"results": moved})
    assert set(scanned(site)) == {"page/10"}


@pytest.mark.parametrize("name", ["x" * 10_000, "a\x00b\x1b[2Jc\n\u202e", "../../etc/passwd", "<b>&amp;", "\ud800"])
def test_a_hostile_title_is_a_title(site: Cloud, name: str) -> None:
    site.put("10", title=name)
    site.attach("att1", "10", f"{name}.txt"[-250:], b"a")
    found = upsert(site, "page/10")
    assert found.title.isprintable() and len(found.title) <= 300
    site.connector().fetch("page/10")
    assert "<b>" not in text(site, "page/10")


@pytest.mark.parametrize("id", ["../../x", "1/2", "", "1 OR 1", "é", None, {}, "9" * 65])
def test_a_hostile_id_is_no_answer(site: Cloud, id: object) -> None:
    site.put("10")
    listed = [{**site._said(site.contents["10"]), "id": id}]
    _answers_first(site, "/wiki/api/v2/spaces/1/pages", lambda asked: {"results": listed})
    with pytest.raises(Unavailable):
        scanned(site)


# -- what it fetches --


def test_a_page_comes_with_its_comments(site: Cloud) -> None:
    site.put("10", title="Travel & more", storage="<h1>Trains</h1><p>First&nbsp;class.</p>")
    site.comments += [Comment(f"c{n}", "10", f"<p>remark {n}</p>") for n in range(5)]
    site.comments.append(Comment("c9", "11", "<p>elsewhere</p>"))
    body = text(site, "page/10")
    assert "<title>Travel &amp; more</title>" in body and "<h2>Trains</h2>" in body
    at = [body.index(f"<h3>Bob, 2026-03-01</h3>\n<div><p>remark {n}</p></div>") for n in range(5)]
    assert at == sorted(at) and "elsewhere" not in body
    assert "remark" not in text(site, "page/10", comments=False)


def test_a_page_that_is_too_large_or_broken_is_refused(site: Cloud) -> None:
    site.put("10", storage=f"<p>{'x' * 3000}</p>")
    site.put("11", storage="<p>")
    for id, reason in (("10", "too_large"), ("11", "unreadable")):
        with pytest.raises(DocumentRejected) as refused:
            site.connector(max_page_kb=2).fetch(f"page/{id}")
        assert refused.value.reason == reason


def test_what_went_since_the_scan_is_not_found(site: Cloud) -> None:
    site.put("10")
    site.put("11", kind="blogpost")
    site.attach("att1", "10", "a.txt", b"a")
    for name in scanned(site):
        site.connector().fetch(name)
    site.hidden |= {"10", "11"}
    for name in ("page/10", "blogpost/11", "attachment/att1", "page/11", "folder/10", "page/10/", "attachment/x/y"):
        with pytest.raises(NotFound):
            site.connector().fetch(name)


def test_what_the_account_may_not_read_is_refused(site: Cloud) -> None:
    site.put("10")
    site.api.fail("pages/10", as_json({"message": "no"}, 403))
    with pytest.raises(DocumentRejected) as refused:
        site.connector().fetch("page/10")
    assert refused.value.reason == "unreadable"


def test_a_download_leads_elsewhere_without_the_credential(site: Cloud) -> None:
    def elsewhere(asked: Asked) -> Reply:
        return Reply(200, b"from there", {"Content-Type": "text/plain"})

    site.put("10")
    site.attach("att1", "10", "a.txt", b"a")
    with serving(elsewhere) as other:
        site.api.fail("att1/download", Reply(302, b"", {"Location": f"{other.url}/signed?a=b"}))
        assert site.connector().fetch("attachment/att1").data == b"from there"
        assert [asked.headers.get("authorization") for asked in other.asked] == [None]


# -- faults --


def test_a_link_to_a_next_page_leads_nowhere_else(site: Cloud) -> None:
    def evil(asked: Request) -> Any:
        further = {} if "cursor" in asked.query else {"next": "https://evil.example.org/x?cursor=c9&spaceId=2"}
        return {"results": [], "_links": further}

    _answers_first(site, "/wiki/api/v2/spaces/1/pages", evil)
    assert scanned(site) == {}
    asked = [a.path for a in site.api.asked if "/spaces/1/pages" in a.path]
    assert len(asked) == 2 and "spaceId" not in asked[1] and "status=current" in asked[1]


@pytest.mark.parametrize("further", ["/wiki/api/v2/x?cursor=same", "/wiki/api/v2/x", "/x?limit=3"])
def test_pages_that_never_end_end(site: Cloud, further: str) -> None:
    _answers_first(site, "/wiki/api/v2/spaces/1/pages", lambda asked: {"results": [], "_links": {"next": further}})
    with pytest.raises(Unavailable):
        scanned(site)


@pytest.mark.parametrize("place", ["spaces/1/pages", "content/search", "attachments", "spaces/1/permissions"])
@pytest.mark.parametrize(
    "fault",
    [
        Reply(500), Reply(503, b"", {"Retry-After": "3"}), Reply(429, b"", {"Retry-After": "7"}),
        truncated({"results": [], "_links": {}}), Reply(200, b"<html>"), Reply(200, b'{"results"'),
    ],
    ids=["500", "503", "429", "truncated", "html", "half"],
)  # fmt: skip
def test_a_fault_that_passes_leaves_no_trace(site: Cloud, place: str, fault: Reply) -> None:
    site.put("10", ("user", "acc-1"))
    site.attach("att1", "10", "a.txt", b"a")
    before = scanned(site)
    site.api.fail(place, fault, times=2)
    patience = Patience()
    changes = list(site.connector(patience).scan(None))
    assert {c.external_id: c for c in changes if not isinstance(c, Checkpoint)} == before
    wish = float(fault.headers.get("Retry-After", 0))
    assert patience.waited == pytest.approx([wish, wish] if wish else [1, 2])


@pytest.mark.parametrize(
    "place", ["user/current", "spaces\\?", "spaces/1/pages", "spaces/1/blogposts", "api/v2/attachments", "permissions"]
)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Reply(500), Unavailable), (Reply(200, b""), VouchError), (Reply(200, b"[]"), VouchError),
        (Reply(200, b'{"results": [7]}'), VouchError), (Reply(200, b'{"results": {}}'), VouchError),
        (Reply(401), SourceRefuses),
    ],
    ids=["500", "empty", "list", "number", "mapping", "401"],
)  # fmt: skip
def test_half_a_listing_raises(site: Cloud, place: str, fault: Reply, error: type[VouchError]) -> None:
    site.put("10")
    site.api.fail(place, fault, times=99)
    with pytest.raises(error):
        scanned(site)


@pytest.mark.parametrize("place", ["spaces\\?", "spaces/1/pages", "api/v2/attachments"])
def test_a_listing_that_is_refused_raises(site: Cloud, place: str) -> None:
    site.put("10")
    site.api.fail(place, Reply(403), times=99)
    with pytest.raises(SourceRefuses):
        scanned(site)


def test_a_long_pause_ends_the_scan_and_is_kept(site: Cloud) -> None:
    site.put("10")
    site.api.fail("spaces/1/pages", Reply(429, b"", {"Retry-After": "900"}), times=99)
    connector = site.connector()
    with pytest.raises(Unavailable) as away:
        list(connector.scan(None))
    assert away.value.extra["retry_after_s"] == 900
    asked = len(site.api.asked)
    with pytest.raises(Unavailable):
        list(connector.scan(None))
    assert len(site.api.asked) == asked


def test_a_token_that_is_not_good_is_not_an_empty_site(site: Cloud) -> None:
    site.put("10")
    with pytest.raises(SourceRefuses) as refused:
        scanned(site, token="of-somebody-else")
    assert refused.value.said == 401 and "of-somebody-else" not in str(refused.value)
    site.api.authorization = None
    _answers_first(site, "/wiki/rest/api/user/current", lambda asked: {"type": "anonymous", "accountId": None})
    for reading in (site.connector().scan(None), site.connector().memberships()):
        with pytest.raises(SourceRefuses):
            list(reading)


def test_a_bearer_token_is_sent_as_one(site: Cloud) -> None:
    site.put("10")
    site.api.authorization = "Bearer of-the-tests"
    assert set(scanned(site, user=None)) == {"page/10"}


def test_one_permission_that_stays_unreadable_is_unknown(site: Cloud) -> None:
    site.put("10")
    site.api.fail("permissions", Reply(404), times=99)
    assert isinstance(upsert(site, "page/10").acl, AccessUnknown)


def test_a_space_without_anything_asks_for_no_comments(site: Cloud) -> None:
    assert scanned(site) == {}
    assert not [asked for asked in site.api.asked if "search" in asked.path]


# -- the configuration --


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"site": "ftp://example.org/wiki"}, "config.site"),
        ({"site": "https://example.org/wiki?x=1"}, "config.site"),
        ({"site": "https://10.0.0.1/wiki"}, "config.site"),
        ({"site": "https://[::1]/wiki"}, "config.site"),
        ({"user": "a:b@example.org"}, "config.user"),
        ({"user": None, "token": "two\nlines"}, "config.token"),
        ({"issuer": "No Issuer"}, "config.issuer"),
        ({"spaces": ['HR" or space = "IT']}, "config.spaces.0"),
        ({"public": "all"}, "config.public"),
        ({"people": {"named": {"acc-1": "group:staff"}}}, "config.people.named"),
        ({"token": ""}, "config.token"),
    ],
)
def test_a_configuration_that_cannot_work_names_its_field(told: dict[str, Any], field: str) -> None:
    config = {
        "site": "https://wiki.example.org/wiki", "user": "a@example.org", "token": "x", "issuer": "confluence",
    }  # fmt: skip
    make_connector("confluence", config)
    with pytest.raises(BadConfig) as refused:
        make_connector("confluence", {**config, **told})
    assert refused.value.field == field


def test_a_name_that_is_private_is_not_connected_to() -> None:
    world = Recorded()
    world.resolve = lambda host, port: ["10.0.0.7"]  # type: ignore[method-assign]
    config = {"site": "https://wiki.example.org/wiki", "token": "x", "issuer": "confluence"}
    connector = make_connector("confluence", config, world.door())
    for reading in (connector.scan(None), connector.memberships()):
        with pytest.raises(OutboundRefused):
            list(reading)
    with pytest.raises(OutboundRefused):
        connector.fetch("page/1")
    assert world.attempts == []
