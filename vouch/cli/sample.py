"""The sample company of a source checkout: its files, with their ages, its people, and the questions put to it."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from vouch.cli.directory import People, read_people
from vouch.client import Answer
from vouch.core.errors import StartFailed

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


class Question(BaseModel):
    """``source`` (``from`` in the file): what the citations must come from; ``contains``: what they must say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: str = Field(alias="as")
    question: str
    expect: Literal["answer", "abstention"]
    why: str
    source: tuple[str, ...] = Field(alias="from")
    contains: tuple[str, ...]

    def fault(self, answer: Answer) -> str | None:
        """What is not as expected, or None."""
        if answer.kind != self.expect:
            return f"{self.expect} expected, {answer.kind} given"
        missing = set(self.source) - {citation.external_id for citation in answer.citations}
        if missing:
            return f"{', '.join(sorted(missing))} not cited"
        said = " ".join(" ".join([answer.text, *(c.quote for c in answer.citations)]).split())
        absent = [text for text in self.contains if text not in said]
        return f"{', '.join(map(repr, absent))} not said" if absent else None


def people() -> People:
    return read_people(SAMPLES / "directory.yaml")


def questions() -> tuple[Question, ...]:
    found = yaml.safe_load((SAMPLES / "questions.yaml").read_text(encoding="utf-8"))
    return tuple(Question.model_validate(question) for question in found["questions"])


def require_samples() -> None:
    """Raises :class:`StartFailed` outside a source checkout."""
    if not (SAMPLES / "company").is_dir():
        raise StartFailed(f"The sample company comes with Vouch's source and is not here: {SAMPLES} does not exist.")


def copy_company(to: Path) -> int:
    """Make ``to`` hold the company's files with the times that the sample says. Returns how many had to be written.

    A file that is there already is left alone, so nothing counts as changed.
    """
    ages = dict(_ages())
    written = 0
    for source in sorted(path for path in (SAMPLES / "company").rglob("*") if path.is_file()):
        relative = source.relative_to(SAMPLES / "company")
        target, modified = to / relative, ages.get(relative.as_posix())
        if _same(source, target, modified):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        if modified is not None:
            os.utime(part, (modified, modified))
        part.replace(target)
        written += 1
    return written


def _ages() -> Iterator[tuple[str, float]]:
    with (SAMPLES / "ages.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["path"], datetime.fromisoformat(row["modified_at"]).timestamp()


def _same(source: Path, target: Path, modified: float | None) -> bool:
    if not target.is_file() or target.read_bytes() != source.read_bytes():
        return False
    return modified is None or target.stat().st_mtime == modified
