"""``CODEOWNERS``: who a repository says is responsible for a path. The last line that matches counts.

Patterns are those of GitHub's: a slash at the beginning or in the middle ties one to the root, ``*`` stays within a
folder, ``**`` does not, a folder stands for what is below it, and ``docs/*`` for the files of that folder alone.
Whoever may push writes this file, so a pattern is matched part by part, in time that no pattern can blow up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

PLACES = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where it is looked for; the first one found counts."""
MAX_BYTES = 256 * 1024
_ANY_DEPTH = None


@dataclass(frozen=True, slots=True)
class _Line:
    parts: tuple[re.Pattern[str] | None, ...]
    below: bool
    """Whether it stands for what lies below a folder that it matches, too."""
    owners: tuple[str, ...]


class CodeOwners:
    """One file, read."""

    def __init__(self, text: str) -> None:
        self._lines = [line for line in map(_line, text.splitlines()) if line is not None]
        self._lines.reverse()

    def owners(self, path: str) -> Sequence[str]:
        """Who is said to own ``path``, as written there."""
        parts = path.split("/")
        for line in self._lines:
            if _matches(line, parts):
                return line.owners
        return ()

    def owner(self, path: str, known: Mapping[str, str]) -> str | None:
        """The first owner of ``path`` that ``known`` maps to a principal; never a guess."""
        return next((known[owner] for owner in self.owners(path) if owner in known), None)


def _line(text: str) -> _Line | None:
    words = re.sub(r"(?:^|\s)#.*", "", text).replace("\\ ", "\0").split()
    if not words or words[0].startswith(("[", "^[", "!")):  # a section of GitLab's, or a negation, which is not in it
        return None
    pattern = words[0].replace("\0", " ")
    body = pattern.strip("/")
    if not body:
        return None
    anchored = pattern.startswith("/") or "/" in body
    names = body.split("/") if anchored else ["**", body]
    if pattern.endswith("/"):
        names += ["**", "*"]  # a folder: what is below it, and no file of that name
    parts = tuple(_ANY_DEPTH if name == "**" else re.compile(translate(name.replace("[", "[[]"))) for name in names)
    return _Line(parts, not (anchored and names[-1] == "*"), tuple(words[1:]))


def _matches(line: _Line, path: Sequence[str]) -> bool:
    """Follows every place of ``path`` that the pattern can have come to, part by part."""
    places = {0}
    for part in line.parts:
        if part is None:
            places = set(range(min(places), len(path) + 1))
        else:
            places = {at + 1 for at in places if at < len(path) and part.match(path[at])}
        if not places:
            return False
    return len(path) in places or line.below
