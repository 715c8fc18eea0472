"""Owner, group, mode and access control lists as clauses: never more than POSIX lets in, and hardly less."""

from __future__ import annotations

import os
import pwd
import stat
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.accounts import Accounts, People
from connectors.filesystem import posix
from connectors.filesystem.posix import ENTER, READ, Posix
from connectors.registry import make_connector
from tests.connectors.seen import members
from vouch.core.errors import BadConfig
from vouch.core.types import AccessUnknown, RawClause, Upsert

ME = pwd.getpwuid(os.getuid()).pw_name
GROUP = posix._group_name(os.getgid())
USERS = range(40_000, 40_004)
GROUPS = range(50_000, 50_003)
EVERYONE = "group:nas/everyone.unix"


def made(**people: Any) -> Posix:
    return Posix(Accounts("nas", People(**people)), None)


def who(id: int) -> str:
    return Accounts("nas", People()).account(f"+{id}")


def group(id: int) -> str:
    return Accounts("nas", People()).group("unix", f"+{id}")


def packed(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def info(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


def by_acl(user: int, groups: Sequence[int], entries: Sequence[tuple[int, int, int]], needed: int) -> bool:
    """The access check algorithm of acl(5), written down again."""
    mask = next((bits for tag, bits, _ in entries if tag == posix._MASK), 7)
    for tag, bits, id in entries:
        if tag == posix._USER_OBJ and id == user:
            return bool(bits & needed)
    for tag, bits, id in entries:
        if tag == posix._USER and id == user:
            return bool(bits & mask & needed)
    of_groups = [bits for tag, bits, id in entries if tag in (posix._GROUP_OBJ, posix._GROUP) and id in groups]
    if of_groups:
        return any(bits & mask & needed for bits in of_groups)
    return any(bits & needed for tag, bits, _ in entries if tag == posix._OTHER)


def lets_in(clause: RawClause, principals: set[str]) -> bool:
    return bool(principals & set(clause.allow)) and not principals & set(clause.deny)


BITS = st.integers(0, 7)
NAMED = st.lists(
    st.tuples(st.just(posix._USER), BITS, st.sampled_from(USERS))
    | st.tuples(st.just(posix._GROUP), BITS, st.sampled_from(GROUPS)),
    max_size=4,
    unique_by=lambda entry: (entry[0], entry[2]),
)


@given(
    owners=st.tuples(st.sampled_from(USERS), st.sampled_from(GROUPS)),
    bits=st.tuples(BITS, BITS, BITS, BITS),
    named=NAMED,
    groups=st.sets(st.sampled_from(GROUPS)),
    needed=st.sampled_from((READ, ENTER)),
)
def test_nobody_is_let_in_whom_posix_keeps_out(
    owners: tuple[int, int],
    bits: tuple[int, int, int, int],
    named: list[tuple[int, int, int]],
    groups: set[int],
    needed: int,
) -> None:
    entries = [(posix._USER_OBJ, bits[0], owners[0]), (posix._GROUP_OBJ, bits[1], owners[1]), *named]
    entries += [(posix._MASK, bits[2], 0)] if named else []
    entries.append((posix._OTHER, bits[3], 0))
    clause = made()._clause(needed, entries)
    for user in USERS:
        principals = {who(user), EVERYONE, *map(group, groups)}
        wanted, found = by_acl(user, sorted(groups), entries, needed), lets_in(clause, principals)
        assert wanted or not found
        if wanted and not found:  # narrower only where one class lets in and a group of theirs does not
            assert principals & set(clause.deny) & {group(id) for id in groups}


@pytest.mark.parametrize(
    ("mode", "allow", "deny"),
    [
        (0o640, {who(USERS[0]), group(GROUPS[0])}, set()),
        (0o644, {who(USERS[0]), group(GROUPS[0]), EVERYONE}, set()),
        (0o600, {who(USERS[0])}, {group(GROUPS[0])}),
        (0o040, {group(GROUPS[0])}, {who(USERS[0])}),
        (0o004, {EVERYONE}, {who(USERS[0]), group(GROUPS[0])}),
        (0o000, set(), set()),
    ],
    ids=["640", "644", "600", "040", "004", "000"],
)
def test_a_mode_is_three_classes(mode: int, allow: set[str], deny: set[str], tmp_path: Path) -> None:
    levels = made().level((), info(mode, USERS[0], GROUPS[0]), str(tmp_path), READ)
    assert not isinstance(levels, AccessUnknown)
    [clause] = levels
    assert (set(clause.allow), set(clause.deny)) == (allow, deny)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    (folder / "hr").mkdir(parents=True)
    (folder / "hr" / "pay.md").write_text("Pay is on the 25th.")
    (folder / "open.md").write_text("Doors open at eight.")
    for path, mode in ((folder, 0o755), (folder / "hr", 0o750), (folder / "hr" / "pay.md", 0o644)):
        path.chmod(mode)
    (folder / "open.md").chmod(0o644)
    return folder


def scanned(folder: Path, **config: Any) -> dict[str, Upsert]:
    told = make_connector("filesystem", {"path": str(folder), "access": "posix", "issuer": "nas", **config}).scan(None)
    return {change.external_id: change for change in told if isinstance(change, Upsert)}


def test_a_file_takes_every_folder_on_the_way(folder: Path) -> None:
    found = scanned(folder)
    me, mine = f"group:nas/account.{ME}", f"group:nas/unix.{GROUP}"
    everyone, inside = RawClause((me, mine, EVERYONE), (), "mode"), RawClause((me, mine), (), "mode")
    assert found["open.md"].acl == (everyone,)
    assert found["hr/pay.md"].acl == (everyone, inside), "the file itself is for everyone, its folder is not"


def test_a_mode_that_changes_changes_access_and_not_the_content(folder: Path) -> None:
    before = scanned(folder)["open.md"]
    (folder / "open.md").chmod(0o600)
    after = scanned(folder)["open.md"]
    assert after.fingerprint == before.fingerprint and after.acl != before.acl
    assert isinstance(after.acl, tuple) and after.acl[-1].allow == (f"group:nas/account.{ME}",)


def test_a_list_is_read_and_its_mask_holds(folder: Path) -> None:
    entries = [(posix._USER_OBJ, 6, 0xFFFFFFFF), (posix._USER, 4, USERS[1]), (posix._USER, 2, USERS[2])]
    entries += [(posix._GROUP_OBJ, 6, 0xFFFFFFFF), (posix._GROUP, 4, GROUPS[1]), (posix._MASK, 4, 0xFFFFFFFF)]
    try:
        os.setxattr(folder / "open.md", posix._ACL, packed(*entries, (posix._OTHER, 0, 0xFFFFFFFF)))
    except OSError as error:
        pytest.fail(f"the file system of the tests keeps no access control lists: {error}")
    acl = scanned(folder)["open.md"].acl
    assert isinstance(acl, tuple)
    mine = {f"group:nas/account.{ME}", f"group:nas/unix.{GROUP}"}
    assert set(acl[-1].allow) == {*mine, who(USERS[1]), group(GROUPS[1])} and set(acl[-1].deny) == {who(USERS[2])}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (posix._ACL, b"\x03\x00\x00\x00"),
        (posix._ACL, packed((posix._USER_OBJ, 6, 0))),
        (posix._ACL, packed((1, 6, 0), (4, 6, 0), (0x20, 0, 0), (0x40, 7, 0))),
        (posix._ACL, b"\x02"),
        ("system.nfs4_acl", b"anything"),
    ],
    ids=["another version", "no group", "an entry of another kind", "cut off", "another system's"],
)
def test_a_list_that_cannot_be_followed_lets_nobody_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes
) -> None:
    def attribute(place: int | str, asked: str) -> bytes | None:
        return data if asked == name and str(place).endswith("/open.md") else None

    monkeypatch.setattr(posix, "_attribute", attribute)
    found = scanned(folder)
    assert isinstance(found["open.md"].acl, AccessUnknown) and isinstance(found["hr/pay.md"].acl, tuple)


def test_rules_narrow_what_the_mode_lets_in(folder: Path) -> None:
    (folder / ".vouch.yaml").write_text("access: {allow: [group:staff]}\nowner: user:carol\n")
    found = scanned(folder)["open.md"]
    assert found.owner == "user:carol" and isinstance(found.acl, tuple)
    assert [clause.allow for clause in found.acl][-1] == ("group:staff",) and len(found.acl) == 2
    (folder / ".vouch.yaml").write_text("acces: {}\n")
    assert isinstance(scanned(folder)["open.md"].acl, AccessUnknown)


def test_everybody_else_is_whom_the_configuration_says(folder: Path) -> None:
    acl = scanned(folder, others="authenticated")["open.md"].acl
    assert isinstance(acl, tuple) and "authenticated" in acl[0].allow


def test_accounts_groups_and_everyone_are_told(folder: Path) -> None:
    config = {"path": str(folder), "access": "posix", "issuer": "nas", "people": {"named": {ME: "user:carol"}}}
    told = members(make_connector("filesystem", config))
    me = f"group:nas/account.{ME}"
    assert {(me, "user:carol"), (EVERYONE, me), (f"group:nas/unix.{GROUP}", me)} <= told
    assert not any(member.startswith("user:") for group, member in told if group != me)


@pytest.mark.parametrize(
    "config",
    [{"access": "posix"}, {"issuer": "nas"}, {"others": "authenticated"}, {"access": "posix", "others": "everybody"}],
    ids=["no issuer", "issuer alone", "others alone", "nobody's name"],
)
def test_a_configuration_that_says_half_is_refused(folder: Path, config: dict[str, Any]) -> None:
    with pytest.raises(BadConfig):
        make_connector("filesystem", {"path": str(folder), **config})
