"""``.vouch.yaml``: how folders' rules add up, and that a mistake closes its folder, said with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from acl.mapping import map_acl
from connectors.registry import make_connector
from vouch.core.types import AccessUnknown, Acl, Checkpoint, Clause, RawClause, Refused, Upsert

HR, BOB, MALLORY = "group:hr", "user:bob", "user:mallory"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def scan(root: Path) -> dict[str, Upsert | Refused]:
    changes = list(make_connector("filesystem", {"path": str(root)}).scan(None))
    return {c.external_id: c for c in changes if not isinstance(c, Checkpoint) and isinstance(c, Upsert | Refused)}


def acl_of(root: Path, external_id: str) -> Acl | None:
    change = scan(root)[external_id]
    assert isinstance(change, Upsert)
    return map_acl(change.acl, {"local"}).acl


def fault(root: Path, external_id: str) -> str:
    change = scan(root)[external_id]
    assert isinstance(change, Upsert) and isinstance(change.acl, AccessUnknown)
    return change.acl.detail


def test_a_folder_adds_its_clause_to_its_parents(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            ".vouch.yaml": "access: {allow: [authenticated], deny: [user:mallory]}\n"
            "owner: user:carol\nreview_every: 180d\n",
            "top.md": "x",
            "people/.vouch.yaml": "access:\n  allow:\n    - group:hr\n",
            "people/pay/bands.md": "x",
            "fresh/.vouch.yaml": "inherit: false\naccess: {allow: [user:bob]}\nowner: group:hr\n",
            "fresh/note.md": "x",
            "closed/.vouch.yaml": "inherit: no\n",
            "closed/note.md": "x",
        },
    )
    everyone = Clause.of(["authenticated"], [MALLORY])
    assert acl_of(tmp_path, "top.md") == (everyone,)
    assert acl_of(tmp_path, "people/pay/bands.md") == (everyone, Clause.of([HR]))
    assert acl_of(tmp_path, "fresh/note.md") == (Clause.of([BOB]),)
    assert acl_of(tmp_path, "closed/note.md") is None
    changes = scan(tmp_path)
    bands, note = changes["people/pay/bands.md"], changes["fresh/note.md"]
    assert isinstance(bands, Upsert) and isinstance(note, Upsert)
    assert (bands.owner, bands.review_every) == ("user:carol", "180d")
    assert (note.owner, note.review_every) == (HR, "180d")


def test_no_clause_anywhere_means_nobody(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.md": "x", "b/.vouch.yaml": "owner: user:bob\n", "b/b.md": "x", "c/.vouch.yaml": "", "c/c.md": "x"}
    )
    assert [acl_of(tmp_path, name) for name in ("a.md", "b/b.md", "c/c.md")] == [None, None, None]


def test_a_file_has_its_own_entry(tmp_path: Path) -> None:
    rules = """
access: {allow: [authenticated]}
owner: user:carol
files:
  travel-2024.md:
    {owner: "user:dave", review_every: 90d, title: "Travel  policy", supersedes: [travel-2021.md, ../old/x.md]}
  pay.md: {access: {allow: [group:hr]}}
  board.md: {inherit: false, access: {allow: [user:bob]}}
"""
    names = ("travel-2024.md", "travel-2021.md", "pay.md", "board.md", "deeper/pay.md")
    write(tmp_path, {"fin/.vouch.yaml": rules, **{f"fin/{name}": "x" for name in names}})
    travel = scan(tmp_path)["fin/travel-2024.md"]
    assert isinstance(travel, Upsert)
    assert (travel.owner, travel.review_every, travel.title) == ("user:dave", "90d", "Travel policy")
    assert travel.supersedes == ("fin/travel-2021.md", "old/x.md")
    everyone = Clause.of(["authenticated"])
    assert acl_of(tmp_path, "fin/pay.md") == (everyone, Clause.of([HR]))
    assert acl_of(tmp_path, "fin/board.md") == (Clause.of([BOB]),)
    assert acl_of(tmp_path, "fin/deeper/pay.md") == (everyone,), "an entry holds in its own folder alone"


def test_an_entry_for_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    write(
        tmp_path, {".vouch.yaml": "files:\n  gone.md: {owner: user:bob}\n  sub: {owner: user:bob}\n", "sub/x.md": "x"}
    )
    changes = scan(tmp_path)
    assert changes["gone.md"] == Refused("gone.md", "missing", ".vouch.yaml, line 2 names a file that is not here")
    assert isinstance(changes["sub"], Refused)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("owner: user:bob\nacces: {allow: [group:hr]}\n", 2, "acces"),
        ("access:\n  allow: [group:hr]\n  dney: [user:bob]\n", 3, "access.dney"),
        ("access: {deny: [user:bob]}\n", 1, "access.allow"),
        ("\naccess: group:hr\n", 2, "access"),
        ("access:\n  allow: group:hr\n", 2, "access.allow"),
        ("access:\n  allow: [[group:hr]]\n", 2, "access.allow"),
        ("access:\n  allow: [~]\n", 2, "access.allow"),
        ("inherit: maybe\n", 1, "inherit"),
        ("inherit: 'false'\n", 1, "inherit"),
        ("owner: carol\n", 1, "owner"),
        ("owner: authenticated\n", 1, "owner"),
        ("owner: user:bob\nreview_every: half a year\n", 2, "review_every"),
        ("files:\n  a.md: {expire_after: never}\n", 2, "files.a.md.expire_after"),
        ("stale_after: 0d\n", 1, "stale_after"),
        ("owner: user:bob\nowner: user:carol\n", 2, "owner"),
        ("- access\n", 1, ".vouch.yaml"),
        ("access: {allow: [group:hr]\nowner: user:bob\n", 2, ".vouch.yaml"),
        ("access: !!python/object:os.system {}\n", 1, "access.allow"),
        ("files:\n  - a.md\n", 2, "files"),
        ("files:\n  a.md: {files: {}}\n", 2, "files.a.md.files"),
        ("files:\n  sub/a.md: {owner: user:bob}\n", 2, "files.sub/a.md"),
        ("files:\n  a.md:\n    title: ''\n", 3, "files.a.md.title"),
        ("files:\n  a.md:\n    supersedes: b.md\n", 3, "files.a.md.supersedes"),
        ("files:\n  a.md:\n    supersedes: [../../b.md]\n", 3, "files.a.md.supersedes"),
        ("files:\n  a.md:\n    supersedes: [/etc/passwd]\n", 3, "files.a.md.supersedes"),
        ("files:\n  a.md:\n    supersedes: [a.md]\n", 3, "files.a.md.supersedes"),
        ("files:\n  a.md:\n    access: {allow: [group:hr]}\n    acess: {}\n", 4, "files.a.md.acess"),
        ("? [a, b]\n: c\n", 1, ".vouch.yaml"),
        ("a: &a [*a]\n", 1, "a"),
        ("\x00\n", 1, ".vouch.yaml"),
        ("#" * 300_000, 1, ".vouch.yaml"),
    ],
)
def test_a_mistake_closes_the_folder_and_what_is_below_it(tmp_path: Path, text: str, line: int, field: str) -> None:
    write(
        tmp_path,
        {
            ".vouch.yaml": "access: {allow: [authenticated]}\nowner: user:carol\n",
            "aaa.md": "not below it",
            "docs/.vouch.yaml": text,
            "docs/a.md": "x",
            "docs/deep/b.md": "x",
            "docs/afresh/.vouch.yaml": "inherit: false\naccess: {allow: [authenticated]}\n",
            "docs/afresh/c.md": "x",
        },
    )
    changes = scan(tmp_path)
    assert acl_of(tmp_path, "aaa.md") == (Clause.of(["authenticated"]),)
    for name in ("docs/a.md", "docs/deep/b.md", "docs/afresh/c.md"):
        change = changes[name]
        assert isinstance(change, Upsert) and isinstance(change.acl, AccessUnknown)
        assert change.acl.reason == "rules_broken"
        assert change.acl.detail.startswith(f"docs/.vouch.yaml, line {line}: {field}")
        assert acl_of(tmp_path, name) is None


def test_what_an_entry_means_is_not_decided_by_reading_it(tmp_path: Path) -> None:
    rules = "access:\n  allow: [group:hr, group:okta/x]\n  deny: ['*', alice@example.org]\n"
    write(tmp_path, {"docs/.vouch.yaml": rules, "docs/a.md": "x"})
    change = scan(tmp_path)["docs/a.md"]
    assert isinstance(change, Upsert)
    where = "docs/.vouch.yaml, line 2, access"
    assert change.acl == (RawClause((HR, "group:okta/x"), ("*", "alice@example.org"), where),)


@pytest.mark.parametrize("name", [".vouch.yml", ".Vouch.yaml"])
def test_rules_under_another_name_are_not_overlooked(tmp_path: Path, name: str) -> None:
    write(tmp_path, {f"docs/{name}": "access: {allow: [group:hr]}\n", "docs/a.md": "x"})
    assert "called .vouch.yaml" in fault(tmp_path, "docs/a.md")


def test_rules_that_are_a_link_or_no_text_close_the_folder(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("access: {allow: [authenticated]}\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("x")
    (tmp_path / "docs" / ".vouch.yaml").symlink_to(tmp_path / "real.yaml")
    assert "cannot be read" in fault(tmp_path, "docs/a.md")
    (tmp_path / "docs" / ".vouch.yaml").unlink()
    (tmp_path / "docs" / ".vouch.yaml").write_bytes(b"owner: \xff\xfe")
    assert "not UTF-8" in fault(tmp_path, "docs/a.md")
