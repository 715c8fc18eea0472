"""A GitHub source through the whole of ingestion: what is taken from somebody there, or deleted, is so here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from acl.recheck import recheck
from acl.resolve import resolve
from ingestion.sealed import MARK, checked, shown
from tests.connectors.api import as_json
from tests.connectors.github.hub import TOKEN, Hub, Repo, hub
from tests.connectors.seen import unhurried
from tests.ingestion.conftest import TENANT, Walk
from vouch.catalog.tables import Source
from vouch.core.errors import BadConfig, NotFound
from vouch.core.sealing import key_file, make_key_file
from vouch.core.types import Json

PEOPLE = {"named": {"1": "user:alice"}}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    unhurried(monkeypatch)
    with hub() as found:
        yield found


@pytest.fixture
def repo(github: Hub) -> Repo:
    repo = github.repo(7, "acme/handbook", collaborators={1: True})
    github.push(repo, {"canteen.md": b"The canteen opens at nine.", "gate.md": b"The gate closes at six."})
    github.issue(repo, 3, "The boathouse", "The boathouse key hangs in the porch.")
    return repo


def added(walk: Walk, github: Hub, **config: object) -> Source:
    make_key_file(key_file(walk.services.settings))
    told: Json = {"base": github.api.url, "token": TOKEN, "repositories": ["acme/handbook"], "issuer": "github"}
    return walk.add_source("code", "github", **{**told, "people": PEOPLE, **config})


def readable(walk: Walk, user: str = "user:alice") -> set[str]:
    """What gate 2 lets through."""
    with walk.services.catalog.reading(TENANT) as session:
        names = dict(session.execute(sa.text("SELECT id, external_id FROM document WHERE state = 'live'")).all())
        try:
            return {names[id] for id in recheck(session, resolve(session, TENANT, user), list(names))[1]}
        except NotFound:
            return set()


def test_a_repository_is_read_by_its_readers_until_it_is_taken_from_them(walk: Walk, github: Hub, repo: Repo) -> None:
    source = added(walk, github)
    assert TOKEN not in str(walk.scalar("SELECT config::text FROM source"))
    first = walk.sync(source, "full")
    assert first["state"] == "succeeded", first
    everything = {"7/files/canteen.md", "7/files/gate.md", "7/issues/3"}
    assert readable(walk) == everything and walk.verify().clean
    repo.collaborators = {2: True}
    assert walk.sync(source, "access")["counts"]["members_changed"] == 3
    assert readable(walk) == set()
    repo.collaborators = {1: True}
    walk.sync(source, "access")
    assert readable(walk) == everything
    assert walk.scalar("SELECT max(last_version) FROM document") == 1


def test_what_is_deleted_over_there_goes_at_once_or_with_a_whole_listing(walk: Walk, github: Hub, repo: Repo) -> None:
    source = added(walk, github)
    walk.sync(source, "full")
    github.push(repo, {"gate.md": b"The gate closes at seven."}, "canteen.md")
    counts = walk.sync(source)["counts"]
    assert counts | {"changed": 1, "deleted": 1, "published": 1} == counts
    del repo.threads[3]
    assert walk.sync(source)["counts"]["deleted"] == 0
    assert walk.sync(source, "access")["counts"]["deleted"] == 1
    assert readable(walk) == {"7/files/gate.md"} and walk.verify().clean


def test_a_page_of_the_wiki_is_read_by_the_repositorys_readers_until_it_is_gone(
    walk: Walk, github: Hub, repo: Repo
) -> None:
    github.write(repo, {"Big-Hall.md": b"The hall seats ninety.", "Sauna.md": b"The sauna is warm at five."})
    source = added(walk, github, read=["wiki"])
    first = walk.sync(source, "full")
    assert (first["state"], first["counts"]["published"]) == ("succeeded", 2), first
    assert readable(walk) == {"7/wiki/Big-Hall.md", "7/wiki/Sauna.md"}
    told = "SELECT title || ' ' || uri FROM document WHERE external_id = '7/wiki/Big-Hall.md'"
    assert walk.scalar(told) == "Big Hall https://github.example.org/acme/handbook/wiki/Big-Hall"
    assert walk.sync(source, "access")["counts"]["published"] == 0
    repo.collaborators = {2: True}
    walk.sync(source, "access")
    assert readable(walk) == set()
    repo.collaborators = {1: True}
    walk.sync(source, "access")
    github.write(repo, {"Big-Hall.md": b"The hall seats a hundred.", "Sauna.md": None})
    counts = walk.sync(source)["counts"]
    assert counts | {"changed": 1, "deleted": 1, "published": 1} == counts
    assert readable(walk) == {"7/wiki/Big-Hall.md"} and walk.verify().clean


def test_a_repository_that_is_made_private_is_closed_by_the_next_sync(walk: Walk, github: Hub, repo: Repo) -> None:
    repo.visibility, repo.collaborators = "public", {}
    source = added(walk, github, public="authenticated")
    walk.sync(source)
    assert len(readable(walk)) == 3
    repo.visibility = "private"
    assert walk.sync(source)["state"] == "succeeded"
    assert readable(walk) == set()


def test_one_forbidden_repository_deletes_nothing_and_fails_the_job(walk: Walk, github: Hub, repo: Repo) -> None:
    github.issue(github.repo(8, "acme/other", collaborators={1: True}), 1)
    source = added(walk, github, repositories=["acme/handbook", "acme/other"])
    walk.sync(source, "full")
    github.api.fail("/repositories/8/issues", as_json({"message": "Resource not accessible"}, 403), 100)
    job = walk.sync(source, "full")
    assert (job["state"], job["counts"]["deleted"]) == ("failed", 0)
    assert [error["reason"] for error in job["errors"]] == ["unreached"]
    assert "8/issues/1" in readable(walk)


def test_the_key_of_an_app_is_sealed_and_has_to_be_told_again_with_another_address(walk: Walk, github: Hub) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    app = {"id": 1, "installation": 2, "private_key": raw}
    source = added(walk, github, token=None, repositories=[], app=app)
    assert "PRIVATE KEY" not in str(walk.scalar("SELECT config::text FROM source"))
    settings, kept = walk.services.settings, source.config
    told = shown(kept)
    assert told["app"]["private_key"] == MARK
    with walk.services.catalog.transaction(TENANT) as session:
        checked(session, settings, (TENANT, source.id), ("github", {**told, "skip": ["acme/x"]}), kept)
        with pytest.raises(BadConfig) as refused:
            elsewhere = {**told, "base": "https://elsewhere.example.org"}
            checked(session, settings, (TENANT, source.id), ("github", elsewhere), kept)
    assert refused.value.field == "config.app.private_key"
