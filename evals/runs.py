"""A run as files: what was measured, with what, and every question's ranking, to be compared with another run.

    <folder>/run.json          format, name, when, settings and their fingerprint, git commit, seed, and of each set its
                               hashes and the mean of every measure with its interval
    <folder>/<set>.jsonl.gz    a question a line: its text, what is relevant, the first hundred documents with their
                               scores, and its measures; of answers what was said and cited, and whether it can be

The questions stand in the files as they were asked: a run of a company's own set is as confidential as the set.
``run.json`` is written last, so that a folder without it is a run that was broken off.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from evals.datasets import REPOSITORY, Evidence, RetrievalSet
from evals.embedding_cache import cache_folder
from evals.judged.figures import figures, is_judged
from evals.profiles import fingerprint
from evals.ranked import Asked, Ranked
from evals.run import SetResult
from vouch.core.bootstrap import SEED, Interval, interval
from vouch.core.clock import now, rfc3339
from vouch.core.errors import BadEvalRun
from vouch.core.types import Json, Span

FORMAT = 1
RUN = "run.json"


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A set of a run. ``questions`` and ``documents``: hashes of what was asked and judged, and of the texts."""

    ranked: Ranked
    questions: str
    documents: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it was kept. ``about``: the whole of its ``run.json``."""

    folder: Path
    about: Json
    sets: Mapping[str, KeptSet]

    @property
    def name(self) -> str:
        return str(self.about["name"])


class Writer:
    """Keeps one profile's run, set by set; :meth:`close` makes it whole."""

    def __init__(self, name: str, folder: Path | None = None, began: datetime | None = None) -> None:
        """``folder``: where runs are kept, else the evaluation cache's; a folder of this run is made in it."""
        self._began = began or now()
        self.folder = _fresh_folder(folder or cache_folder() / "runs", f"{self._began:%Y%m%dT%H%M%SZ}-{_slug(name)}")
        self._name = name
        self._sets: list[Json] = []
        self._choices: Json = {}

    def add(self, data: RetrievalSet, result: SetResult) -> None:
        """Write the questions of one set down."""
        self._choices = result.choices
        for one in result.ranked:
            file = f"{_slug(one.name)}.jsonl.gz"
            lines = "".join(json.dumps(_row(asked), ensure_ascii=False) + "\n" for asked in one.asked)
            (self.folder / file).write_bytes(gzip.compress(lines.encode(), mtime=0))
            self._sets.append(
                {
                    "name": one.name,
                    "file": file,
                    "queries": len(one.asked),
                    "documents": len(data.documents),
                    "chunks": result.chunks,
                    "rejected": list(result.rejected),
                    "questions_sha256": questions_hash(one),
                    "documents_sha256": documents_hash(data),
                    "figures": {name: _told(found) for name, found in _figures(one).items()},
                }
            )

    def close(self) -> Path:
        """The folder, whole now."""
        body = {
            "format": FORMAT,
            "name": self._name,
            "began": rfc3339(self._began),
            "seconds": round((now() - self._began).total_seconds(), 1),
            "settings": self._choices,
            "fingerprint": fingerprint(self._choices),
            "git": git_state(),
            "seed": SEED,
            "sets": self._sets,
        }
        (self.folder / RUN).write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return self.folder


def load(folder: Path) -> Run:
    """A run as :class:`Writer` left it. Raises :class:`BadEvalRun`."""
    if not (folder / RUN).is_file():
        raise BadEvalRun(f"{folder} is no run, or one that was broken off: it has no {RUN}", reason="no_run")
    try:
        about = json.loads((folder / RUN).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise BadEvalRun(f"{folder} has format {about['format']!r}, not {FORMAT}", reason="other_format")
        sets = {str(row["name"]): _kept(folder, row) for row in about["sets"]}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadEvalRun(f"{folder} is not as it was written: {error}", reason="damaged") from error
    return Run(folder, about, sets)


def questions_hash(ranked: Ranked) -> str:
    """Of what was asked, of what counts as relevant, of evidence, and of what can be answered."""
    asked = sorted(
        [one.query, one.text, sorted(one.relevant.items()), _pieces(one)]
        + ([] if one.answerable is None else [one.answerable])
        for one in ranked.asked
    )
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def documents_hash(data: RetrievalSet) -> str:
    """Of every document's id, title and bytes."""
    digest = hashlib.sha256()
    for one in sorted(data.documents, key=lambda document: document.id):
        digest.update(json.dumps([one.id, one.title, hashlib.sha256(one.data).hexdigest()]).encode())
    return digest.hexdigest()


def git_state() -> Json | None:
    """The commit that was measured and whether files differ from it; None outside a working tree."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _figures(ranked: Ranked) -> dict[str, Interval]:
    if is_judged(ranked):
        return figures(ranked)
    values = {name: [one.measures[name] for one in ranked.asked if name in one.measures] for name in ranked.means}
    return {name: interval(each) for name, each in values.items()}


def _told(found: Interval) -> Json:
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _row(asked: Asked) -> Json:
    row: Json = {
        "query": asked.query,
        "text": asked.text,
        "relevant": dict(asked.relevant),
        "measures": dict(asked.measures),
        "ranking": [[document, _short(score)] for document, score in asked.ranking],
    }
    if asked.evidence:
        row["evidence"] = _pieces(asked)
    if asked.evidence or asked.answerable is not None:
        row["passages"] = [[p.document, p.span.start, p.span.end, _short(score)] for p, score in asked.passages]
    if asked.answerable is not None:
        row |= {"answerable": asked.answerable, "said": asked.said}
    return row


def _pieces(asked: Asked) -> list[list[str | int]]:
    return [[piece.document, piece.span.start, piece.span.end] for piece in asked.evidence]


def _short(score: float) -> float:
    return float(f"{score:.6g}")


def _kept(folder: Path, row: Json) -> KeptSet:
    file = folder / Path(str(row["file"])).name
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        asked = tuple(_asked(json.loads(line)) for line in lines)
    ranked = Ranked(str(row["name"]), asked)
    if len(asked) != row["queries"] or questions_hash(ranked) != row["questions_sha256"]:
        raise ValueError(f"{file.name} holds other questions than {RUN} says")
    return KeptSet(ranked, row["questions_sha256"], row["documents_sha256"])


def _asked(row: Json) -> Asked:
    return Asked(
        query=row["query"],
        text=row["text"],
        relevant={document: int(grade) for document, grade in row["relevant"].items()},
        evidence=tuple(Evidence(document, Span(start, end)) for document, start, end in row.get("evidence", ())),
        ranking=tuple((document, float(score)) for document, score in row["ranking"]),
        passages=tuple(_passages(row)),
        measures={name: float(value) for name, value in row["measures"].items()},
        answerable=row.get("answerable"),
        said=row.get("said", ""),
    )


def _passages(row: Json) -> Iterator[tuple[Evidence, float]]:
    for document, start, end, score in row.get("passages", ()):
        yield Evidence(document, Span(start, end)), float(score)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.") or "set"


def _fresh_folder(parent: Path, name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise BadEvalRun(f"{parent} has a thousand runs called {name}", reason="no_run")
