"""Decisions from a file, for who reviews elsewhere: a JSON object a line.

{"id": …, "decision": "accepted" | "rejected" | "skipped", "question": … (edited), "documents": ["SOURCE/ID", …]}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from evals.own.folder import Decision, OwnSet
from evals.own.review import decision
from vouch.client.evals import ProposedQuestion
from vouch.core.errors import InvalidInput

_VERDICTS = ("accepted", "rejected", "skipped")
_KEYS = frozenset({"id", "decision", "question", "documents"})


def decide_from(path: Path, own: OwnSet, proposals: Sequence[ProposedQuestion]) -> None:
    """All of the file's decisions, or none. Raises :class:`InvalidInput` for a line that is none or of no proposal."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", field="--from") from error
    by_id = {one.id: one for one in proposals}
    found = [_read(f"{path}, line {n}", line, by_id) for n, line in enumerate(lines, 1) if line.strip()]
    for one in found:
        own.decide(one)


def _read(where: str, line: str, proposals: dict[str, ProposedQuestion]) -> Decision:
    try:
        row = json.loads(line)
        verdict, unknown = row["decision"], sorted(row.keys() - _KEYS)
        documents = [str(one) for one in row.get("documents", ())]
        question = " ".join(str(row.get("question", "")).split())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{where}: this is no decision", field="--from") from error
    if unknown or verdict not in _VERDICTS:
        raise InvalidInput(f"{where}: {unknown[0] if unknown else verdict!r} is not known", field="--from")
    if row.get("id") not in proposals:
        raise InvalidInput(f"{where}: nothing is proposed under the id {row.get('id')!r}", field="--from")
    one = proposals[row["id"]]
    if verdict == "accepted" and not (documents or one.evidence):
        raise InvalidInput(f"{where}: nothing says what answers it; name `documents`", field="--from")
    return decision(one, verdict, question or None, documents)
