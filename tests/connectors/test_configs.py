"""What somebody is told whose source is configured wrongly, of every kind: the field in their own words, what it should
be, in words of JSON, and nothing of what they sent that may be a secret."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.registry import connector_kinds, make_connector, read_config
from vouch.core.errors import BadConfig, VouchError

KINDS = sorted(connector_kinds())
PYTHON = re.compile(r"\btuple|dictionary|instance of|after validation|Value error|discriminator|tagged", re.IGNORECASE)
SECRET = "correct-horse-battery"
STORE = {"type": "s3", "bucket": "handbook"}
ISSUED = {"issuer": "wiki", "token": SECRET, "site": "https://www.example.org"}
SHOWN: dict[str, dict[str, Any]] = {
    "confluence": ISSUED,
    "files": {"store": STORE},
    "filesystem": {"path": "/"},
    "git": {"path": "/"},
    "jira": ISSUED,
}
"""Kinds that are told where people open what is read, with what they need besides."""


def wrong(kind: str, config: dict[str, Any]) -> BadConfig:
    with pytest.raises(BadConfig) as raised:
        read_config(kind, config)
    assert raised.value.field is not None and raised.value.detail.startswith(f"{raised.value.field}: ")
    assert not PYTHON.search(raised.value.detail), raised.value.detail
    assert SECRET not in raised.value.detail
    return raised.value


def told(kind: str, config: dict[str, Any]) -> tuple[str | None, str]:
    error = wrong(kind, config)
    return error.field, error.detail.removeprefix(f"{error.field}: ")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_or_not_known_is_named(kind: str) -> None:
    fields = connector_kinds()[kind].Config.model_fields
    needed = [name for name, field in fields.items() if field.is_required()]
    if needed:
        assert told(kind, {}) == (f"config.{needed[0]}", "is needed")
    config: dict[str, Any] = {**SHOWN.get(kind, {}), "colour": "blue"}
    known = [name for name in needed if name not in config]
    if not known:
        field, said = told(kind, config)
        assert (field == "config.colour" and said.startswith("there is no such field; there are ")) or not fields
        assert all(name in said for name in fields)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [{"a": {SECRET: SECRET}}, [[SECRET]], 7.5, SECRET * 10_000], ids=lambda v: str(v)[:9])
def test_whatever_is_wrong_with_a_field_is_said_of_it_in_few_words(kind: str, value: object) -> None:
    for name in connector_kinds()[kind].Config.model_fields:
        try:
            read_config(kind, {name: value})
        except BadConfig:
            error = wrong(kind, {name: value})
            assert len(error.detail) < 1_000
        except VouchError as error:
            pytest.fail(f"{name}: {error.code}")


def test_secrets_are_texts_of_characters() -> None:
    assert told("confluence", {**ISSUED, "token": ""}) == ("config.token", "should not be empty")
    field, said = told("confluence", {**ISSUED, "token": SECRET * 1_000})
    assert field == "config.token" and re.fullmatch(r"should have at most \d+ characters", said)
    assert isinstance(connector_kinds()["confluence"].Config(**ISSUED).token, SecretStr)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "config", "field", "said"),
    [
        ("web", {"start": "https://www.example.org/"}, "config.start", "should be a list"),
        ("web", {"start": []}, "config.start", "should not be empty"),
        ("confluence", {**ISSUED, "people": 7}, "config.people", "should be an object, with fields"),
        ("confluence", {**ISSUED, "people": {"x": 7}}, "config.people.x", "there is no such field"),
        ("files", {"store": {"bucket": "b"}}, "config.store", "should have a field 'type'"),
        (
            "files",
            {"store": {"type": "tape"}},
            "config.store",
            "its 'type' should be one of 's3', 'gcs', 'azure', 'sftp', 'smb', 'webdav'",
        ),
        ("files", {"store": {"type": "s3"}}, "config.store.bucket", "is needed"),
        ("files", {"store": {**STORE, "x": 1}}, "config.store.x", "there is no such field"),
    ],
)
def test_it_is_said_in_the_words_of_who_wrote_it(kind: str, config: dict[str, Any], field: str, said: str) -> None:
    assert told(kind, config) == (field, said)


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("address", [f"https://bob:{SECRET}@www.example.org/", "ftp://www.example.org/", "", "www"])
def test_an_address_that_readers_are_shown_has_no_password_in_it(kind: str, address: str) -> None:
    field, said = told(kind, {**SHOWN[kind], "base_url": address})
    assert field == "config.base_url" and "no user or password" in said
    read_config(kind, {**SHOWN[kind], "base_url": "https://www.example.org/people@work/"})


def test_nor_has_the_template_of_one() -> None:
    config = {"url_env": "VOUCH_SQL_A_URL", "query": "SELECT 1", "key": ["id"], "body": "{id}"}
    field, said = told("sql", {**config, "uri": f"https://bob:{SECRET}@www.example.org/{{id}}"})
    assert field == "config.uri" and "no user or password" in said
    read_config("sql", {**config, "uri": "https://www.example.org/{id}?from=vouch"})


def test_who_is_asked_for_a_host_and_gives_an_address_is_told_so() -> None:
    config = {"host": "https://imap.example.org", "user": "carol", "password": SECRET}
    with pytest.raises(BadConfig, match="the name of a host alone") as raised:
        make_connector("imap", config)
    assert raised.value.field == "config.host"


def test_what_was_sent_is_not_quoted_without_end() -> None:
    config = {"host": "imap.example.org", "user": "carol", "password": SECRET, "owner": "h" * 200_000}
    with pytest.raises(BadConfig) as raised:
        make_connector("imap", config)
    assert raised.value.field == "config.owner" and len(raised.value.detail) < 3_000
