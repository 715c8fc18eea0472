"""The documentation as tests read it: pages, their tables, their fenced examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from vouch.cli.application import create_application
from vouch.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block. ``about`` is what stands behind the language: a file's name, or a route."""

    page: str
    line: int
    language: str
    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def without_examples(text: str) -> str:
    """The prose: what stands outside fences."""
    return _FENCE.sub("", text)


def examples(*languages: str) -> list[Example]:
    """Every fenced block of these languages, of all pages."""
    return [example for page in PAGES for example in _of(page) if example.language in languages]


def _of(page: Path) -> Iterator[Example]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        language, _, about = match[1].partition(" ")
        yield Example(name(page), text.count("\n", 0, match.start()) + 1, language, about.strip(), match[2])


def rows(page: str) -> dict[str, tuple[str, ...]]:
    """Rows of all tables of a page by each code in their first cell; cells as written."""
    found: dict[str, tuple[str, ...]] = {}
    for line in read(page).splitlines():
        if line.startswith("| `"):
            cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))
            for code in re.findall(r"`([^`]+)`", cells[0]):
                assert code not in found, f"{code} is in {page} twice"
                found[code] = cells
    return found


@cache
def routes() -> frozenset[str]:
    """Every route, as ``GET /v1/jobs/{job_id}``."""
    paths = create_application(Settings(secret_key=SecretStr("0123456789abcdef" * 2))).openapi()["paths"]
    return frozenset(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)


def shell_commands() -> list[tuple[Example, str]]:
    """Commands of shell examples: comments and here-documents left out, continued lines and quotes joined."""
    found: list[tuple[Example, str]] = []
    for example in examples("sh"):
        text = re.sub(r"<<'EOF'\n.*?^EOF$", "", example.text, flags=re.M | re.S)
        text = text.replace("\\\n", " ")
        command = ""
        for line in text.splitlines():
            command = f"{command}\n{line}" if command else line
            if command.count("'") % 2 == 0:
                found.append((example, command))
                command = ""
        assert not command, f"{example}: a quote is not closed"
    return [(example, command) for example, command in found if command.strip() and not command.startswith("#")]
