"""A GitLab source through the whole of ingestion: roles, confidential issues, and what goes over there goes here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from acl.directory import put_user
from acl.recheck import recheck
from acl.resolve import resolve
from tests.connectors.github.hub import TOKEN, moment
from tests.connectors.gitlab.lab import GUEST, REPORTER, Lab, Project, lab
from tests.connectors.seen import unhurried
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    unhurried(monkeypatch)
    with lab() as found:
        yield found


@pytest.fixture
def project(gitlab: Lab) -> Project:
    project = gitlab.project(7, "acme/handbook", members={1: GUEST, 2: REPORTER})
    gitlab.push(project, {"canteen.md": b"The canteen opens at nine.", "gate.md": b"The gate closes at six."})
    gitlab.issue(project, 3, "The boathouse", "The boathouse key hangs in the porch.")
    project.wiki["ferry"] = "The ferry leaves at ten."
    return project


@pytest.fixture
def source(walk: Walk, gitlab: Lab, project: Project) -> Source:
    make_key_file(key_file(walk.services.settings))
    with walk.services.catalog.transaction(TENANT) as session:
        put_user(session, TENANT, "user:bob", name="Bob", actor="test")
    people = {"named": {"1": "user:alice", "2": "user:bob"}}
    told = {"base": gitlab.api.url, "token": TOKEN, "projects": ["acme/handbook"], "issuer": "gitlab", "people": people}
    source = walk.add_source("code", "gitlab", **told)
    job = walk.sync(source, "full")
    assert job["state"] == "succeeded", job
    return source


def readable(walk: Walk, user: str) -> set[str]:
    """What gate 2 lets through."""
    with walk.services.catalog.reading(TENANT) as session:
        names = dict(session.execute(sa.text("SELECT id, external_id FROM document WHERE state = 'live'")).all())
        return {names[id] for id in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def test_roles_decide_and_who_leaves_has_lost_it(walk: Walk, gitlab: Lab, project: Project, source: Source) -> None:
    everything = {"7/files/canteen.md", "7/files/gate.md", "7/issues/3", "7/wiki/ferry"}
    assert readable(walk, "user:bob") == everything
    assert readable(walk, "user:alice") == {"7/issues/3", "7/wiki/ferry"}
    project.members = {1: REPORTER}
    assert walk.sync(source, "access")["counts"]["members_changed"] > 0
    assert readable(walk, "user:bob") == set() and readable(walk, "user:alice") == everything
    assert walk.scalar("SELECT max(last_version) FROM document") == 1 and walk.verify().clean


@pytest.mark.parametrize("kind", ["incremental", "full"])
def test_an_issue_that_becomes_confidential_is_closed_to_guests(
    walk: Walk, gitlab: Lab, project: Project, source: Source, kind: str
) -> None:
    assert "7/issues/3" in readable(walk, "user:alice")
    project.issues[3] |= {"confidential": True, "updated_at": moment(gitlab.tick()), "author": None}
    counts = walk.sync(source, kind)["counts"]
    assert counts | {"new": 1, "deleted": 1} == counts
    assert readable(walk, "user:alice") == {"7/wiki/ferry"}
    assert "7/confidential/3" in readable(walk, "user:bob") and walk.verify().clean


def test_what_is_deleted_over_there_goes_at_once_or_with_a_whole_listing(
    walk: Walk, gitlab: Lab, project: Project, source: Source
) -> None:
    gitlab.push(project, {"gate.md": b"The gate closes at seven."}, "canteen.md")
    project.wiki.clear()
    counts = walk.sync(source)["counts"]
    assert counts | {"changed": 1, "deleted": 2} == counts
    del project.issues[3]
    assert walk.sync(source, "access")["counts"]["deleted"] == 1
    assert readable(walk, "user:bob") == {"7/files/gate.md"} and walk.verify().clean
