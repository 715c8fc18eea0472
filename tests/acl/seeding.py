"""Putting a mistake into the real code for the length of a block.

A fault names text of the real code and what stands there instead. The text must be there exactly once: code that is
written anew breaks its faults loudly, and they are written anew with it.
"""

from __future__ import annotations
import __future__

import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import sqlalchemy as sa

Edit = tuple[str, str]


@dataclass(frozen=True)
class Fault:
    """``place``: a function, or a module and the name of an SQL statement in it. ``check``: of the probe, the one
    that it must make fail."""

    name: str
    check: str
    place: Callable[..., Any] | tuple[ModuleType, str]
    edits: tuple[Edit, ...]

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """The fault is in the code within the block."""
        with _statement(*self.place, self.edits) if isinstance(self.place, tuple) else _code(self.place, self.edits):
            yield


@contextmanager
def _statement(module: ModuleType, name: str, edits: tuple[Edit, ...]) -> Iterator[None]:
    real: sa.TextClause = getattr(module, name)
    setattr(module, name, sa.text(_edited(real.text, edits)))
    try:
        yield
    finally:
        setattr(module, name, real)


@contextmanager
def _code(function: Callable[..., Any], edits: tuple[Edit, ...]) -> Iterator[None]:
    """Give the function itself other code, so that whoever has imported it runs that too."""
    assert isinstance(function, FunctionType) and not function.__code__.co_freevars, function
    source = _edited(textwrap.dedent(inspect.getsource(function)), edits)
    names: dict[str, Any] = {}
    file, flags = function.__code__.co_filename, __future__.annotations.compiler_flag
    exec(builtins.compile(source[source.index("def ") :], file, "exec", flags, True), dict(function.__globals__), names)
    real = function.__code__
    function.__code__ = names[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = real


def _edited(text: str, edits: tuple[Edit, ...]) -> str:
    for old, new in edits:
        assert text.count(old) == 1, f"not there exactly once any more: {old}"
        text = text.replace(old, new)
    return text
