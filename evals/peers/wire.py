"""What goes between us and a peer: documents in a file, commands and rankings as lines of JSON over two pipes.

Both sides import this, and a peer's environment has nothing of ours: the standard library alone.
"""

from __future__ import annotations

import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol

Message = dict[str, Any]
Embeds = Literal["nothing", "queries", "everything"]
Found = list[tuple[str, float]]
"""Document id and score, best first."""


@dataclass(frozen=True, slots=True)
class Document:
    """``text`` begins with the title, where there is one. ``group``: the one group whose members may see it."""

    id: str
    text: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a peer is to be built.

    ``model``: the folder of the weights. ``folder``: where it may keep files. ``split``: the documents are long, so a
    peer's splitter is used. ``embeds``: what it embeds with its own component; for the rest it asks us for vectors.
    ``depth``: passages asked of each arm.
    """

    model: str
    folder: str
    language: str = "en"
    split: bool = False
    embeds: Embeds = "nothing"
    depth: int = 200
    threads: int = 2


class Vectors(Protocol):
    """Vectors of unit length that somebody else makes."""

    def of(self, texts: Sequence[str]) -> list[list[float]]: ...


class Peer(Protocol):
    """What each file of `evals/peers/kinds` has."""

    def ingest(self, documents: Sequence[Document]) -> int:
        """Add documents, searchable on return; the number of passages they came to."""

    def search(self, query: str, limit: int, groups: Sequence[str] | None = None) -> Found:
        """Documents, each by its best passage. ``groups``: those of the asker, None where everything is visible."""


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    with path.open("w", encoding="utf-8") as lines:
        for document in documents:
            lines.write(json.dumps(asdict(document)) + "\n")


def read_documents(path: Path) -> Iterator[Document]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Document(**json.loads(line))


def say(stream: IO[str], message: Message) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def hear(stream: IO[str]) -> Message | None:
    """The next message; None when the other side has gone."""
    line = stream.readline()
    if not line:
        return None
    found: Message = json.loads(line)
    return found


def packed(rows: Iterable[Iterable[float]]) -> list[str]:
    """Vectors as text, exactly: float32, one string a row."""
    return [b64encode(array("f", row).tobytes()).decode("ascii") for row in rows]


def unpacked(rows: Iterable[str]) -> list[list[float]]:
    vectors: list[list[float]] = []
    for row in rows:
        values = array("f")
        values.frombytes(b64decode(row))
        vectors.append(values.tolist())
    return vectors


def best_first(passages: Iterable[tuple[str, float]], limit: int) -> Found:
    """Each document once, by the first and so the best of its passages, given best first."""
    found: dict[str, float] = {}
    for document, score in passages:
        found.setdefault(document, float(score))
        if len(found) == limit:
            break
    return list(found.items())
