"""Examples in the documents are what they look like: they parse, they are accepted, the commands exist."""

from __future__ import annotations

import ast
import json
import re
import shlex
from typing import Any

import pytest
import typer
import yaml
from pydantic import TypeAdapter

from connectors.rules import FILE_NAME, Rule, read_rule
from ingestion.api.directory import GroupIn
from ingestion.api.evals import EvalSetIn
from ingestion.api.generations import GenerationIn
from ingestion.api.issuers import IssuerIn
from ingestion.api.mail import ScheduleIn
from ingestion.api.webhooks import WebhookIn
from ingestion.schemas import AccessIn, DocumentIn, SourceIn, SourcePatch
from retrieval.api.generations import CompareIn
from retrieval.api.releases import ReleaseIn, RollbackIn
from retrieval.schemas import AskRequest, ReviewRequest, SearchRequest
from retrieval.schemas.approvals import EditRequest, RejectRequest
from retrieval.schemas.break_glass import BreakGlassRequest
from tests.docs.pages import PAGES, Example, examples, routes, shell_commands
from vouch.cli.directory import People
from vouch.cli.main import app

BODIES: dict[str, Any] = {
    "POST /v1/sources": SourceIn,
    "PUT /v1/sources/{source_id}/documents/{external_id}": DocumentIn,
    "PUT /v1/sources/{source_id}/documents/{external_id}/access": AccessIn,
    "PUT /v1/sources/{source_id}/access": AccessIn,
    "PUT /v1/directory/groups/{group_id}": GroupIn,
    "PUT /v1/issuers/{issuer_id}": IssuerIn,
    "PUT /v1/reports/schedule": ScheduleIn,
    "POST /v1/webhooks": WebhookIn,
    "POST /v1/evals/sets": EvalSetIn,
    "POST /v1/index/generations": GenerationIn,
    "POST /v1/index/generations/{generation_id}/compare": CompareIn,
    "POST /v1/search": SearchRequest,
    "POST /v1/ask": AskRequest,
    "POST /v1/approvals/{approval_id}/edit": EditRequest,
    "POST /v1/approvals/{approval_id}/reject": RejectRequest,
    "POST /v1/break-glass": BreakGlassRequest,
    "POST /v1/documents/{document_id}/review": ReviewRequest,
    "PATCH /v1/sources/{source_id}": SourcePatch,
    "PUT /v1/releases": ReleaseIn,
    "POST /v1/releases/rollback": RollbackIn,
}


def _accepts(route: str, body: str) -> None:
    TypeAdapter(BODIES[route]).validate_python(json.loads(body))


@pytest.mark.parametrize("example", examples("json"), ids=str)
def test_json_parses_and_a_request_is_accepted(example: Example) -> None:
    found = json.loads(example.text)
    assert found
    if example.about:
        _accepts(example.about, example.text)


@pytest.mark.parametrize("example", examples("yaml"), ids=str)
def test_yaml_is_accepted_as_the_file_that_it_is(example: Example) -> None:
    if example.about == FILE_NAME:
        rule = read_rule(example.text.encode(), FILE_NAME, "", Rule())
        assert rule.acl
    else:
        assert example.about == "people.yaml", f"{example}: say which file it is"
        assert People.model_validate(yaml.safe_load(example.text)).users


@pytest.mark.parametrize("example", [example for example in examples("python") if not example.about], ids=str)
def test_python_compiles_and_its_imports_are_there(example: Example) -> None:
    tree = ast.parse(example.text)
    compile(tree, str(example), "exec")
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports
    exec(compile(ast.Module(imports, []), str(example), "exec"), {})


def test_every_fence_says_what_it_is() -> None:
    known = {"", "sh", "json", "yaml", "python", "sql", "toml"}
    fences = {fence for page in PAGES for fence in re.findall(r"^```(\w*)", page.read_text(encoding="utf-8"), re.M)}
    assert fences <= known


@pytest.mark.parametrize(("example", "command"), shell_commands(), ids=lambda x: str(x)[:60])
def test_a_command_is_one_that_exists(example: Example, command: str) -> None:
    words = shlex.split(re.sub(r"\$\([^)]*\)", "x", command), comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words and words[0] == "vouch":
        _is_a_command(words[1:])
    if words and words[0] == "curl":
        _is_a_request(words)


def _is_a_command(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words, "a group of commands alone does nothing"
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context("vouch", list(words), resilient_parsing=True)
    assert not context.args
    _, left, _ = command.make_parser(context).parse_args(list(words))
    assert not left, f"{left} is too much"


def _is_a_request(words: list[str]) -> None:
    url = next(word for word in words if word.startswith("http"))
    path = re.sub(r"^https?://[^/]+", "", url).partition("?")[0]
    body = words[words.index("-d") + 1] if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "GET" if body is None else "POST"
    fitting = [route for route in routes() if _fits(f"{method} {path}", route)]
    assert fitting, f"{method} {path}"
    if body is not None:
        _accepts(max(fitting, key=len), body)  # the longest is the most particular


def _fits(request: str, route: str) -> bool:
    pattern = re.escape(route).replace(r"\{external_id\}", ".+")
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", pattern), request) is not None
