"""A git repository made by hand: trees and commits as they are wanted, also such as git itself would not make."""

from __future__ import annotations

from pathlib import Path

from dulwich.index import commit_tree
from dulwich.objects import Blob, Commit, ObjectID, Tag
from dulwich.pack import write_pack
from dulwich.repo import Repo

FILE, LINK, SUBMODULE = 0o100644, 0o120000, 0o160000
WHO = b"Carol <carol@example.org>"


class Repository:
    """A bare repository with one branch, ``main``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repo = Repo.init_bare(str(path), mkdir=True, default_branch=b"main")
        self.files: dict[bytes, tuple[int, bytes]] = {}
        self.clock = 1_700_000_000
        self.head: bytes | None = None

    def commit(
        self,
        files: dict[str | bytes, bytes | None],
        *,
        mode: int = FILE,
        parents: list[bytes] | None = None,
        ref: str = "refs/heads/main",
    ) -> str:
        """Write ``files`` (None: remove) over what is there, an hour later. The commit's id."""
        for path, data in files.items():
            name = path if isinstance(path, bytes) else path.encode()
            if data is None:
                del self.files[name]
            else:
                self.files[name] = (mode, data if mode == SUBMODULE else self.blob(data))
        commit = Commit()
        entries = [(path, ObjectID(sha), kind) for path, (kind, sha) in self.files.items()]
        commit.tree = commit_tree(self.repo.object_store, entries)
        commit.parents = [ObjectID(p) for p in (([self.head] if self.head else []) if parents is None else parents)]
        self.clock += 3600
        commit.author = commit.committer = WHO
        commit.author_time = commit.commit_time = self.clock
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"More"
        self.repo.object_store.add_object(commit)
        self.repo.refs[ref.encode()] = commit.id  # type: ignore[index]
        self.head = commit.id
        return commit.id.decode()

    def blob(self, data: bytes) -> bytes:
        blob = Blob.from_string(data)
        self.repo.object_store.add_object(blob)
        return bytes(blob.id)

    def tag(self, name: str) -> None:
        """An annotated tag at the head."""
        assert self.head is not None
        tag = Tag()
        tag.name, tag.message, tag.tagger = name.encode(), b"", WHO
        tag.tag_time, tag.tag_timezone, tag.object = self.clock, 0, (Commit, ObjectID(self.head))
        self.repo.object_store.add_object(tag)
        self.repo.refs[f"refs/tags/{name}".encode()] = tag.id  # type: ignore[index]

    def pack(self) -> None:
        """Move every object into one pack, those that resemble another as differences."""
        store = self.repo.object_store
        loose = [store[sha] for sha in store]
        folder = self.path / "objects"
        write_pack(
            str(folder / "pack" / "pack-all"),
            [(found, None) for found in loose],
            object_format=self.repo.object_format,
            deltify=True,
        )
        for found in loose:
            name = found.id.decode()
            (folder / name[:2] / name[2:]).unlink()
