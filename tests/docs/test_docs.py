"""What the code has is documented, and what the documents name is in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from prometheus_client import REGISTRY

from connectors.registry import connector_kinds
from ingestion.parse import REASONS
from tests.docs.pages import PAGES, ROOT, name, read, routes, rows, without_examples
from vouch.cli.main import app
from vouch.core.errors import every_error
from vouch.core.settings import SOURCE_VARIABLES, Settings

ROOMS = ("acl", "connectors", "evals", "ingestion", "retrieval", "samples", "tests", "vouch", "web")
HOSTS = frozenset(
    {"127.0.0.1", "id.example.org", "llm.example.org", "files.example.org", "www.example.org", "hooks.example.org"}
)
MACHINE = re.compile(r"(?<![\w.}])/(?:home|root|Users|mnt|opt|tmp)/")
LINK = re.compile(r"\]\(([^)\s]+)\)")


# --- what the code has is documented --------------------------------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    table = rows("docs/reference/settings.md")
    for field, setting in Settings.model_fields.items():
        row = table[f"VOUCH_{field.upper()}"]
        assert row[1] == ("–" if setting.default is None else f"`{setting.default}`"), row
        assert row[2]


def test_every_error_is_documented_with_its_status_and_whether_a_retry_helps() -> None:
    table = rows("docs/reference/errors.md")
    errors = {kind.code: kind for kind in every_error()}
    for code, kind in errors.items():
        assert table[code][1:3] == (str(kind.status), "yes" if kind.retryable else "no"), code
    assert {code for code, row in table.items() if len(row) == 4} == set(errors)
    assert set(table) >= REASONS


def _commands(command: object, path: tuple[str, ...] = ("vouch",)) -> Iterator[tuple[str, object]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
    else:
        for child, inner in children.items():
            yield from _commands(inner, (*path, child))


def test_every_command_is_documented_with_its_options_and_no_others_are() -> None:
    table = {
        "".join(re.findall(r"^vouch(?: [a-z][a-z-]*)+", code)): (code, *cells)
        for code, cells in rows("docs/reference/cli.md").items()
    }
    commands = dict(_commands(typer.main.get_command(app)))
    assert set(table) == set(commands)
    for path, command in commands.items():
        written = f"{table[path][0]} {table[path][3]}"
        named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", written))
        options = {
            option
            for param in command.params  # type: ignore[attr-defined]
            if param.param_type_name == "option"
            for option in (*param.opts, *param.secondary_opts)
        }
        assert named == options - {"--json"}, path


def test_every_kind_of_source_is_documented_with_its_fields() -> None:
    for kind, connector in connector_kinds().items():
        page = f"docs/connectors/{kind}.md"
        assert read(page).startswith(f"# {kind}\n")
        assert set(connector.Config.model_fields) <= set(rows(page)), kind


def test_every_route_is_documented_and_no_others_are() -> None:
    documented = {code for code in rows("docs/reference/http.md") if re.match(r"[A-Z]+ /", code)}
    assert documented == routes()


def test_every_metric_is_documented_and_no_others_are() -> None:
    assert routes()  # the application is loaded, and its metrics with it
    families = [family for family in REGISTRY.collect() if family.name.startswith("vouch_")]
    exposed = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert {code for code in rows("docs/reference/metrics.md") if code.startswith("vouch_")} == exposed


def test_every_direct_dependency_has_its_reason_and_no_others_have() -> None:
    given = set()
    for path in (*sorted((ROOT / "requirements").glob("*.in")), ROOT / "requirements" / "apart.txt"):
        for line in path.read_text().splitlines():
            if line and not line.startswith(("#", "-")):
                given.add(re.split(r"[=<>~!]", line)[0].strip())
    table = rows("docs/decisions/0002-dependencies.md")
    assert set(table) == given
    assert all(row[1] for row in table.values())


def test_every_decision_says_context_choice_and_consequences() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Choice", "Consequences"], page.name
        assert text.startswith(f"# {page.name[:4]} ")


# --- what the documents name is there -------------------------------------------------------------------------------


def _anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", without_examples(text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(without_examples(page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT)
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), link


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            links = LINK.findall(page.read_text(encoding="utf-8"))
            waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]
    decisions = {page for page in PAGES if page.parent.name == "decisions"}
    assert set(PAGES) - decisions <= reached, sorted(map(name, set(PAGES) - reached))


def _variables() -> set[str]:
    """Settings, and what else the code reads from the environment."""
    found = {f"VOUCH_{field.upper()}" for field in Settings.model_fields}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            found |= set(re.findall(r"environ(?:\.get\(|\[)\"(VOUCH_\w+)\"", path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_variable_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bVOUCH_[A-Z0-9_]+", page.read_text(encoding="utf-8")))
    assert {name for name in named if not name.startswith(SOURCE_VARIABLES)} <= _variables()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_test_and_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for code in re.findall(r"`([^`\n]+)`", without_examples(text)):
        path, _, test = code.partition("::")
        if re.fullmatch(rf"(?:{'|'.join(ROOMS)}|docs|requirements)/[\w./-]+", path):
            assert (ROOT / path).exists(), code
            if test:
                assert test in _functions(ROOT / path), code
    makefile = read("Makefile")
    for target in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.M):
        assert re.search(rf"^{target[0] or target[1]}:", makefile, re.M), target


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_machine_and_no_host_but_examples_is_named(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not MACHINE.search(text), MACHINE.search(text)
    hosts = {host.rpartition("@")[2].partition(":")[0] for host in re.findall(r"https?://([\w.@:-]+)", text)}
    assert hosts <= HOSTS | {"collector.example.org", "qdrant.example.org"}
