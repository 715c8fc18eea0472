"""The git connector: what it offers of a commit, what differs since another, and what it refuses."""

from __future__ import annotations

import shutil
import zlib
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from dulwich.objects import Tree

from connectors.git.objects import Objects
from connectors.registry import make_connector
from tests.connectors.git.repository import LINK, SUBMODULE, Repository
from vouch.core.errors import BadConfig, CursorExpired, DocumentRejected, NotFound
from vouch.core.types import Change, Checkpoint, RawClause, Refused, Upsert

STAFF = {"paths": ["*"], "clauses": [{"allow": ["group:staff"]}]}


@pytest.fixture
def made(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "handbook.git")


def scan(made: Repository, cursor: str | None = None, **config: Any) -> dict[str, Change]:
    connector = make_connector("git", {"path": str(made.path), **config})
    changes = list(connector.scan(None if cursor is None else {"commit": cursor}))
    if changes and cursor != (made.head or b"").decode():
        assert isinstance(changes[-1], Checkpoint)
        assert changes.pop().cursor == {"commit": (made.head or b"").decode()}  # type: ignore[union-attr]
    named = {c.external_id: c for c in changes if not isinstance(c, Checkpoint)}
    assert len(named) == len(changes)
    return named


def kinds(changes: dict[str, Change]) -> dict[str, str]:
    return {name: c.reason if isinstance(c, Refused) else type(c).__name__ for name, c in changes.items()}


def hour(n: int) -> datetime:
    return datetime.fromtimestamp(1_700_000_000 + 3600 * n, UTC)


def test_a_whole_scan_names_every_file_with_its_blob_and_the_commit_that_touched_it_last(made: Repository) -> None:
    made.commit({"a.md": b"one", "hr/pay plan.md": b"pay"})
    made.commit({"b.md": b"two"})
    made.commit({"a.md": b"one, edited"})
    found = scan(made, base_url="https://files.example.org/handbook/")
    assert kinds(found) == {"a.md": "Upsert", "b.md": "Upsert", "hr/pay plan.md": "Upsert"}
    pay = found["hr/pay plan.md"]
    assert isinstance(pay, Upsert)
    assert pay.uri == "https://files.example.org/handbook/hr/pay%20plan.md" and pay.mime == "text/markdown"
    assert pay.fingerprint == made.blob(b"pay").decode()
    assert {name: c.modified_at for name, c in found.items() if isinstance(c, Upsert)} == {
        "a.md": hour(3), "b.md": hour(2), "hr/pay plan.md": hour(1)
    }  # fmt: skip


def test_from_a_commit_only_what_differs_is_named(made: Repository) -> None:
    first = made.commit({f"f{n}.md": b"x" * n for n in range(20)} | {"old.md": b"moved"})
    made.commit({"f3.md": b"edited"})
    made.commit({"new.md": b"moved", "old.md": None})
    found = scan(made, first)
    assert kinds(found) == {"f3.md": "Upsert", "new.md": "Upsert", "old.md": "Deleted"}
    edited = found["f3.md"]
    assert isinstance(edited, Upsert) and edited.modified_at == hour(2)
    assert scan(made, (made.head or b"").decode()) == {}


def test_n_changes_of_many_files_read_objects_of_n_and_not_of_many(
    made: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"d{n % 50}/f{n}.md": f"{n}".encode() for n in range(2000)}
    first = made.commit(many)
    made.commit({"d7/f7.md": b"edited"})
    read = 0
    real = Objects.__getitem__

    def counted(self: Objects, sha: Any) -> Any:
        nonlocal read
        read += 1
        return real(self, sha)

    monkeypatch.setattr(Objects, "__getitem__", counted)
    assert kinds(scan(made, first)) == {"d7/f7.md": "Upsert"}
    assert read < 40


def test_a_file_that_becomes_a_folder_a_link_or_another_file_is_told_once(made: Repository) -> None:
    first = made.commit({"a": b"file", "b.md": b"file", "c/d.md": b"in a folder"})
    made.commit({"a": None, "c/d.md": None})
    made.commit({"a/x.md": b"below", "c": b"a file now"})
    made.commit({"b.md": b"elsewhere.md"}, mode=LINK)
    assert kinds(scan(made, first)) == {
        "a": "Deleted", "a/x.md": "Upsert", "b.md": "symlink", "c": "Upsert", "c/d.md": "Deleted"
    }  # fmt: skip


def test_links_submodules_pointers_large_files_and_odd_names_are_refused(made: Repository) -> None:
    made.commit({"real.md": b"x", "big.bin": b"\0" * ((1 << 20) + 1)})
    made.commit({"out.md": b"/etc/passwd"}, mode=LINK)
    made.commit({"vendored": b"0" * 40}, mode=SUBMODULE)
    made.commit({"film.md": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"})
    made.commit({b"bad\xff.md": b"x", "spoof\u202egm.md": b"x", "line\nbreak.md": b"x"})
    found = scan(made, max_file_mb=1)
    assert kinds(found) == {
        "real.md": "Upsert", "big.bin": "too_large", "out.md": "symlink", "vendored": "submodule",
        "film.md": "lfs_pointer", "bad\\\\xff.md": "unreadable_name", "spoof\\u202egm.md": "unreadable_name",
        "line\\nbreak.md": "unreadable_name",
    }  # fmt: skip
    connector = make_connector("git", {"path": str(made.path), "max_file_mb": 1})
    for name in ("out.md", "vendored", "no.md", "real.md/x", "", "../real.md", "vendored/x"):
        with pytest.raises(NotFound):
            connector.fetch(name)
    with pytest.raises(DocumentRejected) as refused:
        connector.fetch("big.bin")
    assert refused.value.reason == "too_large"


def test_what_is_hidden_or_not_wanted_is_neither_named_nor_fetched(made: Repository) -> None:
    first = made.commit({"a.md": b"x", "a.py": b"x", ".github/a.md": b"x", "old/a.md": b"x", ".vouch.yaml": b"x"})
    config = {"include": ["*.md"], "exclude": ["old/*"]}
    assert set(scan(made, **config)) == {"a.md"}
    assert set(scan(made, hidden=True)) == {"a.md", "a.py", ".github/a.md", "old/a.md"}
    with pytest.raises(NotFound):
        make_connector("git", {"path": str(made.path), **config}).fetch("a.py")
    made.commit({"a.py": None, "old/a.md": None, ".github/a.md": b"y"})
    assert scan(made, first, **config) == {}


def test_access_is_declared_by_path_and_nothing_that_is_pushed_opens_anything(made: Repository) -> None:
    made.commit(
        {"a.md": b"x", "hr/pay.md": b"x", "inbox/n.md": b"x", ".vouch.yaml": b"access: {allow: [authenticated]}\n"}
    )
    rules = [
        {"paths": ["inbox/*"], "clauses": []},
        {"paths": ["hr/*"], "clauses": [{"allow": ["group:staff"]}, {"allow": ["group:hr"], "deny": ["user:bob"]}]},
        STAFF,
    ]
    acls = {name: c.acl for name, c in scan(made, access=rules).items() if isinstance(c, Upsert)}
    staff = RawClause(("group:staff",), (), "config.access.1")
    assert acls == {
        "a.md": (RawClause(("group:staff",), (), "config.access.2"),),
        "hr/pay.md": (staff, RawClause(("group:hr",), ("user:bob",), "config.access.1")),
        "inbox/n.md": None,
    }
    assert all(c.acl is None for c in scan(made).values() if isinstance(c, Upsert))


def test_owners_are_those_that_the_configuration_maps_and_never_a_guess(made: Repository) -> None:
    known = {"@acme/hr": "group:hr", "carol@example.org": "user:carol"}
    first = made.commit({"CODEOWNERS": b"*.md carol@example.org\nhr/ @ghost @acme/hr\n/x.md @alice\n"})
    made.commit({"a.md": b"x", "hr/pay.md": b"x", "x.md": b"x"})
    found = scan(made, owners=known, exclude=["CODEOWNERS"])
    owners = {name: c.owner for name, c in found.items() if isinstance(c, Upsert)}
    assert owners == {"a.md": "user:carol", "hr/pay.md": "group:hr", "x.md": None}
    assert set(scan(made, first, owners=known)) == {"a.md", "hr/pay.md", "x.md"}
    before = (made.head or b"").decode()
    made.commit({"CODEOWNERS": b"*.md @acme/hr\n"})
    with pytest.raises(CursorExpired):
        scan(made, before, owners=known)
    assert set(scan(made, before)) == {"CODEOWNERS"}, "without a mapping nobody looks at it"


def test_a_commit_that_is_gone_expires_the_cursor_and_one_that_was_left_behind_does_not(made: Repository) -> None:
    first = made.commit({"a.md": b"x"})
    abandoned = made.commit({"a.md": b"y", "b.md": b"y"})
    made.files = {b"a.md": made.files[b"a.md"]}
    made.commit({"a.md": b"z"}, parents=[first.encode()])
    assert kinds(scan(made, abandoned)) == {"a.md": "Upsert", "b.md": "Deleted"}
    for gone in ("0" * 40, "", "x", made.blob(b"no commit").decode()):
        with pytest.raises(CursorExpired):
            scan(made, gone)


def test_a_merge_touches_what_differs_from_both_sides(made: Repository) -> None:
    base = made.commit({"a.md": b"1", "b.md": b"1", "c.md": b"1"})
    files = dict(made.files)
    left = made.commit({"a.md": b"2"})
    merged = dict(made.files)
    made.files = files
    right = made.commit({"b.md": b"2"}, parents=[base.encode()])
    made.files = merged
    made.commit({"b.md": b"2", "c.md": b"by hand"}, parents=[left.encode(), right.encode()])
    dates = {name: c.modified_at for name, c in scan(made).items() if isinstance(c, Upsert)}
    assert dates == {"a.md": hour(2), "b.md": hour(3), "c.md": hour(4)}
    assert kinds(scan(made, left)) == {"b.md": "Upsert", "c.md": "Upsert"}


def test_a_repository_without_its_older_history_has_no_dates_of_it(made: Repository) -> None:
    first = made.commit({"old.md": b"x"})
    made.commit({"new.md": b"x"})
    made.commit({"newer.md": b"x"})
    (made.path / "objects" / first[:2] / first[2:]).unlink()
    dates = {name: c.modified_at for name, c in scan(made).items() if isinstance(c, Upsert)}
    assert dates["old.md"] is None and dates["newer.md"] == hour(3)


def test_a_ref_is_a_branch_a_tag_or_the_whole_name(made: Repository) -> None:
    made.commit({"a.md": b"1"})
    made.tag("v1")
    made.commit({"b.md": b"1"}, ref="refs/heads/draft/x")
    path = str(made.path)
    for ref, names in {"v1": {"a.md"}, "main": {"a.md"}, "HEAD": {"a.md"}, "draft/x": {"a.md", "b.md"}}.items():
        found = make_connector("git", {"path": path, "ref": ref}).scan(None)
        assert {c.external_id for c in found if isinstance(c, Upsert)} == names
    found = make_connector("git", {"path": f"file://{path}", "ref": "refs/heads/draft/x"}).scan(None)
    assert len(list(found)) == 3


def test_sizes_are_known_without_unpacking_also_of_differences(made: Repository) -> None:
    letters = Random(7).choices(range(256), [1 + n * n % 97 for n in range(256)], k=40_000)
    sizes = {}
    for n in range(6):
        data = bytes(letters[: 20_000 + n * 3_000])  # a difference of thousands of letters begins with tables
        made.commit({"grows.md": data})
        sizes[made.blob(data)] = len(data)
    loose = Objects(made.repo)
    assert {sha: loose.size(sha) for sha in sizes} == sizes  # type: ignore[arg-type]
    made.pack()
    packed = Objects(made.repo)
    (pack,) = made.repo.object_store.packs
    assert any(entry.delta_base is not None for entry in pack.data.iter_unpacked())
    assert {path.parent.name for path in (made.path / "objects").rglob("*") if path.is_file()} == {"pack"}
    assert {sha: packed.size(sha) for sha in sizes} == sizes  # type: ignore[arg-type]
    assert make_connector("git", {"path": str(made.path)}).fetch("grows.md").data == bytes(letters[:35_000])


def test_an_object_that_unpacks_to_gigabytes_is_never_unpacked(made: Repository) -> None:
    made.commit({"a.md": b"x", "bomb.md": b"small"})
    sha = made.blob(b"small").decode()
    squeezed = zlib.compressobj()
    lie = squeezed.compress(b"blob %d\0" % (1 << 40)) + squeezed.compress(bytes(1 << 20)) + squeezed.flush()
    path = made.path / "objects" / sha[:2] / sha[2:]
    path.chmod(0o600)
    path.write_bytes(lie)
    assert kinds(scan(made)) == {"a.md": "Upsert", "bomb.md": "too_large"}
    with pytest.raises(DocumentRejected):
        make_connector("git", {"path": str(made.path)}).fetch("bomb.md")


def test_folders_that_hold_one_another_do_not_fill_the_memory(made: Repository) -> None:
    store = made.repo.object_store
    tree = Tree()
    tree.add(b"f.md", 0o100644, made.blob(b"x"))  # type: ignore[arg-type]
    store.add_object(tree)
    for _ in range(9):
        outer = Tree()
        for n in range(10):
            outer.add(b"d%d" % n, 0o040000, tree.id)
        store.add_object(outer)
        tree = outer
    made.commit({"a.md": b"x"})
    commit = store[made.head]  # type: ignore[index]
    commit.tree = tree.id  # type: ignore[attr-defined]
    store.add_object(commit)
    made.repo.refs[b"refs/heads/main"] = commit.id  # type: ignore[index]
    with pytest.raises(BadConfig) as refused:
        list(make_connector("git", {"path": str(made.path), "max_files": 500}).scan(None))
    assert refused.value.field == "config.max_files"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"path": "https://files.example.org/x.git"}, "config.path"),
        ({"path": "ssh://git@files.example.org/x.git"}, "config.path"),
        ({"path": "git@files.example.org:x.git"}, "config.path"),
        ({"path": "files.example.org:x.git"}, "config.path"),
        ({"path": "ext::sh -c true"}, "config.path"),
        ({"path": "file://files.example.org/x.git"}, "config.path"),
        ({"path": "/no/such/place"}, "config.path"),
        ({"path": "/tmp"}, "config.path"),
        ({"path": "a\x00b"}, "config.path"),
        ({"ref": "no-such-branch"}, "config.ref"),
        ({"ref": "../../config"}, "config.ref"),
        ({"access": [{"paths": ["*"], "clauses": [{"allow": ["c@example.org"]}]}]}, "config.access.0.clauses.0.allow"),
        ({"access": [{"paths": ["*"], "clauses": [{"deny": ["user:bob"]}]}]}, "config.access.0.clauses.0.allow"),
        ({"access": [{"paths": [], "clauses": []}]}, "config.access.0.paths"),
        ({"owners": {"@hr": "authenticated"}}, "config.owners.@hr"),
        ({"owners": {"@hr": "hr"}}, "config.owners.@hr"),
        ({"max_files": 0}, "config.max_files"),
        ({"base_url": "javascript:x"}, "config.base_url"),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_work_names_its_field(made: Repository, config: dict[str, Any], field: str) -> None:
    made.commit({"a.md": b"x"})
    with pytest.raises(BadConfig) as refused:
        make_connector("git", {"path": str(made.path), **config})
    assert refused.value.field == field


def test_a_repository_that_went_away_is_an_error_and_not_an_empty_source(made: Repository) -> None:
    made.commit({"a.md": b"x"})
    connector = make_connector("git", {"path": str(made.path)})
    shutil.rmtree(made.path)
    with pytest.raises(BadConfig):
        list(connector.scan(None))
    with pytest.raises(BadConfig):
        connector.fetch("a.md")
