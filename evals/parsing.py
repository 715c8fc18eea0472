"""``python -m evals.parsing``: how near the parsed text comes to the reference Markdown of the public documents,
and what reading in a process of its own costs over reading in this one.

Markup is taken from the reference (marks, rules of tables, comments), both sides become lower-case words, and two
figures are taken: which share of the reference's words the text has, and how alike the two sequences are
(``difflib``'s ratio). A row of a table names its columns here and stands in a grid there, which the second figure
counts as a difference.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import unescape
from pathlib import Path

import psutil

from ingestion.parse import parse
from ingestion.parser import Parser

_COMMENT = re.compile(r"<!--.*?-->", re.S)
_MARKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|</?[a-z][^>]*>|\\(?=[_*#])")
_WORD = re.compile(r"[^\W_]+")
_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Similarity:
    """``words``: share of the reference's words that the text has; ``order``: likeness of the sequences; 0 to 1."""

    file: str
    words: float
    order: float


def similarities(folder: Path) -> list[Similarity]:
    """One for each file in ``folder`` that has a reference."""
    found = []
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "expected" not in entry:
            continue
        name = entry["file"]
        text = parse((folder / "files" / name).read_bytes(), name).text
        reference = (folder / "expected" / f"{name}.md").read_text(encoding="utf-8")
        found.append(_similarity(name, _words(reference), _WORD.findall(text.lower())))
    return found


def _similarity(name: str, reference: Sequence[str], words: Sequence[str]) -> Similarity:
    shared = Counter(reference) & Counter(words)
    order = SequenceMatcher(None, reference, words, autojunk=False).ratio()
    return Similarity(name, shared.total() / max(len(reference), 1), order)


def _words(markdown: str) -> list[str]:
    return _WORD.findall(unescape(_MARKS.sub(r"\1 ", _COMMENT.sub(" ", markdown))).lower())


def overhead(folder: Path) -> tuple[float, float, int]:
    """Over the files of ``folder``: CPU seconds here, CPU seconds of both processes there, and how many files.

    The best of some rounds in turns. CPU time rather than the clock's, which counts the neighbours as well.
    """
    files = [(path.read_bytes(), path.name) for path in sorted(folder.rglob("*")) if _is_document(path)]
    parser = Parser()
    try:
        for data, name in files:  # what is imported on first use is imported
            parser.parse(data, name)
            parse(data, name)
        child = psutil.Process(parser.pid)
        rounds = [(_cpu(_here, files), _cpu(parser.parse, files, child)) for _ in range(_ROUNDS)]
    finally:
        parser.close()
    return min(here for here, _ in rounds), min(there for _, there in rounds), len(files)


def _here(data: bytes, name: str) -> object:
    return parse(data, name).to_json()


def _cpu(read: Callable[[bytes, str], object], files: Sequence[tuple[bytes, str]], *others: psutil.Process) -> float:
    def used() -> float:
        return time.process_time() + sum(sum(other.cpu_times()[:2]) for other in others)

    began = used()
    for data, name in files:
        read(data, name)
    return used() - began


def _is_document(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def main() -> None:
    data = Path(os.environ.get("VOUCH_EVAL_DATA") or Path(__file__).parents[2] / "shared" / "data")
    for similarity in similarities(data / "documents"):
        print(f"{similarity.file:36} words {similarity.words:.3f}  order {similarity.order:.3f}")
    here, there, count = overhead(Path(sys.argv[1] if len(sys.argv) > 1 else "samples/company"))
    print(f"{count} files: {here:.3f} CPU s here, {there:.3f} with a parser process, ratio {there / here:.3f}")


if __name__ == "__main__":
    main()
