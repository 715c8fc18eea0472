"""OpenFGA's models (DSL 1.1) and relationship tuples as Vouch's groups and clauses, where they can be said so.

A relation of an object that is a union becomes a group, whose members may be groups and whose cycles are legal. An
intersection becomes one clause after another; a union over intersections is multiplied out, so that clauses remain;
``but not`` becomes a deny. An exclusion inside a union cannot be said, for a deny of ours wins at any depth.
Neither can a condition, which is decided anew for each request: a case is mapped once as if all were met and once
as if none were, and an answer that differs depends on the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vouch.core.types import AUTHENTICATED, Acl, Clause

Expression = tuple[Any, ...]
"""("direct",) · ("same", relation) · ("from", relation, link) · ("or" | "and" | "but not", left, right)"""
NOBODY: Acl = (Clause(frozenset()),)
_TOKEN = re.compile(r"\[[^\]]*\]|[()]|but not|\w+")


class Inexpressible(Exception):
    """Groups and clauses cannot say this; the message says why."""


@dataclass(frozen=True)
class Check:
    """An assertion of a store: whether ``user`` has ``relation`` to ``object``."""

    user: str
    object: str
    relation: str
    expected: bool


@dataclass(frozen=True)
class Case:
    """One test of a store, with the tuples that hold in it."""

    store: str
    name: str
    model: Mapping[str, Mapping[str, Expression]]
    tuples: Sequence[Mapping[str, Any]]
    checks: Sequence[Check]


def read_cases(folder: Path) -> Iterator[Case]:
    """Every test of every store under ``folder``; ``list_objects`` and ``list_users`` become checks of each pair."""
    for path in sorted(folder.rglob("*.fga.yaml")):
        store = yaml.safe_load(path.read_text())
        model = parse_model(store["model"] if "model" in store else _model_text(path.parent / store["model_file"]))
        shared = list(store.get("tuples", []))
        if "tuple_file" in store:
            shared += yaml.safe_load((path.parent / store["tuple_file"]).read_text())
        for n, test in enumerate(store["tests"]):
            tuples = [*shared, *test.get("tuples", [])]
            checks = [*_checks(test), *_lists(test, tuples, store["tests"])]
            yield Case(str(path.relative_to(folder)), f"{n}", model, tuples, checks)


def parse_model(text: str) -> dict[str, dict[str, Expression]]:
    """Types with their relations. Raises ``ValueError`` for what it cannot read."""
    model: dict[str, dict[str, Expression]] = {}
    here: dict[str, Expression] = {}
    for line in text.splitlines():
        code = line.split("#")[0] if not re.search(r"\w#\w", line) else line
        if found := re.match(r"\s*(?:extend )?type (\w+)", code):
            here = model.setdefault(found[1], {})
        elif found := re.match(r"\s*define (\w+)\s*:(.*)", code):
            here[found[1]] = _parse(_TOKEN.findall(found[2]))
    return model


def principal(subject: str) -> str:
    """``user:anne`` as it stands; another type of subject becomes the issuer: ``user:employee/anne``."""
    kind, _, name = subject.partition(":")
    return subject if kind == "user" else f"user:{kind}/{name}"


@dataclass
class Mapped:
    """The groups and clauses of one case, with its conditional tuples or without. ``groups`` grows with what is asked
    for."""

    case: Case
    conditions_met: bool = False
    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    _open: list[tuple[str, str]] = field(default_factory=list)
    _met: set[tuple[str, str]] = field(default_factory=set)

    def acl(self, object_: str, relation: str) -> Acl:
        """Who has the relation to the object. Raises :class:`Inexpressible`."""
        before = dict(self.groups)
        try:
            return self._relation(object_, relation)
        except Inexpressible:
            self.groups = before
            raise
        finally:
            self._open.clear()
            self._met.clear()

    def _relation(self, object_: str, relation: str) -> Acl:
        expression = self.case.model[object_.partition(":")[0]].get(relation)
        if expression is None:  # a link may lead to a type that does not know the relation
            return NOBODY
        key, group = (object_, relation), f"group:{object_.replace(':', '=')}~{relation}"
        itself = (Clause(frozenset({group})),)
        if group in self.groups:
            return itself
        if key in self._open:
            self._met.add(key)
            return itself
        self._open.append(key)
        found = self._expression(expression, object_, relation)
        self._open.pop()
        if len(found) == 1 and not found[0].deny and AUTHENTICATED not in found[0].allow:
            self.groups[group] = found[0].allow - {group}
            return itself
        if key in self._met:
            raise Inexpressible("a cycle through more than a union")
        return found

    def _expression(self, expression: Expression, object_: str, relation: str) -> Acl:
        match expression:
            case ("direct",):
                return self._direct(object_, relation)
            case ("same", other):
                return self._relation(object_, other)
            case ("from", other, link):
                linked = [t["user"] for t in self._tuples(object_, link)]
                return _union(self._relation(one, other) for one in linked)
        operator, left, right = expression
        a, b = (self._expression(side, object_, relation) for side in (left, right))
        return _union([a, b]) if operator == "or" else a + b if operator == "and" else _without(a, b)

    def _direct(self, object_: str, relation: str) -> Acl:
        return _union(self._subject(found["user"]) for found in self._tuples(object_, relation))

    def _subject(self, subject: str) -> Acl:
        if subject.endswith(":*"):
            kinds = {check.user.partition(":")[0] for check in self.case.checks}
            if kinds - {subject[:-2]}:
                raise Inexpressible("everyone of one type among several: `authenticated` is everyone")
            return (Clause(frozenset({AUTHENTICATED})),)
        if "#" in subject:
            return self._relation(*subject.split("#"))
        return (Clause(frozenset({principal(subject)})),)

    def _tuples(self, object_: str, relation: str) -> Iterator[Mapping[str, Any]]:
        for found in self.case.tuples:
            unmet = "condition" in found and not self.conditions_met
            if (found["object"], found["relation"]) == (object_, relation) and not unmet:
                yield found


def _union(acls: Iterable[Acl]) -> Acl:
    """(a ∧ b) ∪ c = (a ∪ c) ∧ (b ∪ c). Raises :class:`Inexpressible`."""
    some = [acl for acl in acls if acl != NOBODY]
    if len(some) > 1 and any(clause.deny for acl in some for clause in acl):
        raise Inexpressible("an exclusion inside a union")
    result, *others = some or [NOBODY]
    for acl in others:
        result = tuple(dict.fromkeys(Clause(a.allow | b.allow) for a in result for b in acl))
    return result


def _without(acl: Acl, excluded: Acl) -> Acl:
    if len(excluded) != 1 or excluded[0].deny:
        raise Inexpressible("an exclusion of more than a union")
    return (*acl, Clause(frozenset({AUTHENTICATED}), excluded[0].allow))


def _parse(tokens: list[str]) -> Expression:
    left = _term(tokens)
    while tokens and tokens[0] != ")":
        operator = tokens.pop(0)
        if operator not in ("or", "and", "but not"):
            raise ValueError(f"not an operator: {operator}")
        left = (operator, left, _term(tokens))
    return left


def _term(tokens: list[str]) -> Expression:
    token = tokens.pop(0)
    if token == "(":
        inside = _parse(tokens)
        tokens.pop(0)
        return inside
    if token.startswith("["):
        return ("direct",)
    if tokens and tokens[0] == "from":
        tokens.pop(0)
        return ("from", token, tokens.pop(0))
    return ("same", token)


def _model_text(path: Path) -> str:
    if path.suffix != ".mod":
        return path.read_text()
    return "\n".join((path.parent / part).read_text() for part in yaml.safe_load(path.read_text())["contents"])


def _checks(test: Mapping[str, Any]) -> Iterator[Check]:
    for check in test.get("check", []):
        for relation, expected in check["assertions"].items():
            yield Check(check["user"], check["object"], relation, expected)


def _lists(test: Mapping[str, Any], tuples: Sequence[Mapping[str, Any]], tests: Sequence[Any]) -> Iterator[Check]:
    asked = [check for other in tests for check in _checks(other)]
    names = {t["object"] for t in tuples} | {check.object for check in asked}
    users = {t["user"] for t in tuples if "#" not in t["user"] and "*" not in t["user"]} | {c.user for c in asked}
    for listed in test.get("list_objects", []):
        for relation, expected in listed["assertions"].items():
            for name in sorted(n for n in names if n.startswith(f"{listed['type']}:")):
                yield Check(listed["user"], name, relation, name in expected)
    for listed in test.get("list_users", []):
        kinds = tuple(f"{one['type']}:" for one in listed["user_filter"])
        for relation, expected in listed["assertions"].items():
            for user in sorted(u for u in users if u.startswith(kinds)):
                yield Check(user, listed["object"], relation, user in expected["users"])
