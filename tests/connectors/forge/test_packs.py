"""Packs that somebody else's server sent, also those that were made to do harm."""

from __future__ import annotations

import io
import random
import tracemalloc

import pytest
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import Blob
from dulwich.pack import write_pack_objects

from connectors.forge.files import Entry
from connectors.forge.packs import Pack
from connectors.forge.trees import entries
from tests.connectors.forge.packing import (
    BLOB,
    COMMIT,
    OFS,
    REF,
    TREE,
    commit,
    copy,
    delta,
    distance,
    entry,
    head,
    named,
    pack,
    tree,
)
from vouch.core.errors import SourceRefuses, Unavailable

MOST = 4 << 20
PAGE = bytes(range(200)) * 40
PAGE_ID = named("blob", PAGE)


def read(data: bytes, most: int = MOST) -> Pack:
    return Pack(data, "github.example.org", most)


def test_what_git_writes_is_read_also_where_it_is_told_as_a_difference() -> None:
    chance = random.Random(1)
    lines = [f"line {chance.random()}" for _ in range(300)]
    texts = []
    for n in range(60):
        lines[n * 5] = f"changed {chance.random()}"
        texts.append("\n".join([*lines, str(n)] if n % 2 else lines[n:]).encode())
    texts += [b"", bytes(chance.randbytes(300_000))]
    written = io.BytesIO()
    blobs = [(Blob.from_string(text), None) for text in texts]
    write_pack_objects(written.write, blobs, DEFAULT_OBJECT_FORMAT, deltify=True)
    found = read(written.getvalue())
    assert len(written.getvalue()) < sum(map(len, texts)) // 2 and len(found) == len(texts)
    for text in texts:
        assert named("blob", text) in found and found.size(named("blob", text)) == len(text)
        assert found.read(named("blob", text), "blob") == text


def test_chains_of_differences_are_followed_whichever_way_they_name_their_base() -> None:
    first = entry(BLOB, PAGE)
    second = PAGE[:150] + b"!"
    by_place = entry(OFS, delta(len(PAGE), 151, copy(0, 150), b"\1!"), base=distance(len(first)))
    base = bytes.fromhex(named("blob", second))
    by_id = entry(REF, delta(151, 52, b"\1<", copy(100, 50), b"\1" + PAGE[150:151]), base=base)
    third = b"<" + second[100:150] + PAGE[150:151]
    found = read(pack(first, by_place, by_id))
    assert found.read(named("blob", second), "blob") == second
    assert found.read(named("blob", third), "blob") == third
    before = read(pack(by_id, entry(BLOB, second)))  # a base that comes after what differs from it
    assert before.read(named("blob", third), "blob") == third


@pytest.mark.parametrize("cut", [0, 11, 31, 40, -21, -20, -1])
def test_a_part_of_a_pack_is_worth_another_try(cut: int) -> None:
    with pytest.raises(Unavailable):
        read(pack(entry(BLOB, PAGE))[:cut])


HOSTILE = {
    "no pack": pack(entry(BLOB, PAGE), magic=b"JUNK\0\0\0\2"),
    "another version": pack(entry(BLOB, PAGE), magic=b"PACK\0\0\0\7"),
    "too many objects": pack(entry(BLOB, PAGE), count=10_000_000),
    "more objects than there are": pack(entry(BLOB, PAGE), count=2),
    "fewer objects than there are": pack(entry(BLOB, PAGE), more=b"\0"),
    "larger than it says": pack(entry(BLOB, PAGE, size=10)),
    "smaller than it says": pack(entry(BLOB, PAGE, size=len(PAGE) + 1)),
    "says that it is vast": pack(entry(BLOB, PAGE, size=1 << 60)),
    "a size without an end": pack(b"\xb0" + b"\xff" * 40),
    "not compressed": pack(head(BLOB, 9) + b"not deflated at all"),
    "no such kind": pack(entry(5, PAGE)),
    "kind nought": pack(entry(0, PAGE)),
    "no base": pack(entry(REF, delta(1, 1, b"\1x"), base=b"\1" * 20)),
    "its own base": pack(entry(OFS, delta(1, 1, b"\1x"), base=b"\0")),
    "a base before the beginning": pack(entry(OFS, delta(1, 1, b"\1x"), base=distance(10_000))),
    "a base at the very beginning": pack(entry(OFS, delta(1, 1, b"\1x"), base=distance(12))),
    "a distance without an end": pack(head(OFS, 9) + b"\xff" * 40),
    "a base of another size": pack(entry(BLOB, PAGE), entry(REF, delta(3, 1, b"\1x"), base=bytes.fromhex(PAGE_ID))),
    "a piece past the base": pack(
        entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 9, copy(len(PAGE) - 1, 9)), base=bytes.fromhex(PAGE_ID))
    ),
    "less than it promised": pack(
        entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 9, copy(0, 8)), base=bytes.fromhex(PAGE_ID))
    ),
    "more than it promised": pack(
        entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 9, copy(0, 800)), base=bytes.fromhex(PAGE_ID))
    ),
    "an insertion past its end": pack(
        entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 9, b"\x09abc"), base=bytes.fromhex(PAGE_ID))
    ),
    "a step that there is not": pack(
        entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 1, b"\0"), base=bytes.fromhex(PAGE_ID))
    ),
    "a piece cut off": pack(entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 9, b"\xff\1"), base=bytes.fromhex(PAGE_ID))),
    "a size in it without an end": pack(entry(BLOB, PAGE), entry(REF, b"\xff" * 30, base=bytes.fromhex(PAGE_ID))),
    "an empty difference": pack(entry(BLOB, PAGE), entry(REF, b"", base=bytes.fromhex(PAGE_ID))),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_pack_that_is_not_well_formed_is_refused(data: bytes) -> None:
    with pytest.raises(SourceRefuses, match=r"github\.example\.org sent a pack that is not well formed"):
        read(data)


def _unpacks_to(size: int) -> bytes:
    return pack(entry(BLOB, b"\0" * size))


def _differences_that_grow() -> bytes:
    """Each twice what the one before is."""
    made, base = [entry(BLOB, PAGE)], PAGE
    for _ in range(10):
        size = len(base)
        made.append(entry(REF, delta(size, 2 * size, *[copy(0, size)] * 2), base=bytes.fromhex(named("blob", base))))
        base *= 2
    return pack(*made)


@pytest.mark.parametrize(
    "data",
    [
        _unpacks_to(64 << 20),
        _differences_that_grow(),
        pack(entry(BLOB, PAGE), entry(REF, delta(len(PAGE), 1 << 40, copy(0, 9)), base=bytes.fromhex(PAGE_ID))),
        pack(*(entry(BLOB, bytes([n]) * (1 << 20)) for n in range(8))),
    ],
    ids=["one", "differences", "a promise", "many"],
)
def test_what_unpacks_to_a_flood_ends_where_it_was_agreed(data: bytes) -> None:
    assert len(data) < 1 << 20
    tracemalloc.start()
    with pytest.raises(SourceRefuses):
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * MOST


def test_many_small_steps_end(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = delta(len(PAGE), 4000, *[b"\1x"] * 4000)
    data = pack(entry(BLOB, PAGE), entry(REF, steps, base=bytes.fromhex(PAGE_ID)))
    assert len(read(data)) == 2
    monkeypatch.setattr("connectors.forge.packs._MOST_STEPS", 3999)
    with pytest.raises(SourceRefuses):
        read(data)


def test_a_pack_of_too_many_objects_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack(*(entry(BLOB, bytes([n])) for n in range(3)))
    assert len(read(data)) == 3
    monkeypatch.setattr("connectors.forge.packs._MOST_OBJECTS", 2)
    with pytest.raises(SourceRefuses):
        read(data)


# -- what lies in a commit --


def listed(data: bytes, id: str, most: int = 1000) -> dict[bytes, Entry]:
    return dict(entries(read(data), id, most))


def of_trees(top: bytes, *below: bytes) -> tuple[bytes, str]:
    """A pack of a commit, and its id."""
    made = commit(named("tree", top))
    objects = [entry(TREE, one) for one in (top, *below)]
    return pack(entry(COMMIT, made), *objects, entry(BLOB, PAGE)), named("commit", made)


def test_a_commit_holds_what_its_folders_hold() -> None:
    inner = tree(("100644", b"\xff.md", PAGE_ID), ("160000", b"sub", "1" * 40))
    top = tree(("40000", b"a", named("tree", inner)), ("120000", b"b", PAGE_ID), ("100755", b"c.md", PAGE_ID))
    assert listed(*of_trees(top, inner)) == {
        b"a/\xff.md": Entry(PAGE_ID, "100644"),
        b"a/sub": Entry("1" * 40, "160000"),
        b"b": Entry(PAGE_ID, "120000"),
        b"c.md": Entry(PAGE_ID, "100755"),
    }
    assert listed(*of_trees(b"")) == {}


def test_folders_that_hold_one_another_many_times_are_left() -> None:
    trees = [tree(("100644", b"a.md", PAGE_ID))]
    for _ in range(30):
        id = named("tree", trees[-1])
        trees.append(tree(("40000", b"a", id), ("40000", b"b", id)))
    with pytest.raises(SourceRefuses, match="more than 1,000"):
        listed(*of_trees(*reversed(trees)))
    empty = [b""]
    for _ in range(30):
        id = named("tree", empty[-1])
        empty.append(tree(("40000", b"a", id), ("40000", b"b", id)))
    with pytest.raises(SourceRefuses, match="more than 1,000"):
        listed(*of_trees(*reversed(empty)))


def test_folders_that_are_nested_without_end_are_left() -> None:
    trees = [tree(("100644", b"a.md", PAGE_ID))]
    for _ in range(300):
        trees.append(tree(("40000", b"a", named("tree", trees[-1]))))
    with pytest.raises(SourceRefuses, match="nested"):
        listed(*of_trees(*reversed(trees)))


@pytest.mark.parametrize(
    "top",
    [
        b"100644",
        b"100644 a.md",
        b"100644 a.md\0short",
        b"rw-r--r-- a.md\0" + b"\1" * 20,
        tree(("40000", b"a", "1" * 40)),
        tree(("40000", b"a", PAGE_ID)),
    ],
)
def test_a_folder_that_is_none_is_refused(top: bytes) -> None:
    with pytest.raises(SourceRefuses):
        listed(*of_trees(top))


def test_a_commit_that_is_none_is_refused() -> None:
    data = pack(entry(BLOB, PAGE), entry(COMMIT, b"parent x\n"))
    for id in (PAGE_ID, named("commit", b"parent x\n"), "1" * 40):
        with pytest.raises(SourceRefuses):
            listed(data, id)


def test_numbers_are_written_as_they_are_read() -> None:
    """Of this file's own means: sizes and distances of every length are those that were meant."""
    for size in (0, 15, 16, 127, 128, 2047, 2048, 70_000):
        text = b"x" * size
        filler = entry(BLOB, bytes(random.Random(size).randbytes(size)))
        first = entry(BLOB, text)
        back = distance(len(first) + len(filler))
        changed = entry(OFS, delta(size, size + 1, *([copy(0, size)] if size else []), b"\1!"), base=back)
        found = read(pack(first, filler, changed))
        assert found.read(named("blob", text + b"!"), "blob") == text + b"!"
