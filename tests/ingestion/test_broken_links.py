"""Broken links: which are told to whom, and that no report tells of a document that is hidden."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import sqlalchemy as sa

from acl.caller import Caller
from acl.directory import change_members, put_user
from ingestion.delete import delete_documents
from ingestion.push import Pushed, push
from ingestion.reports.broken_links import BrokenLinks
from ingestion.reports.delimited import as_csv
from ingestion.reports.html import as_html
from ingestion.reports.plain import as_text
from ingestion.reports.staleness import Report, staleness
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.database import ACROSS_TENANTS
from vouch.catalog.tables import Source
from vouch.core.types import Body, Clause

OPEN = "access: {allow: [group:staff]}\nowner: user:alice\n"
CLOSED = "access: {allow: ['user:bob']}\nowner: user:alice\n"
PAGE = """# Trains

Book [the night train](../rules/night%20trains.md#sleepers) early, see [all of the rules](/rules/) and
[what it costs](prices), [a place that never was](nowhere.md), [the vault](../vault/plans.md),
[the web](https://other.example.org/rules.md) and [mail](mailto:a@example.org).
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Alice owns everything, and may read it but for the vault, which is Bob's to read."""
    root = tmp_path / "docs"
    for name, rules in (("", OPEN), ("guide", OPEN), ("rules", OPEN), ("vault", CLOSED)):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / ".vouch.yaml").write_text(rules)
    (root / "guide" / "trains.md").write_text(PAGE)
    for name in ("rules/night trains.md", "rules/index.md", "guide/prices.md", "vault/plans.md"):
        (root / name).write_text(f"What {name} says.")
    return root


@pytest.fixture
def source(walk: Walk, folder: Path) -> Source:
    with walk.services.catalog.transaction(ACROSS_TENANTS) as session:
        put_user(session, TENANT, "user:bob", name="Bob", actor="test")
    source = walk.add_source(path=str(folder))
    assert walk.sync(source)["state"] == "succeeded"
    return source


def _report(walk: Walk, user: str | None = "user:alice") -> Report:
    with walk.services.catalog.reading(TENANT) as session:
        return staleness(session, Caller(TENANT, "key", frozenset({"reports"}), user), None, limit=10)


def _told(walk: Walk, user: str | None = "user:alice") -> list[str | None]:
    found = _report(walk, user).broken_links
    assert found.in_all == len(found.links) and found.unknown == 0
    return [link.target for link in found.links]


def test_a_link_is_broken_while_what_it_leads_to_is_gone(walk: Walk, source: Source, folder: Path) -> None:
    assert _told(walk) == []
    (folder / "rules" / "night trains.md").unlink()
    walk.sync(source)
    (link,) = _report(walk).broken_links.links
    assert (link.external_id, link.target) == ("guide/trains.md", "../rules/night%20trains.md#sleepers")
    text = walk.scalar("SELECT text FROM document_version WHERE document_id = :d", d=link.document_id)
    whole = walk.services.blobs.get(TENANT, str(text)).decode()
    assert whole[link.start : link.end] == "the night train"
    for name in ("rules/index.md", "guide/prices.md"):
        (folder / name).unlink()
    walk.sync(source)
    assert _told(walk) == ["../rules/night%20trains.md#sleepers", "/rules/", "prices"]
    (folder / "rules" / "night trains.md").write_text("It goes again.")
    (folder / "guide" / "prices").mkdir()
    (folder / "guide" / "prices" / "index.md").write_text("A folder of prices.")
    walk.sync(source)
    assert _told(walk) == ["/rules/"]
    (folder / "guide" / "trains.md").write_text("# Trains\n\nNo links any more.")
    walk.sync(source)
    assert _told(walk) == []
    assert walk.scalar("SELECT count(*) FROM document_link") == 0  # nor are the old version's kept


def test_deleted_and_closed_look_the_same_and_so_do_hidden_and_never_there(
    walk: Walk, source: Source, folder: Path
) -> None:
    """What Alice is told is a function of what she could read and can: nothing that is hidden moves it."""
    told: dict[str, BrokenLinks] = {}
    (folder / "vault" / "plans.md").unlink()
    walk.sync(source)
    assert _told(walk) == []  # that of the vault is gone, which she never could read
    (folder / "guide" / ".vouch.yaml").write_text(OPEN + "files:\n  prices.md: {access: {allow: ['user:bob']}}\n")
    walk.sync(source)
    told["closed"] = _report(walk).broken_links
    assert [link.target for link in told["closed"].links] == ["prices"]
    (folder / "guide" / "prices.md").unlink()
    walk.sync(source)
    told["deleted"] = _report(walk).broken_links
    (folder / "guide" / "prices.md").write_text("It is there again, for Bob.")
    walk.sync(source)
    told["there again, and hidden"] = _report(walk).broken_links
    (folder / "guide" / "nowhere.md").write_text("Where a link led that led nowhere.")
    (folder / "guide" / ".vouch.yaml").write_text(
        OPEN + "files:\n" + "".join(f"  {n}.md: {{access: {{allow: ['user:bob']}}}}\n" for n in ("prices", "nowhere"))
    )
    walk.sync(source)
    told["a hidden one where there was none"] = _report(walk).broken_links
    assert len(set(told.values())) == 1, told


def test_it_is_decided_by_todays_access(walk: Walk, source: Source, folder: Path) -> None:
    (folder / "rules" / "night trains.md").unlink()
    walk.sync(source)
    assert len(_told(walk)) == 1
    assert _told(walk, "user:bob") == []  # it is not his document
    with walk.services.catalog.transaction(TENANT) as session:
        change_members(session, TENANT, "group:staff", add=[], remove=["user:alice"], actor="test")
    assert _told(walk) == []  # she may no longer read the document that the link stands in


def test_who_acts_for_nobody_is_told_ids_and_numbers_of_what_was_deleted(
    walk: Walk, source: Source, folder: Path
) -> None:
    (folder / "guide" / ".vouch.yaml").write_text(OPEN + "files:\n  prices.md: {access: {allow: ['user:bob']}}\n")
    walk.sync(source)
    assert _report(walk, None).broken_links.in_all == 0  # closed to some, and there
    for name in ("rules/night trains.md", "vault/plans.md", "rules/index.md"):
        (folder / name).unlink()
    (folder / "rules" / "README.md").write_text("The other page of a folder.")
    walk.sync(source)
    found = _report(walk, None)
    assert found.broken_links.in_all == 2  # not of the folder, which has a page again
    for link in found.broken_links.links:
        assert (link.external_id, link.title, link.uri, link.target, link.start) == (None,) * 5
        assert link.document_id and link.owner == "user:alice"
    for text in (as_csv(found), as_html(found), as_text(found)):
        assert "trains" not in text and "vault" not in text


def test_an_address_on_the_web_is_a_document_of_any_source(walk: Walk, source: Source, folder: Path) -> None:
    wiki, staff = walk.add_source("wiki", "push"), (Clause.of(["group:staff"]),)
    uri = "https://wiki.example.org/display/Boats?view=1"
    boats = Pushed("4711", Body(b"Boats are lent on Fridays.", "text/plain"), uri=uri, acl=staff)
    push(walk.services, wiki, boats, actor="test")
    (folder / "guide" / "boats.html").write_text(
        f'<h1>Boats</h1><p>See <a href="{uri.replace("wiki.", "WIKI.")}#fridays">the wiki</a>,'
        ' <a href="https://wiki.example.org/display/Unknown">another page</a>.</p>'
    )
    walk.sync(source)
    assert _told(walk) == []
    with walk.services.catalog.transaction(TENANT) as session:
        assert delete_documents(session, TENANT, wiki.id, ["4711"], "test") == 1
    (link,) = _report(walk).broken_links.links
    assert (link.external_id, link.target) == (
        "guide/boats.html",
        "https://WIKI.example.org/display/Boats?view=1#fridays",
    )


def test_every_format_tells_of_them_and_so_does_the_audit_log(walk: Walk, source: Source, folder: Path) -> None:
    (folder / "guide" / "trains.md").write_text("Book [the train](=cmd%28%29.md).")
    (folder / "guide" / "=cmd().md").write_text("A formula.")
    walk.sync(source)
    (folder / "guide" / "=cmd().md").unlink()
    walk.sync(source)
    report = _report(walk)
    rows = [row for row in csv.DictReader(io.StringIO(as_csv(report))) if row["section"] == "broken_links"]
    assert [(row["external_id"], row["target"]) for row in rows] == [("guide/trains.md", "'=cmd%28%29.md")]
    for text in (as_html(report), as_text(report)):
        assert "Broken links" in text and "=cmd%28%29.md" in text and "gone, or closed to you" in text
    assert not report.silent and report.broken_links.links[0].document_id in report.told


def test_what_was_read_before_links_were_kept_is_said_to_be_unknown(walk: Walk, source: Source, folder: Path) -> None:
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(sa.text("DELETE FROM document_link"))
        session.execute(sa.text("UPDATE document_version SET meta = meta - 'links'"))
    assert _report(walk).broken_links == BrokenLinks(unknown=4)  # all that she may read
    assert "4 documents read before links were kept" in as_html(_report(walk))
    (folder / "guide" / "prices.md").write_text("See [the rules](../rules/index.md).")
    (folder / "rules" / "index.md").unlink()
    walk.sync(source)
    found = _report(walk).broken_links
    assert ([link.target for link in found.links], found.unknown) == (["../rules/index.md"], 2)
