"""Secrets in configurations: sealed where they are kept, shown to nobody, bound to their place, rotated."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlmodel import select

from connectors import registry
from connectors.push import PushConnector
from ingestion import sources
from ingestion.rotate import rotate
from ingestion.schemas import SourceIn, SourcePatch
from ingestion.sealed import MARK, SEALED, connect
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import AuditEntry, Source, Tenant
from vouch.core.errors import BadConfig, SealBroken, StartFailed
from vouch.core.sealing import Keyring, Place, key_file, make_key_file, read_keys
from vouch.core.settings import Settings

TENANT = "t"
SECRETS = ("correct horse", "battery staple", "hunter2")
CONFIG = {
    "url": "https://vault.example.org",
    "token": SECRETS[0],
    "accounts": [{"user": "a", "password": SECRETS[1]}, {"user": "b", "password": SECRETS[2]}],
}


class Account(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    user: str
    password: SecretStr


class VaultConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    keeps_secrets_through: ClassVar[frozenset[str]] = frozenset({"depth"})
    url: str
    token: SecretStr | None = Field(None, min_length=3)
    accounts: tuple[Account, ...] = ()
    depth: int = 1


class VaultConnector(PushConnector):
    """A source with secrets; it keeps what it was opened with."""

    kind: ClassVar[str] = "vault"
    Config: ClassVar[type[BaseModel]] = VaultConfig
    config: Any


@pytest.fixture(autouse=True)
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "connector_kinds", lambda: {"vault": VaultConnector})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(data_dir=tmp_path)
    make_key_file(key_file(found))
    return found


@pytest.fixture
def tenant(catalog: Catalog) -> Iterator[str]:
    with catalog.transaction(ACROSS_TENANTS) as session:
        session.add(Tenant(id=TENANT, name="T"))
    yield TENANT


def _create(catalog: Catalog, settings: Settings | None, name: str = "vault", **config: object) -> Source:
    with catalog.transaction(TENANT) as session:
        return sources.create(session, TENANT, SourceIn(name=name, kind="vault", config={**CONFIG, **config}), settings)


def _change(catalog: Catalog, settings: Settings, name: str, config: dict[str, Any]) -> dict[str, Any]:
    with catalog.transaction(TENANT) as session:
        source = sources.find_source(session, TENANT, name, lock=True)
        sources.change(session, source, SourcePatch(config=config), actor="test", settings=settings)
        session.flush()
        return sources.shown(session, source)["config"]  # type: ignore[no-any-return]


def _kept(catalog: Catalog, name: str = "vault") -> Source:
    with catalog.reading(TENANT) as session:
        return sources.find_source(session, TENANT, name)


def _opened(catalog: Catalog, settings: Settings, name: str = "vault") -> tuple[str, ...]:
    row = _kept(catalog, name)
    connector: Any = connect(settings, (TENANT, row.id), row.kind, row.config)
    return (
        connector.config.token.get_secret_value(),
        *(account.password.get_secret_value() for account in connector.config.accounts),
    )


def _whole_database(catalog: Catalog) -> str:
    with catalog.reading(ACROSS_TENANTS) as session:
        tables = session.execute(sa.text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars()
        rows = [session.execute(sa.text(f'SELECT t::text FROM "{table}" t')).scalars().all() for table in tables]
    return json.dumps(rows)


def test_a_secret_is_in_no_table_no_answer_and_no_log(
    catalog: Catalog, tenant: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = _create(catalog, settings)
    with catalog.reading(TENANT) as session:
        shown = sources.shown(session, source)
    assert shown["config"]["token"] == MARK
    assert [account["password"] for account in shown["config"]["accounts"]] == [MARK, MARK]
    assert _opened(catalog, settings) == SECRETS
    rotate(catalog, settings)
    everything = _whole_database(catalog) + json.dumps(shown) + caplog.text + repr(_kept(catalog))
    assert "vault.example.org" in everything
    assert not [secret for secret in SECRETS if secret in everything]


def test_each_value_has_a_data_key_of_its_own(catalog: Catalog, tenant: str, settings: Settings) -> None:
    _create(catalog, settings, "one", accounts=[])
    _create(catalog, settings, "two", accounts=[])
    one, two = (_kept(catalog, name).config["token"][SEALED] for name in ("one", "two"))
    assert one["key"] == two["key"]
    assert one["wrapped"] != two["wrapped"] and one["value"] != two["value"]


def test_a_mark_that_comes_back_leaves_the_secret_as_it_is(catalog: Catalog, tenant: str, settings: Settings) -> None:
    _create(catalog, settings)
    before = _kept(catalog).config
    with catalog.reading(TENANT) as session:
        shown = sources.shown(session, sources.find_source(session, TENANT, "vault"))["config"]
    assert _change(catalog, settings, "vault", {**shown, "depth": 2})["token"] == MARK
    after = _kept(catalog).config
    assert after == {**before, "depth": 2}
    _change(catalog, settings, "vault", {**shown, "depth": 2, "token": "another"})
    assert _opened(catalog, settings) == ("another", *SECRETS[1:])
    _change(catalog, settings, "vault", {"url": "https://elsewhere.example.org"})
    assert _kept(catalog).config["token"] is None


def test_a_secret_that_is_kept_goes_nowhere_else(catalog: Catalog, tenant: str, settings: Settings) -> None:
    """Who does not know it cannot have it sent to an address of their own."""
    _create(catalog, settings)
    with catalog.reading(TENANT) as session:
        shown = sources.shown(session, sources.find_source(session, TENANT, "vault"))["config"]
    swapped = [{**account, "user": "mallory"} for account in shown["accounts"]]
    for elsewhere in (
        {"url": "https://mallory.example.org"},
        {"accounts": swapped},
        {"accounts": shown["accounts"][:1]},
    ):
        with pytest.raises(BadConfig, match="told again"):
            _change(catalog, settings, "vault", {**shown, **elsewhere})
    _change(catalog, settings, "vault", {**CONFIG, "url": "https://new.example.org"})  # told again: it may
    assert _opened(catalog, settings) == SECRETS


@pytest.mark.parametrize("token", [MARK, {SEALED: {"key": "k", "wrapped": "", "value": ""}}, {"sealed": False}])
def test_a_mark_where_nothing_is_kept_and_a_sealed_form_from_outside_are_refused(
    catalog: Catalog, tenant: str, settings: Settings, token: object
) -> None:
    with pytest.raises(BadConfig) as refused:
        _create(catalog, settings, token=token)
    assert refused.value.__cause__ is None  # pydantic's error quotes what was told


def test_without_a_key_no_secret_is_taken(catalog: Catalog, tenant: str, tmp_path: Path) -> None:
    for settings in (None, Settings(data_dir=tmp_path / "none")):
        with pytest.raises(BadConfig) as refused:
            _create(catalog, settings)
        assert refused.value.field == "seal_key"
        _create(catalog, settings, f"open-{settings is None}", token=None, accounts=[])


def _put(catalog: Catalog, name: str, config: dict[str, Any]) -> None:
    with catalog.transaction(TENANT) as session:
        source = sources.find_source(session, TENANT, name, lock=True)
        source.config = config
        session.add(source)


def test_a_sealed_value_opens_in_its_own_place_alone(catalog: Catalog, tenant: str, settings: Settings) -> None:
    _create(catalog, settings, "one")
    _create(catalog, settings, "two")
    one, two = _kept(catalog, "one").config, _kept(catalog, "two").config
    first, second = one["accounts"]
    for moved in (
        {**one, "token": two["token"]},  # of another source
        {**one, "token": first["password"]},  # of another field
        {**one, "accounts": [{**first, "password": second["password"]}, second]},  # of another account
    ):
        _put(catalog, "one", moved)
        with pytest.raises(SealBroken):
            _opened(catalog, settings, "one")
        with pytest.raises(SealBroken):
            rotate(catalog, settings)
    keys = Keyring(read_keys(key_file(settings)))
    sealed = keys.seal("x", Place("t", "source:1", "token"))
    for place in (Place("u", "source:1", "token"), Place("t", "source:2", "token"), Place("t", "source:1", "tokens")):
        with pytest.raises(SealBroken):
            keys.unseal(sealed, place)
        with pytest.raises(SealBroken):
            keys.rewrap(sealed, place)


def test_one_changed_character_is_noticed(settings: Settings) -> None:
    keys, place = Keyring(read_keys(key_file(settings))), Place("t", "source:1", "token")
    sealed = keys.seal("correct horse", place)
    assert keys.unseal(sealed, place) == "correct horse"
    for name in ("wrapped", "value"):
        for n in range(0, len(sealed[name]) - 2, 5):
            other = "A" if sealed[name][n] != "A" else "B"
            with pytest.raises(SealBroken):
                keys.unseal({**sealed, name: sealed[name][:n] + other + sealed[name][n + 1 :]}, place)
    for broken in ({**sealed, "key": "other"}, {**sealed, "value": None}, {**sealed, "wrapped": "…"}, {}):
        with pytest.raises(SealBroken):
            keys.unseal(broken, place)


def test_a_rotation_wraps_everything_anew_and_forgets_the_old_key(
    catalog: Catalog, tenant: str, settings: Settings
) -> None:
    _create(catalog, settings, "one")
    _create(catalog, settings, "two")
    _create(catalog, settings, "open", token=None, accounts=[])
    old, before = read_keys(key_file(settings)), _kept(catalog, "one").config
    done = rotate(catalog, settings)
    new, after = read_keys(key_file(settings)), _kept(catalog, "one").config
    assert done.sources == 2
    assert len(new) == 1 and new != old
    assert key_file(settings).stat().st_mode & 0o777 == 0o600
    assert after["token"][SEALED]["key"] == done.key != before["token"][SEALED]["key"]
    assert after["token"][SEALED]["value"] == before["token"][SEALED]["value"]  # its data key is the same
    assert _opened(catalog, settings, "one") == _opened(catalog, settings, "two") == SECRETS
    with catalog.reading(TENANT) as session:
        entry = session.exec(select(AuditEntry)).one()
    assert (entry.action, entry.subject, entry.detail) == (
        "secrets.rotate",
        f"key:{done.key}",
        {"sources": 2, "webhooks": 0},
    )
    with pytest.raises(SealBroken):
        Keyring(old).unseal(after["token"][SEALED], Place(TENANT, f"source:{_kept(catalog, 'one').id}", "token"))


def test_a_rotation_that_fails_leaves_every_key_and_every_secret(
    catalog: Catalog, tenant: str, settings: Settings
) -> None:
    _create(catalog, settings, "one")
    broken = _create(catalog, settings, "two")
    whole = broken.config
    _put(catalog, "two", {**whole, "token": {SEALED: {**whole["token"][SEALED], "wrapped": "AAAA"}}})
    for _ in range(2):
        with pytest.raises(SealBroken):
            rotate(catalog, settings)
    assert _opened(catalog, settings, "one") == SECRETS
    _create(catalog, settings, "three")  # under the newest key of the file
    _put(catalog, "two", whole)
    rotate(catalog, settings)
    assert len(read_keys(key_file(settings))) == 1
    assert {_opened(catalog, settings, name) for name in ("one", "two", "three")} == {SECRETS}


def test_keys_of_the_environment_are_rotated_to_the_first(catalog: Catalog, tenant: str, tmp_path: Path) -> None:
    old, new = "a1" * 32, "b2" * 32
    before, both, after = (Settings(data_dir=tmp_path, seal_key=keys) for keys in (old, f"{new},{old}", new))
    _create(catalog, before)
    assert _opened(catalog, both) == SECRETS
    with pytest.raises(SealBroken):
        _opened(catalog, after)
    assert rotate(catalog, both).sources == 1
    assert _opened(catalog, after) == SECRETS
    assert not key_file(both).exists()


def test_a_key_file_that_others_can_read_or_that_is_none_is_refused(settings: Settings) -> None:
    key_file(settings).chmod(0o640)
    with pytest.raises(StartFailed, match="read by others"):
        make_key_file(key_file(settings))
    key_file(settings).chmod(0o600)
    key_file(settings).write_text("")
    with pytest.raises(StartFailed, match="does not hold"):
        read_keys(key_file(settings))
