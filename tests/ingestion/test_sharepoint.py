"""A library of SharePoint through the whole of ingestion: who may read is who may there, what is gone there is gone."""

from __future__ import annotations

from acl.directory import put_user
from tests.connectors.sharepoint.tenant import DRIVE, group, guid, sharepoint, user
from tests.ingestion.conftest import TENANT, Walk
from tests.ingestion.test_google_drive import readable
from vouch.core.sealing import key_file, make_key_file


def test_rights_and_files_that_go_there_go_here(walk: Walk) -> None:
    make_key_file(key_file(walk.services.settings))
    alice = f"user:entra/{guid(1)}"
    with walk.services.catalog.transaction(TENANT) as session:
        put_user(session, TENANT, alice, name="Alice", actor="test")
    with sharepoint() as site:
        site.users.append({"id": guid(1), "userPrincipalName": "alice@example.org", "accountEnabled": True})
        site.groups[guid(2)] = [{"id": guid(1)}]
        site.permissions["root"] = [group(2)]
        site.folder("f")
        for name, place in (("plan", "root"), ("costs", "f")):
            site.put(name, f"The {name} of the boathouse.".encode(), place)
        source = walk.add_source("site", "sharepoint", **site.config(people={"issuer": "entra"}))
        job = walk.sync(source, "full")
        assert job["state"] == "succeeded", job
        assert readable(walk, alice) == {f"{DRIVE}/plan", f"{DRIVE}/costs"} and walk.verify().clean
        assert "s3cret" not in str(walk.scalar("SELECT config::text FROM source"))
        site.groups[guid(2)] = []
        assert walk.sync(source, "access")["counts"]["members_changed"] == 1
        assert readable(walk, alice) == set()
        site.share("f", user(1))
        assert walk.sync(source)["state"] == "succeeded"
        assert readable(walk, alice) == {f"{DRIVE}/costs"}
        site.remove("f")
        site.items[DRIVE].pop("costs")
        job = walk.sync(source)  # a folder that is gone: everything is listed, in the same job
        assert job["state"] == "succeeded" and job["counts"]["deleted"] == 1
        assert readable(walk, alice) == set() and walk.verify().clean
