"""Files of a repository on any forge: where it is looked up who owns what."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from connectors.forge.chosen import LINK, SUBMODULE
from connectors.forge.codeowners import MAX_BYTES
from connectors.forge.config import ForgeConfig
from connectors.forge.files import Entries, Entry, Offered
from vouch.core.errors import DocumentRejected
from vouch.core.types import Upsert

OWNERS = {"@a": "user:ann", "@b": "user:bob"}


@dataclass
class Kept:
    """A repository of one commit: modes and contents by path."""

    files: dict[str, tuple[str, bytes]]
    number: int = 7
    name: str = "acme/handbook"

    def entries(self, at: str) -> Entries:
        return {path: Entry(path, mode) for path, (mode, _) in self.files.items()}

    def read(self, at: str, path: str, entry: Entry, most: int) -> bytes:
        if len(self.files[path][1]) > most:
            raise DocumentRejected("too large", reason="too_large")
        return self.files[path][1]

    def address(self, path: str) -> str:
        return f"https://forge.example.org/{path}"


@pytest.mark.parametrize(
    ("first", "second", "owner"),
    [
        (("100644", b"* @a"), ("100644", b"* @b"), "user:ann"),
        ((LINK, b"elsewhere"), ("100644", b"* @b"), "user:bob"),
        ((SUBMODULE, b""), ("100644", b"* @b"), "user:bob"),
        (("100644", b"* @a" + b"\n" * MAX_BYTES), ("100644", b"* @b"), None),
        ((LINK, b"elsewhere"), (LINK, b"elsewhere"), None),
    ],
)
def test_the_first_file_that_is_one_says_who_owns_what(
    first: tuple[str, bytes], second: tuple[str, bytes], owner: str | None
) -> None:
    kept = Kept({".github/CODEOWNERS": first, "CODEOWNERS": second, "a.md": ("100644", b"a")})
    config = ForgeConfig(base="https://forge.example.org", issuer="forge", owners=OWNERS)
    told = {
        change.external_id: change.owner
        for change in Offered(config, kept).changes(None, "head", None, whole=True)
        if isinstance(change, Upsert)
    }
    assert told["7/files/a.md"] == owner
