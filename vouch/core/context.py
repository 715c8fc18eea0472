"""A chunk's text with where it stands: what is embedded and searched, while the chunk alone is what is shown."""

from __future__ import annotations

from collections.abc import Sequence


def in_context(title: str, heading_path: Sequence[str], text: str) -> str:
    """``title > heading > heading``, a line break, ``text``. A heading equal to the one before it is said once."""
    path: list[str] = []
    for part in (title, *heading_path):
        if part and (not path or part != path[-1]):
            path.append(part)
    return f"{' > '.join(path)}\n{text}" if path else text
