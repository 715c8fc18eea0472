"""Every online command against a running platform: exit status, JSON, and plain text where no terminal reads it."""

from __future__ import annotations

import json
import os
import pty
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import COMMAND, Up, Vouch, environment
from vouch.core import clock

ESCAPE = "\x1b"
PEOPLE = """
users:
  - {id: ann, name: Ann, title: Writer}
  - {id: ben, name: Ben}
groups:
  - {id: writers, name: Writers, members: [user:ann]}
"""


def _json(vouch: Vouch, *arguments: str) -> Any:
    return json.loads(vouch.ok(*arguments, "--json"))


@pytest.fixture(scope="module")
def source(running: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A source called `style`, synced, that only writers read."""
    vouch, folder = running.vouch, tmp_path_factory.mktemp("style")
    (folder / "people.yaml").write_text(PEOPLE)
    assert vouch.ok("directory", "import", str(folder / "people.yaml")) == "2 users and 1 groups.\n"
    docs = folder / "docs"
    docs.mkdir()
    (docs / ".vouch.yaml").write_text("access: {allow: [group:writers]}\n")
    (docs / "commas.md").write_text("# Commas\n\nWriters put a serial comma before the last item of a list.\n")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 not really")
    vouch.ok("source", "add", "filesystem", "style", str(docs), "--stale-after", "365d", "--owner", "user:ann",
             "--in-search", "stale=demote", "--in-search", "expired=drop")  # fmt: skip
    yield "style"
    vouch.ok("source", "rm", "style")
    assert vouch("source", "show", "style").returncode == 1


@pytest.fixture(scope="module")
def synced(running: Up, source: str) -> str:
    done = running.vouch("source", "sync", source)
    assert done.returncode == 0, done.stderr
    assert "1 published, 1 quarantined" in done.stdout
    assert "broken.pdf: " in done.stdout
    assert "scan 1/1" in done.stderr
    assert ESCAPE not in done.stdout + done.stderr
    return source


def test_sources_are_listed_shown_and_synced_again(vouch: Vouch, synced: str) -> None:
    (row,) = [line for line in vouch.ok("source", "list").splitlines() if line.startswith("style\t")]
    assert row.split("\t")[1:5] == ["filesystem", "active", "1", "1"]
    shown = _json(vouch, "source", "show", synced)
    assert (shown["owner"], shown["freshness"]["stale_after"]) == ("user:ann", "365d")
    assert shown["freshness"]["in_search"] == {
        "due": "keep", "stale": "demote", "expired": "drop", "source_gone": "keep"
    }  # fmt: skip
    assert "stale=demote, expired=drop" in vouch.ok("source", "show", synced)
    refused = vouch("source", "add", "push", "bad", "--in-search", "stale")
    assert refused.returncode == 2 and "STATE=WHAT" in refused.stderr
    refused = vouch("source", "add", "push", "bad", "--in-search", "stale=hide")
    assert refused.returncode == 2 and "in_search.stale" in refused.stderr
    assert vouch.ok("source", "set", synced, "--data-class", "internal") == "style is internal.\n"
    assert "data_class\tinternal" in vouch.ok("source", "show", synced)
    assert _json(vouch, "source", "set", synced, "--unclassified")["data_class"] is None
    for told in ((), ("--data-class", "internal", "--unclassified"), ("--data-class", "In House")):
        assert vouch("source", "set", synced, *told).returncode == 2
    again = _json(vouch, "source", "sync", synced)
    assert (again["state"], again["counts"]["unchanged"]) == ("succeeded", 2)
    assert _json(vouch, "source", "sync", shown["id"], "--access")["kind"] == "access"
    assert {found["name"] for found in _json(vouch, "source", "list")} >= {"style"}


def test_an_answer_is_printed_with_its_citation(vouch: Vouch, synced: str) -> None:
    done = vouch("ask", "What do writers put before the last item of a list?", "--as", "ann")
    assert done.returncode == 0
    sentence = "Writers put a serial comma before the last item of a list."
    text, _, first, quote, uri = done.stdout.splitlines()
    assert text == f"{sentence} [1]"
    assert first.startswith("[1] Commas, ")
    assert quote == f"    “{sentence}”"
    assert uri.endswith("/docs/commas.md")
    assert ESCAPE not in done.stdout + done.stderr
    assert _json(vouch, "ask", "What do writers put before the last item?", "--as", "user:ann", "--source", synced)[
        "citations"
    ]


def test_an_abstention_exits_1_with_its_reason(vouch: Vouch, synced: str) -> None:
    done = vouch("ask", "What do writers put before the last item of a list?", "--as", "ben")
    assert done.returncode == 1
    assert done.stdout.startswith("No answer (no_evidence): ")
    assert "omma" not in done.stdout
    found = vouch("ask", "What do writers put before the last item of a list?", "--as", "ben", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["abstention"]["reason"] == "no_evidence"


def test_search_exits_1_when_nothing_fits_the_user(vouch: Vouch, synced: str) -> None:
    (hit,) = _json(vouch, "search", "serial comma", "--as", "ann", "--mode", "lexical", "--no-rerank")["hits"]
    assert hit["external_id"] == "commas.md"
    assert vouch.ok("search", "serial comma", "--as", "ann").startswith("1. Commas, ")
    assert vouch("search", "serial comma", "--as", "ben").returncode == 1


def test_search_says_what_it_read_a_mistyped_word_as(vouch: Vouch, synced: str) -> None:
    found = vouch("search", "serial coma", "--as", "ann")
    assert found.returncode == 0 and found.stderr == ""
    found = vouch("search", "sreial comma", "--as", "ann")
    assert found.stdout.startswith("1. Commas, ")
    assert found.stderr == "Searched for “serial” instead of “sreial”.\n"


def test_search_takes_phrases_and_filters_and_prints_counts(vouch: Vouch, synced: str) -> None:
    said = vouch.ok("search", '"serial comma" type:md', "--as", "ann", "--facets")
    assert "1 document fits." in said and "type\tmd\t1" in said
    assert vouch("search", '"comma serial"', "--as", "ann").returncode == 1
    assert vouch.ok("search", '"comma serial"', "--plain", "--as", "ann").startswith("1. Commas, ")
    (hit,) = _json(vouch, "search", "type:md serial -zebra", "--as", "ann", "--mode", "lexical")["hits"]
    like = vouch("search", "--like", hit["document_id"], "--as", "ann", "--json")
    assert hit["document_id"] not in {one["document_id"] for one in json.loads(like.stdout)["hits"]}
    wrong = vouch("search", "comma before:2025-13-01", "--as", "ann")
    assert wrong.returncode == 2 and "before:2025-13-01" in wrong.stderr and "(query)" in wrong.stderr


def test_access_is_explained_and_a_denial_exits_1(vouch: Vouch, synced: str) -> None:
    document = _json(vouch, "search", "serial comma", "--as", "ann")["hits"][0]["document_id"]
    allowed = vouch.ok("access", "explain", "--user", "ann", "--document", document)
    assert allowed.startswith("user:ann: allowed\n")
    assert "group:writers: user:ann in group:writers" in allowed
    denied = vouch("access", "explain", "--user", "user:ben", "--document", document, "--json")
    assert denied.returncode == 1
    assert json.loads(denied.stdout)["decision"] == "denied"
    assert (
        "group:writers, and the user is none of them"
        in vouch("access", "explain", "--user", "ben", "--document", document).stdout
    )


def test_an_owner_is_told_what_to_look_at_and_verifies_it(vouch: Vouch, synced: str, tmp_path: Path) -> None:
    found = _json(vouch, "report", "staleness", "--as", "ann")
    assert found["counts"]["fresh"] == 1 and found["documents"] == []
    (broken,) = found["quarantined"]
    assert (broken["external_id"], broken["reason"]) == ("broken.pdf", "truncated")
    assert "broken.pdf\ttruncated\t" in vouch.ok("report", "staleness", "--as", "ann", "--owner", "user:ann")
    page = tmp_path / "report.html"
    assert vouch.ok("report", "staleness", "--as", "ann", "--out", str(page)) == f"{page} is written.\n"
    assert page.read_text().startswith("<!DOCTYPE html>") and "broken.pdf" in page.read_text()
    assert "broken.pdf" not in vouch.ok("report", "staleness", "--format", "csv")
    assert vouch("report", "staleness", "--as", "ben", "--owner", "user:ann").returncode == 1
    document = _json(vouch, "search", "serial comma", "--as", "ann")["hits"][0]["document_id"]
    until = (clock.now() + timedelta(days=30)).date().isoformat()
    told = vouch.ok("report", "review", document, "--as", "ann", "--until", until, "--comment", "Still so.")
    assert told == f"Commas: version 1 is verified, review due {until}\n"
    assert _json(vouch, "report", "review", document, "--as", "ann")["review"]["by"] == "user:ann"
    assert vouch("report", "review", document, "--as", "ben").returncode == 1
    assert vouch("report", "review", document, "--as", "ann", "--until", "2001-01-01").returncode == 2


def test_readers_what_is_readable_and_what_changed(vouch: Vouch, synced: str) -> None:
    document = _json(vouch, "search", "serial comma", "--as", "ann")["hits"][0]["document_id"]
    assert vouch.ok("access", "readers", "--document", document) == "user:ann\tgroup:writers\n"
    assert vouch.ok("access", "readable", "--user", "ann").startswith(f"{document}\tcommas.md\t")
    nothing = vouch("access", "readable", "--user", "nobody-here")
    assert (nothing.returncode, nothing.stdout) == (
        1,
        "the user may read nothing\n  the user is not in the directory\n",
    )
    answer = _json(vouch, "ask", "What do writers put before the last item of a list?", "--as", "ann")
    before = _json(vouch, "access", "explain", "--user", "ann", "--document", document)["epoch"]
    assert vouch.ok("access", "replay", answer["answer_id"]).startswith("then: allowed\nnow: allowed\n")

    vouch.ok("directory", "members", "writers", "--remove", "user:ann")
    try:
        assert vouch("access", "readers", "--document", document).stdout == "nobody may read it\n"
        assert f"lost\t{document}\tcommas.md\n" in vouch.ok("access", "changes", "--from", str(before), "--user", "ann")
        lost = vouch.ok("access", "changes", "--from", str(before), "--document", document)
        assert lost == "lost\tuser:ann\t\n"
        assert "user:ann removed in group:writers" in vouch.ok("access", "changes", "--from", str(before))
        replayed = vouch.ok("access", "replay", answer["answer_id"])
        assert replayed.startswith("then: allowed\nnow: denied\n")
        assert json.loads(vouch.ok("access", "replay", answer["answer_id"], "--json"))["now"] == "denied"
    finally:
        vouch.ok("directory", "members", "writers", "--add", "user:ann")
    assert vouch("access", "replay", document).returncode == 1
    assert vouch("access", "changes", "--from", "1", "--user", "ann", "--document", document).returncode == 2


def test_the_directory_is_changed_by_hand(vouch: Vouch, synced: str) -> None:
    vouch.ok("directory", "user", "cho", "--name", "Cho")
    assert vouch("search", "serial comma", "--as", "cho").returncode == 1
    assert _json(vouch, "directory", "members", "writers", "--add", "user:cho")["authz_token"]
    vouch.ok("search", "serial comma", "--as", "cho")
    vouch.ok("directory", "members", "group:writers", "--remove", "user:cho")
    assert vouch("search", "serial comma", "--as", "cho").returncode == 1
    vouch.ok("directory", "group", "short-lived", "--name", "Short-lived", "--member", "user:cho")
    vouch.ok("directory", "group", "short-lived", "--remove")
    vouch.ok("directory", "user", "cho", "--remove")
    assert vouch("search", "serial comma", "--as", "cho").returncode == 1


def test_a_source_is_paused_and_resumed_and_deletions_are_confirmed(vouch: Vouch, synced: str) -> None:
    assert vouch.ok("source", "pause", "style") == "style is paused.\n"
    assert vouch("source", "sync", "style").returncode == 1
    assert _json(vouch, "source", "resume", "style")["state"] == "active"
    assert _json(vouch, "source", "sync", "style", "--confirm-deletions")["kind"] == "full"
    assert vouch("source", "sync", "style", "--access", "--confirm-deletions").returncode == 2


def test_jobs_are_listed_shown_and_watched(vouch: Vouch, synced: str) -> None:
    jobs = _json(vouch, "job", "list", "--source", synced, "--limit", "200")
    first = jobs[-1]["job_id"]
    watched = vouch("job", "watch", first)
    assert watched.returncode == 0
    assert watched.stdout.startswith(f"incremental {first}: succeeded")
    assert "publish\t1\t0\t0\t0\t1" in vouch.ok("job", "show", first).splitlines()
    assert first in vouch.ok("job", "list", "--limit", "200")
    ended = vouch("job", "cancel", first)
    assert ended.returncode == 1
    assert "succeeded already" in ended.stderr
    assert vouch("job", "show", "no-such-job").returncode == 1
    assert _json(vouch, "job", "retry", first)["state"] in ("running", "succeeded")


def test_an_issuer_is_added_listed_and_removed(vouch: Vouch, synced: str, tmp_path: Path) -> None:
    given = ("issuer", "add", "keycloak", "--url", "https://id.example.org/realms/x", "--audience", "vouch")
    assert vouch.ok(*given, "--algorithm", "ES256", "--groups-claim", "groups") == "keycloak is written.\n"
    (row,) = [line for line in vouch.ok("issuer", "list").splitlines() if line.startswith("keycloak\t")]
    assert row.split("\t")[1:6] == ["https://id.example.org/realms/x", "vouch", "ES256", "sub", "groups"]
    (tmp_path / "keys.json").write_text('{"keys": []}')
    (tmp_path / "no.json").write_text("no")
    for wrong in (
        ("--algorithm", "HS256"),
        ("--jwks", str(tmp_path / "keys.json")),
        ("--jwks", str(tmp_path / "no.json")),
    ):
        assert vouch(*given, *wrong).returncode == 2, wrong
    assert _json(vouch, "issuer", "rm", "keycloak")["removed"] == "keycloak"
    assert vouch("issuer", "rm", "keycloak").returncode == 1


def test_a_key_works_within_its_scopes_until_it_is_revoked(vouch: Vouch, synced: str) -> None:
    made = _json(vouch, "key", "create", "test", "--scope", "ask", "--user", "ann", "--expires", "1h")
    mine = {"VOUCH_API_KEY": made["key"]}
    source = _json(vouch, "source", "show", synced)["id"]
    assert vouch("search", "serial comma", "--source", source, **mine).returncode == 0
    refused = vouch("source", "list", "--json", **mine)
    assert refused.returncode == 1
    assert json.loads(refused.stderr)["code"] == "forbidden"
    assert refused.stdout == ""
    assert made["key"] not in vouch.ok("key", "list")
    vouch.ok("key", "revoke", made["id"])
    assert vouch("search", "serial comma", **mine).returncode == 1


def test_the_index_is_verified_and_rebuilt(vouch: Vouch, synced: str) -> None:
    assert vouch.ok("index", "verify").endswith(": clean\n")
    written = _json(vouch, "index", "rebuild")["chunks"]
    report = _json(vouch, "index", "verify")
    assert (report["clean"], report["index_points"]) == (True, written)


def test_kinds_and_settings_are_listed(vouch: Vouch) -> None:
    assert {found["kind"] for found in _json(vouch, "connectors")} >= {"filesystem", "push"}
    settings = {row["variable"]: row for row in _json(vouch, "settings")["settings"]}
    assert settings["VOUCH_DATA_DIR"]["value"] == str(vouch.data_dir)
    secret = vouch("settings", VOUCH_CHAT_API_KEY="do-not-show-this")
    assert "do-not-show-this" not in secret.stdout
    assert "VOUCH_CHAT_API_KEY\t(set)" in secret.stdout


def test_wrong_input_exits_2_with_the_field(vouch: Vouch, tmp_path: Path) -> None:
    missing = vouch("source", "add", "filesystem", "lost", str(tmp_path / "no-such-folder"))
    assert missing.returncode == 2
    assert "no-such-folder" in missing.stderr
    assert "config.path" in missing.stderr
    assert vouch("ask", " ", "--as", "ann").returncode == 2
    assert vouch("source", "sync", "style", "--full", "--access").returncode == 2
    assert vouch("ask", "Who may read?").returncode == 1  # the administrator's key acts for nobody


def test_a_terminal_gets_colour_and_tables(running: Up, synced: str) -> None:
    text = _on_terminal(running, "source", "list")
    assert "NAME" in text
    assert ESCAPE in text
    answer = _on_terminal(running, "ask", "What do writers put before the last item of a list?", "--as", "ann")
    assert "serial comma" in answer
    assert "\x1b[36m" in answer
    assert json.loads(_on_terminal(running, "source", "list", "--json"))
    assert "━" in _on_terminal(running, "source", "sync", synced)


def _on_terminal(running: Up, *arguments: str) -> str:
    """What a person sees."""
    env = {**environment(running.vouch.data_dir), "TERM": "xterm-256color", "COLUMNS": "200"}
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [*COMMAND, *arguments], env)
    found = b""
    try:
        while read := os.read(descriptor, 65536):
            found += read
    except OSError:  # Linux says the end of a terminal so
        pass
    finally:
        os.close(descriptor)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, found
    return found.decode()
