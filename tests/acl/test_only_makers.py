"""Only acl/compile.py makes what gate 1 compares: read from the code, so nobody can go round it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("vouch", "acl", "connectors", "ingestion", "retrieval", "evals", "web")
# The definition itself, and the decoder that gives a value back as it was received from its maker.
EXPECTED = {
    "AccessFilter": {"acl/compile.py", "vouch/index/wire.py"},
    "AccessPayload": {"acl/compile.py", "vouch/index/wire.py", "vouch/index/payload.py", "vouch/index/rules.py"},
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_only_acl_compiles_access(name: str) -> None:
    makers = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and name in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
    }
    assert "acl/compile.py" in makers
    assert makers <= EXPECTED[name]
