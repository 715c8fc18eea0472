"""A company's own set as files: BEIR's questions and judgements, without the documents.

    own.json          format, and whose questions they are: the user that they are asked as
    reviewed.jsonl    every decision in its order, `undone` ones with what undoes them; all else follows from it
    queries.jsonl     {"_id": …, "text": …, "metadata": {"kind": …, "taken_from": […]}} of each accepted question
    qrels.tsv         query-id, corpus-id, 1; a document is named SOURCE_ID/EXTERNAL_ID

The documents stay where they are: a run asks the platform, as that user. Files are for their owner alone (0600), for
questions tell what a company works on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from evals import beir
from evals.datasets import RetrievalSet
from vouch.core.errors import BadEvalSet, InvalidInput
from vouch.core.types import principal_name

FORMAT = 1
ABOUT, REVIEWED, QUERIES, QRELS = "own.json", "reviewed.jsonl", "queries.jsonl", "qrels.tsv"
_PARTING = str.maketrans({"%": "%25", "\t": "%09", "\n": "%0A", "\r": "%0D"})
Verdict = Literal["accepted", "rejected", "skipped", "undone"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of a proposal. ``documents``: what answers the ``question``, as qrels name it."""

    id: str
    verdict: Verdict
    kind: str
    question: str
    documents: tuple[str, ...] = ()
    taken_from: tuple[str, ...] = ()


@dataclass
class OwnSet:
    """A set that is being made. What was decided is on the disk before :meth:`decide` returns."""

    folder: Path
    user: str
    _said: list[Decision] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, user: str) -> OwnSet:
        """Begun, or taken up where it was left. Raises :class:`InvalidInput` for a folder that is something else or
        another user's set, :class:`BadEvalSet` for one that cannot be read."""
        if is_own(folder):
            if asker(folder) != user:
                raise InvalidInput(f"{folder} holds questions of {asker(folder)}, not of {user}", field="user")
            return cls(folder, user, list(_decisions(folder)))
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{folder} is there, and no set of your own", field="folder")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / ABOUT, json.dumps({"format": FORMAT, "user": user}) + "\n")
        return cls(folder, user)

    @property
    def decided(self) -> Mapping[str, Decision]:
        """What stands, by the proposal's id."""
        stands: dict[str, Decision] = {}
        for one in self._said:
            stands.pop(one.id, None)  # so that what was decided last comes last
            if one.verdict != "undone":
                stands[one.id] = one
        return stands

    @property
    def accepted(self) -> list[Decision]:
        return [one for one in self.decided.values() if one.verdict == "accepted"]

    def decide(self, decision: Decision) -> None:
        """Write a decision down, and the set as it is with it."""
        self._said.append(decision)
        line = json.dumps(asdict(decision), ensure_ascii=False) + "\n"
        with os.fdopen(os.open(self.folder / REVIEWED, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "w") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._save()

    def undo(self) -> str | None:
        """Take back the last decision that stands; the id of its proposal, None where there is none."""
        stands = self.decided
        if not stands:
            return None
        last = list(stands.values())[-1]
        self.decide(Decision(last.id, "undone", last.kind, last.question))
        return last.id

    def _save(self) -> None:
        rows = [
            {"_id": one.id, "text": one.question, "metadata": {"kind": one.kind, "taken_from": list(one.taken_from)}}
            for one in self.accepted
        ]
        _write(self.folder / QUERIES, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        lines = [f"{one.id}\t{document}\t1" for one in self.accepted for document in one.documents]
        _write(self.folder / QRELS, "\n".join(["\t".join(beir.HEADING), *lines, ""]))


def document_key(source_id: str, external_id: str) -> str:
    """A document's name in qrels, whatever its source calls it: tabs and ends of lines would part columns and rows."""
    return f"{source_id}/{external_id}".translate(_PARTING)


def as_given(data: RetrievalSet) -> list[dict[str, Any]]:
    """The questions as the platform takes them, to run them itself."""
    return [
        {"id": query, "text": data.queries[query], "documents": [_named(document) for document in relevant]}
        for query, relevant in data.qrels.items()
    ]


def _named(key: str) -> dict[str, str]:
    for code, sign in _PARTING.items():
        if code != ord("%"):
            key = key.replace(str(sign), chr(code))
    source, _, external = key.replace("%25", "%").partition("/")
    return {"source_id": source, "external_id": external}


def is_own(folder: Path) -> bool:
    """Whether the folder is laid out as a company's own set."""
    return (folder / ABOUT).is_file()


def asker(folder: Path) -> str:
    """The user that the set's questions are asked as. Raises :class:`BadEvalSet`."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']!r}, not {FORMAT}")
        return principal_name(str(about["user"]), kind="user")
    except (OSError, ValueError, KeyError, TypeError, InvalidInput) as error:
        file = str(folder / ABOUT)
        raise BadEvalSet(f"{file} cannot be read: {error}", file=file, line=0, reason="not_json") from error


def load(folder: Path) -> RetrievalSet:
    """The questions and judgements, without documents. Raises :class:`BadEvalSet`."""
    questions = beir.queries(folder, QUERIES)
    judged = beir.qrels(folder, questions, None)
    accepted = OwnSet.open(folder, asker(folder)).accepted
    taken = {one.id: frozenset(one.taken_from) - {*one.documents} for one in accepted if one.id in questions}
    on_source = {query: documents for query, documents in taken.items() if documents}
    return RetrievalSet(folder.resolve().name, (), questions, judged, on_source)


def _decisions(folder: Path) -> Iterator[Decision]:
    path = folder / REVIEWED
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line:
            continue
        try:
            yield _decision(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            detail = f"{path}, line {number}: this is no decision"
            raise BadEvalSet(detail, file=str(path), line=number, reason="not_json") from error


def _decision(row: Mapping[str, Any]) -> Decision:
    if row["verdict"] not in get_args(Verdict):
        raise ValueError(row["verdict"])
    return Decision(
        str(row["id"]),
        row["verdict"],
        str(row["kind"]),
        str(row["question"]),
        tuple(map(str, row["documents"])),
        tuple(map(str, row["taken_from"])),
    )


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
