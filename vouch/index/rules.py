"""The access rules that the points of an embedded index have, numbered, each written once.

A point carries the number of its rule: a tenant, its clause slots, its denies. Who asks is compared with each rule
once, here, and the engine is told the numbers that admit them. It then looks up one number for a point, where it would
compare six lists of names: a quarter to a ninth of the time (`docs/scale.md`).

    <folder>/rules.jsonl     a line for each rule, in the order of their numbers; lines are only ever added

A rule is on disk before any point that has it, so a number never comes to mean another rule. What admits an asker is
kept for the next question: it depends on their principals and on the rules, neither of which ever changes under the
same name, so that nothing kept can be out of date.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_left
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vouch.core.errors import IndexUnavailable
from vouch.core.types import AccessFilter, AccessPayload
from vouch.index.filters import AnyOf, Conditions, admits, asking
from vouch.index.payload import RULE, checked_access

KEPT = 2_000_000
"""Numbers and principals kept for askers, together: some 16 MB of each."""

Rule = tuple[str, AccessPayload]
"""The tenant, and what its points carry."""


@dataclass(slots=True)
class _Admitted:
    """Numbers of the rules below ``upto`` that admit one asker."""

    upto: int = 0
    numbers: tuple[int, ...] = ()


class Rules:
    """Of one open index. Nothing of a rule is ever changed, and none is removed before the index is made anew."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`IndexUnavailable` when what is there cannot be read."""
        self._path = path
        self._rules: list[Rule] = []
        self._numbers: dict[Rule, int] = {}
        self._naming: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        """By tenant and principal, ascending: the rules that have the principal in the first slot."""
        for rule in _read(path):
            self._take(rule)
        self._admitted: OrderedDict[tuple[str, frozenset[str]], _Admitted] = OrderedDict()
        self._kept = 0

    def add(self, rules: Iterable[Rule]) -> None:
        """Give each that is new a number, durably. Raises :class:`InvalidInput` on one that would admit somebody by
        accident, and adds none then."""
        wanted = dict.fromkeys((tenant, checked_access(access)) for tenant, access in rules)
        fresh = [rule for rule in wanted if rule not in self._numbers]
        if not fresh:
            return
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("a") as file:
                file.writelines(_line(rule) for rule in fresh)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk: no half a line may stand before the next
            os.truncate(self._path, size)
            raise
        for rule in fresh:
            self._take(rule)

    def number(self, tenant: str, access: AccessPayload) -> int:
        """Of a rule that was added."""
        return self._numbers[tenant, access]

    def access(self, tenant: str, number: object) -> AccessPayload:
        """Of a number as a point of ``tenant`` has it. One that means nothing, or a rule of another tenant, is read as
        no rule at all, so that verification sees the difference."""
        if isinstance(number, int) and 0 <= number < len(self._rules):
            owner, access = self._rules[number]
            if owner == tenant:
                return access
        return _NONE

    def visible(self, access: AccessFilter) -> Conditions | None:
        """Gate 1 as a number to look up. None: nothing is visible. Raises what :func:`asking` raises."""
        principals = asking(access)
        key = access.tenant, principals
        found = self._admitted.get(key)
        if found is None:
            found = self._admitted[key] = _Admitted()
            self._kept += len(principals)
        if found.upto < len(self._rules):
            more = [n for n in self._naming_any(key, found.upto) if admits(self._rules[n][1], principals)]
            found.upto, found.numbers = len(self._rules), (*found.numbers, *more)
            self._kept += len(more)
        self._admitted.move_to_end(key)
        self._forget()
        return Conditions((AnyOf(RULE, found.numbers),)) if found.numbers else None

    def _take(self, rule: Rule) -> None:
        tenant, access = rule
        number = self._numbers[rule] = len(self._rules)
        self._rules.append(rule)
        for principal in access.allow[0]:
            self._naming[tenant, principal].append(number)

    def _naming_any(self, asker: tuple[str, frozenset[str]], since: int) -> list[int]:
        """Rules from ``since`` on whose first slot names the asker: no other can admit them."""
        tenant, principals = asker
        found: set[int] = set()
        for principal in principals:
            numbers = self._naming.get((tenant, principal), [])
            found.update(numbers[bisect_left(numbers, since) :])
        return sorted(found)

    def _forget(self) -> None:
        """What was asked for longest ago."""
        while self._kept > KEPT and len(self._admitted) > 1:
            (_, principals), oldest = self._admitted.popitem(last=False)
            self._kept -= len(principals) + len(oldest.numbers)


_NONE = AccessPayload((), ())
"""What no point was ever written with."""


def _read(path: Path) -> list[Rule]:
    if not path.exists():
        return []
    *lines, rest = path.read_text().split("\n")
    if rest:  # cut off while it was written: no point has that rule
        os.truncate(path, path.stat().st_size - len(rest.encode()))
    try:
        return [_rule(line) for line in lines]
    except (ValueError, TypeError) as error:
        raise IndexUnavailable(f"{path} cannot be read: rebuild the index") from error


def _line(rule: Rule) -> str:
    tenant, access = rule
    return json.dumps([tenant, access.allow, access.deny]) + "\n"


def _rule(line: str) -> Rule:
    tenant, allow, deny = json.loads(line)
    return str(tenant), checked_access(AccessPayload(tuple(map(tuple, allow)), tuple(deny)))
