"""Access that a source says: followed at once, and readable by nobody where it cannot be followed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from acl.compile import compile_filter
from acl.directory import put_group
from acl.explain import explain
from acl.recheck import recheck
from acl.resolve import resolve
from ingestion import push
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Document, Issuer, Source
from vouch.core.errors import Conflict, InvalidInput
from vouch.core.types import Body, Clause, IndexQuery, Json
from vouch.index.lexical import query_vector

OPEN = "access: {allow: [group:staff]}\nowner: user:carol\n"
FILES = {
    "a.md": "The boathouse opens at nine.",
    "deep/b.md": "The jetty opens at ten.",
    "other/c.md": "The sauna is hot.",
}
ALL = {f"handbook/{name}" for name in FILES}
KEPT = "SELECT string_agg(text_hash || created_at::text, ',' ORDER BY text_hash) FROM embedding"
SAID = "SELECT string_agg(concat(owner, review_every_s, title, supersedes), ',' ORDER BY external_id) FROM document"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    for name, text in FILES.items():
        path = root / "handbook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / ".vouch.yaml").write_text(OPEN)
    return root


@pytest.fixture
def source(walk: Walk, folder: Path) -> Source:
    source = walk.add_source(path=str(folder))
    walk.sync(source)
    assert readable(walk) == found(walk) == ALL
    return source


def readable(walk: Walk) -> set[str]:
    """What gate 2 lets Alice read."""
    with walk.services.catalog.reading(TENANT) as session:
        names = dict(session.execute(sa.text("SELECT id, external_id FROM document")).all())
        access = resolve(session, TENANT, "user:alice")
        return {names[id_] for id_ in recheck(session, access, list(names))[1]}


def found(walk: Walk) -> set[str]:
    """What gate 1 lets Alice find."""
    with walk.services.catalog.reading(TENANT) as session:
        access = compile_filter(resolve(session, TENANT, "user:alice"))
        hits = walk.index.search(IndexQuery(None, query_vector("boathouse jetty sauna opens hot"), 100), access).lexical
        return {session.get_one(Document, (TENANT, hit.document_id)).external_id for hit in hits}


def problem(walk: Walk, external_id: str) -> Any:
    return walk.scalar("SELECT access_problem FROM document WHERE external_id = :e", e=external_id)


def named(job: Json, reason: str) -> list[Json]:
    return [error for error in job["errors"] if error["reason"] == reason]


@pytest.mark.parametrize("kind", ["incremental", "full", "access"])
def test_a_deny_that_cannot_be_mapped_quarantines_until_it_is_put_right(
    walk: Walk, folder: Path, source: Source, kind: str
) -> None:
    kept = walk.scalar(KEPT)
    rules = folder / "handbook" / "deep" / ".vouch.yaml"
    rules.write_text("access: {allow: [authenticated], deny: [group:okta/leavers]}\n")
    job = walk.sync(source, kind)
    assert job["state"] == "succeeded"
    assert job["counts"] | {"quarantined": 1, "access_changed": 1, "unreadable": 0} == job["counts"]
    (error,) = named(job, "deny_unmapped")
    assert error["external_id"] == "handbook/deep/b.md" and error["documents"] == 1
    assert "handbook/deep/.vouch.yaml, line 1" in error["detail"] and "'group:okta/leavers'" in error["detail"]
    assert problem(walk, "handbook/deep/b.md") == {"reason": "deny_unmapped", "detail": error["detail"]}
    assert readable(walk) == found(walk) == ALL - {"handbook/deep/b.md"}

    with walk.services.catalog.transaction(TENANT) as session:
        session.add(Issuer(tenant_id=TENANT, id="okta"))
    job = walk.sync(source, kind)
    assert job["counts"] | {"quarantined": 0, "access_changed": 1} == job["counts"]
    assert job["errors"] == [] and problem(walk, "handbook/deep/b.md") is None
    assert readable(walk) == found(walk) == ALL
    assert walk.scalar(KEPT) == kept and walk.scalar("SELECT max(version) FROM document_version") == 1


def test_an_allow_that_cannot_be_mapped_grants_nobody_and_is_said(walk: Walk, folder: Path, source: Source) -> None:
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff, group:okta/a, user:entra/b]}\n")
    job = walk.sync(source, "access")
    assert readable(walk) == ALL
    errors = named(job, "allow_unmapped")
    assert [error["documents"] for error in errors] == [3, 3] and job["counts"]["quarantined"] == 0
    (folder / ".vouch.yaml").write_text("access: {allow: [group:okta/a]}\n")
    walk.sync(source, "access")
    assert readable(walk) == found(walk) == set()


def test_a_local_name_that_nobody_has_yet_is_no_fault_and_holds_once_somebody_has(
    walk: Walk, folder: Path, source: Source
) -> None:
    (folder / ".vouch.yaml").write_text("access: {allow: [authenticated], deny: [group:ghost]}\n")
    job = walk.sync(source, "access")
    assert job["errors"] == [] and readable(walk) == ALL
    with walk.services.catalog.transaction(TENANT) as session:
        put_group(session, TENANT, "group:ghost", name="Ghost", members=["group:staff"], actor="test")
    assert readable(walk) == found(walk) == set()


@pytest.mark.parametrize("kind", ["incremental", "access"])
def test_rules_that_break_close_what_was_open_and_open_it_again_once_whole(
    walk: Walk, folder: Path, source: Source, kind: str
) -> None:
    others = SAID.replace("FROM document", "FROM document WHERE external_id <> 'handbook/new.md'")
    said = walk.scalar(others)
    rules = folder / ".vouch.yaml"
    rules.write_text("access: {allow: [group:staff]\n")
    (folder / "handbook" / "new.md").write_text("The boathouse opens at noon.")
    job = walk.sync(source, kind)
    assert job["state"] == "failed" and job["counts"]["quarantined"] == 4
    (error,) = job["errors"]
    assert (error["reason"], error["documents"], error["file"]) == ("rules_broken", 4, ".vouch.yaml")
    assert error["detail"].startswith(f".vouch.yaml, line {error['line']}: ")
    assert readable(walk) == found(walk) == set()
    kept = walk.scalar(KEPT)
    rules.write_text(OPEN)
    job = walk.sync(source, kind)
    assert job["errors"] == [] and job["counts"]["quarantined"] == 0
    # What came meanwhile was read and embedded meanwhile, unless rules alone were read.
    assert readable(walk) == found(walk) == ALL | ({"handbook/new.md"} if kind == "incremental" else set())
    assert walk.scalar(KEPT) == kept and walk.scalar(others) == said
    assert walk.verify().clean


def test_what_is_refused_keeps_no_older_access(walk: Walk, folder: Path, source: Source) -> None:
    path = folder / "handbook" / "a.md"
    path.unlink()
    path.symlink_to(folder / "handbook" / "other" / "c.md")
    job = walk.sync(source)
    assert [error["external_id"] for error in named(job, "symlink")] == ["handbook/a.md"]
    assert problem(walk, "handbook/a.md")["reason"] == "symlink"
    assert readable(walk) == found(walk) == ALL - {"handbook/a.md"}
    path.unlink()
    path.write_text(FILES["a.md"])
    walk.sync(source)
    assert readable(walk) == found(walk) == ALL and problem(walk, "handbook/a.md") is None


def test_a_rule_for_a_file_that_is_gone_does_not_keep_its_document(walk: Walk, folder: Path, source: Source) -> None:
    (folder / "handbook" / ".vouch.yaml").write_text("files:\n  a.md: {owner: user:dave}\n")
    walk.sync(source)
    (folder / "handbook" / "a.md").unlink()
    job = walk.sync(source)
    assert job["counts"]["deleted"] == 1 and named(job, "missing")
    assert readable(walk) == found(walk) == ALL - {"handbook/a.md"}


def test_more_rules_than_can_be_kept_close_the_document_and_not_the_scan(
    walk: Walk, folder: Path, source: Source
) -> None:
    deepest = folder / "handbook"
    for n in range(65):
        (deepest / ".vouch.yaml").write_text(OPEN)
        deepest = deepest / f"d{n}"
        deepest.mkdir()
    (deepest / "deep.md").write_text("The boathouse opens at nine.")
    job = walk.sync(source)
    assert job["state"] == "succeeded" and named(job, "too_many_rules")
    assert readable(walk) == ALL


def test_the_access_of_a_whole_folder_changes_at_once_and_embeds_nothing(walk: Walk) -> None:
    """1,200 documents, more than one operation to the index; a few of them with content."""
    source = walk.add_source("pushed", "push")
    staff = (Clause.of(["group:staff"]),)
    for name, text in FILES.items():
        body = Body(text.encode(), "text/plain")
        push.push(walk.services, source, push.Pushed(f"handbook/{name}", body, acl=staff), actor="test")
    push.push(walk.services, source, push.Pushed("apart", Body(b"A hot sauna.", "text/plain"), acl=staff), actor="test")
    walk.drain()
    with walk.services.catalog.transaction(TENANT) as session:
        session.execute(
            sa.text(
                "INSERT INTO document (tenant_id, id, source_id, external_id, title, uri, mime, language, state,"
                " fingerprint, last_version, current_version)"
                " SELECT :t, 'd' || n, :s, 'handbook/many/' || n, '', '', '', 'und', 'live', '', 1, 1"
                " FROM generate_series(1, 1200) n"
            ),
            {"t": TENANT, "s": source.id},
        )
    kept = walk.scalar(KEPT)
    before = int(str(walk.scalar("SELECT authz_epoch FROM tenant")))
    nobody = (Clause.of(["group:staff"], ["user:alice"]),)
    epoch, count = push.set_access_under(walk.services, source, "handbook/", nobody, actor="test")
    assert (epoch, count) == (before + 1, 1203)
    assert readable(walk) == {"apart"}, "for the very next request, before the index knows"
    assert walk.scalar("SELECT count(*) FROM document_change WHERE epoch = :e", e=epoch) == 1203
    assert int(str(walk.scalar("SELECT max(cardinality(document_ids)) FROM index_op"))) <= 500
    assert push.set_access_under(walk.services, source, "handbook/", nobody, actor="test") == (epoch, 1203)
    walk.drain()
    assert found(walk) == {"apart"} and walk.scalar(KEPT) == kept
    assert push.set_access_under(walk.services, source, "handbook/deep", staff, actor="test")[1] == 1
    assert push.set_access_under(walk.services, source, "no%such_", staff, actor="test")[1] == 0
    walk.drain()
    assert readable(walk) == found(walk) == {"apart", "handbook/deep/b.md"}


def test_the_access_of_a_folder_is_for_push_alone(walk: Walk, source: Source) -> None:
    with pytest.raises(Conflict):
        push.set_access_under(walk.services, source, "handbook/", (), actor="test")
    with pytest.raises(InvalidInput):
        push.set_access_under(walk.services, walk.add_source("p", "push"), "a\x00", (), actor="test")


def test_explain_says_that_nobody_may_read_it(walk: Walk, folder: Path, source: Source) -> None:
    (folder / ".vouch.yaml").write_text("access: {allow: [authenticated], deny: [mallory]}\n")
    walk.sync(source, "access")
    document = str(walk.scalar("SELECT id FROM document WHERE external_id = 'handbook/a.md'"))
    with walk.services.catalog.reading(TENANT) as session:
        told = explain(session, TENANT, "user:alice", document)
    assert told["decision"] == "denied"
    assert told["reasons"][0].startswith(
        "nobody may read it until its source's rules are put right: .vouch.yaml, line 1"
    )
    assert "'mallory'" in told["reasons"][0]
