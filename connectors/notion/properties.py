"""The properties of a page as lines, and what is said of a database.

Relations, rollups and formulas are left out: what they hold comes from other pages, which other people may read. So is
when and by whom a page was last edited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectors.notion.api import Entry
from connectors.notion.text import escaped, inline, linked, one_line
from vouch.core.types import Json


def head(entry: Entry) -> str:
    """What stands above the blocks: the title, then a line for each property that has a value, by their names."""
    parts = [f"# {escaped(entry.title)}"] if entry.title else []
    if entry.place.kind == "database":
        parts.append(inline(entry.description).strip())
        names = [escaped(" ".join(name.split())) for _, name in entry.sources if name and name != entry.title]
        parts.append("\n".join(f"- {name}" for name in names))
    else:
        parts.append("\n".join(_lines(entry.properties)))
    return "\n\n".join(part for part in parts if part)


def _lines(properties: Json) -> list[str]:
    lines = []
    for name, said in sorted(properties.items()):
        kind = said.get("type") if isinstance(said, dict) else None
        value = _VALUES[kind](said.get(kind)) if isinstance(kind, str) and kind in _VALUES else ""
        if value:
            lines.append(f"- {escaped(' '.join(name.split()))}: {value}")
    return lines


def _name(said: Any) -> str:
    return _plain(said.get("name")) if isinstance(said, dict) else ""


def _names(said: Any) -> str:
    found = map(_name, said) if isinstance(said, list) else ()
    return ", ".join(name for name in found if name)


def _plain(said: Any) -> str:
    return escaped(" ".join(str(said).split())) if isinstance(said, str | int | float) else ""


def _date(said: Any) -> str:
    if not isinstance(said, dict):
        return ""
    return " – ".join(_plain(said.get(end)) for end in ("start", "end") if said.get(end))


def _files(said: Any) -> str:
    found = []
    for one in said if isinstance(said, list) else ():
        external = one.get("external") if isinstance(one, dict) else None
        found.append(linked(_name(one), external.get("url")) if isinstance(external, dict) else _name(one))
    return ", ".join(part for part in found if part)


def _unique(said: Any) -> str:
    if not isinstance(said, dict) or not isinstance(said.get("number"), int):
        return ""
    return _plain("-".join(str(said[part]) for part in ("prefix", "number") if said.get(part) is not None))


def _state(said: Any) -> str:
    return _plain(said.get("state")) if isinstance(said, dict) else ""


_VALUES: dict[str, Callable[[Any], str]] = {
    "rich_text": one_line,
    "number": _plain,
    "select": _name,
    "status": _name,
    "multi_select": _names,
    "date": _date,
    "people": _names,
    "files": _files,
    "checkbox": lambda said: "yes" if said is True else "no",
    "url": lambda said: linked("", said) if isinstance(said, str) else "",
    "email": _plain,
    "phone_number": _plain,
    "created_time": _plain,
    "created_by": _name,
    "unique_id": _unique,
    "verification": _state,
}
