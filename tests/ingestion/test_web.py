"""A web site through the whole of ingestion: what fails for a while stays, what is gone goes, secrets stay sealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingestion.schemas import SourcePatch
from ingestion.sources import change, find_source
from tests.connectors.web.site import Site, page, site
from tests.ingestion.conftest import TENANT, Walk
from tests.outbound.serving import Reply
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def small() -> Iterator[Site]:
    def text(name: str, *links: str) -> Reply:
        return page(*links, head=f"<title>{name}</title>", text=f"<p>The {name} is open to the staff on Mondays.</p>")

    pages = {"/": text("front", "/canteen", "/library"), "/canteen": text("canteen"), "/library": text("library")}
    with site(pages) as found:
        yield found


def _add(walk: Walk, small: Site, **config: Any) -> Source:
    access = [{"allow": ["group:staff"]}]
    return walk.add_source("site", "web", **{"start": [small.url("/")], "delay_s": 0, "access": access, **config})


def _live(walk: Walk, small: Site) -> list[str]:
    found = walk.scalar("SELECT array_agg(external_id ORDER BY external_id) FROM document WHERE state = 'live'")
    assert isinstance(found, list)
    return [url.removeprefix(small.server.url) for url in found]


def _readers(walk: Walk) -> object:
    return walk.scalar("SELECT count(*) FROM document WHERE state = 'live' AND acl_id IS NOT NULL")


@pytest.mark.parametrize("kind", ["incremental", "full", "access"])
def test_a_page_that_fails_stays_searchable_and_one_that_is_gone_goes(walk: Walk, small: Site, kind: str) -> None:
    source = _add(walk, small)
    first = walk.sync(source)
    assert first["state"] == "succeeded", first
    assert _live(walk, small) == ["/", "/canteen", "/library"]
    small.pages["/canteen"] = Reply(500)
    job = walk.sync(source, kind)
    assert job["state"] == ("succeeded" if kind == "incremental" else "failed")  # the others know of no last time
    assert "unreached" in {error["reason"] for error in job["errors"]}
    assert job["counts"]["deleted"] == 0
    assert _live(walk, small) == ["/", "/canteen", "/library"]
    assert _readers(walk) == 3
    del small.pages["/canteen"]
    assert walk.sync(source, kind)["state"] == "succeeded"
    assert _live(walk, small) == ["/", "/library"]
    assert walk.verify().clean


def test_a_site_that_asks_for_a_pause_is_left_alone_so_long(walk: Walk, small: Site) -> None:
    source = _add(walk, small)
    small.pages = {path: Reply(503, b"", {"Retry-After": "900"}) for path in ("/robots.txt", *small.pages)}
    assert walk.sync(source)["state"] == "running"
    assert small.server.paths == ["/robots.txt"]
    assert walk.scalar("SELECT not_before BETWEEN now() + '800 s' AND now() + '900 s' FROM stage")


def test_its_secret_is_sealed_and_opened_where_it_is_read(walk: Walk, small: Site) -> None:
    make_key_file(key_file(walk.services.settings))
    source = _add(walk, small, authorization="Bearer correct-horse")
    assert "correct-horse" not in str(walk.scalar("SELECT config::text FROM source"))
    assert walk.sync(source)["state"] == "succeeded"
    assert {asked.headers.get("authorization") for asked in small.server.asked} == {"Bearer correct-horse"}
    assert _live(walk, small) == ["/", "/canteen", "/library"]


def test_a_page_is_read_anew_once_its_article_is_no_longer_wanted_alone(walk: Walk, small: Site) -> None:
    text = "<p>The canteen is open to the staff on Mondays, and on all other days to whoever passes by.</p>" * 3
    around = "<div class='footer'><p>Imprint of the society of rowers.</p></div>"
    small.pages = {"/": Reply(200, f"<body><div>{text}</div>{around}</body>".encode(), {"Content-Type": "text/html"})}
    source = _add(walk, small)
    assert walk.sync(source)["counts"]["published"] == 1
    assert _read_of_it(walk) == (1, False, "28 of")
    assert walk.sync(source)["counts"]["unchanged"] == 1
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        found = find_source(session, TENANT, source.id, lock=True)
        asked = SourcePatch(config={**found.config, "article": False})
        change(session, found, asked, actor="test", settings=walk.services.settings)
    assert walk.sync(source)["counts"]["changed"] == 1
    assert _read_of_it(walk) == (2, True, None)
    assert walk.sync(source)["counts"]["unchanged"] == 1
    assert walk.verify().clean


def _read_of_it(walk: Walk) -> tuple[object, object, object]:
    """Version of the one document, whether its footer was read, and the beginning of what its notes say."""
    current = "document d JOIN document_version v ON v.document_id = d.id AND v.version = d.current_version"
    digest = walk.scalar(f"SELECT v.text FROM {current}")
    text = walk.services.blobs.get(TENANT, str(digest)).decode()
    assert "open to the staff" in text
    note = walk.scalar(f"SELECT left(v.meta -> 'notes' ->> 0, 5) FROM {current}")
    return walk.scalar(f"SELECT v.version FROM {current}"), "Imprint" in text, note
