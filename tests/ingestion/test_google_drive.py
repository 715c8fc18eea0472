"""A Drive through the whole of ingestion: who may read is who may there, and what is gone there is gone here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from acl.recheck import recheck
from acl.resolve import resolve
from tests.connectors.google_drive.google import DOC, Google, google, group, user
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.made import docx_file
from vouch.catalog.tables import Source
from vouch.core.sealing import key_file, make_key_file


@pytest.fixture
def drive() -> Iterator[Google]:
    """A shared drive whose members are a group; alice is in it, by her account."""
    with google() as found:
        found.employ("101", "alice")
        found.assemble("g1", "crew", ("USER", "101"))
        found.shared_drive("T", group("crew"))
        found.folder("tf", parents=["T"], driveId="T")
        found.put("plan", b"The boathouse opens at nine.", parents=["tf"], driveId="T")
        found.put("doc", docx_file(), DOC, parents=["tf"], driveId="T")
        found.put(
            "own", b"What alice alone has.", owners=[{"permissionId": "p-x", "emailAddress": "alice@example.org"}]
        )
        found.share("own", user("alice", "owner"))
        yield found


def add(walk: Walk, drive: Google) -> Source:
    make_key_file(key_file(walk.services.settings))
    people = {"named": {"alice@example.org": "user:alice"}}
    return walk.add_source("drive", "google_drive", **drive.config(drives=["T"], people=people, **drive.directory()))


def readable(walk: Walk, user: str = "user:alice") -> set[str]:
    """What a user may read of what is live."""
    with walk.services.catalog.reading(TENANT) as session:
        rows = session.execute(sa.text("SELECT id, external_id FROM document WHERE state = 'live'"))
        names = {row.id: row.external_id for row in rows}
        return {names[id_] for id_ in recheck(session, resolve(session, TENANT, user), list(names))[1]}


def test_rights_and_files_that_go_there_go_here(walk: Walk, drive: Google) -> None:
    source = add(walk, drive)
    job = walk.sync(source, "full")
    assert job["state"] == "succeeded", job
    assert readable(walk) == {"plan", "doc", "own"} and walk.verify().clean
    assert "PRIVATE KEY" not in str(walk.scalar("SELECT config::text FROM source"))
    assert walk.scalar("SELECT count(*) FROM chunk WHERE text LIKE '%Book trains%'") == 1
    assert walk.scalar("SELECT owner FROM document WHERE external_id = 'own'") == "group:drive/account.101"
    drive.members["g1"] = []
    assert walk.sync(source, "access")["counts"]["members_changed"] == 1
    assert readable(walk) == {"own"}
    drive.share("plan", user("alice"))
    assert walk.sync(source)["state"] == "succeeded"
    assert readable(walk) == {"own", "plan"}
    drive.remove("plan", "T")
    assert walk.sync(source)["counts"]["deleted"] == 1
    assert readable(walk) == {"own"} and walk.verify().clean


def test_a_drive_whose_members_change_is_listed_whole_in_the_same_job(walk: Walk, drive: Google) -> None:
    source = add(walk, drive)
    walk.sync(source, "full")
    drive.permissions["T"] = [user("somebody")]
    drive.files.pop("doc")  # and the feed lost what became of it
    drive.feeds["T"].append({"changeType": "drive", "driveId": "T"})
    job = walk.sync(source)
    assert job["state"] == "succeeded" and job["counts"]["deleted"] == 1
    assert readable(walk) == {"own"} and walk.scalar("SELECT count(*) FROM document WHERE state = 'live'") == 2
