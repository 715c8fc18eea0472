"""design.md, "Who may see what", once more and as plainly as possible: what the real code is compared with.

One :class:`World` is one tenant at one moment, never changed: a change makes another. Times are hours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

Clauses = tuple[tuple[frozenset[str], frozenset[str]], ...]
"""(allow, deny) in order."""


class Refused(Exception):
    """The request fails: nobody active, or a closure that cannot be complete."""


@dataclass(frozen=True)
class Source:
    """``max_age`` None: its access does not age. ``read``: when every ACL of it was last read, None for never."""

    kind: str = "push"
    state: str = "active"
    max_age: float | None = None
    read: float | None = None


@dataclass(frozen=True)
class Document:
    """``acl`` None or empty: nobody. ``state`` is live, pending, quarantined (a deny that nobody can map) or deleted.
    ``read``: when its own ACL was read, where that was later than its source's."""

    source: str
    acl: Clauses | None = None
    state: str = "live"
    read: float | None = None


@dataclass(frozen=True)
class World:
    """``users``: active or not. ``groups``: their members. ``told``: when an issuer last told which groups a user or
    group is in; who is not in it is known from Vouch's own directory, which does not age."""

    users: Mapping[str, bool] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    told: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    now: float = 0.0
    most_principals: int = 10_000

    def put(self, kind: str, name: str, value: object) -> World:
        """This world but for one entry; ``value`` None takes it out."""
        rest = {known: was for known, was in getattr(self, kind).items() if known != name}
        return replace(self, **{kind: rest if value is None else {**rest, name: value}})

    def principals(self, user: str) -> frozenset[str]:
        """P(u). Raises :class:`Refused`."""
        if not self.users.get(user):
            raise Refused("nobody active")
        found = {user, "authenticated"}
        while more := {group for group, members in self.groups.items() if members & found} - found:
            found |= more
        if len(found) > self.most_principals:
            raise Refused("incomplete")
        return frozenset(found)

    def readable(self, user: str) -> frozenset[str]:
        """The documents that the user may read; none where the request fails."""
        try:
            principals = self.principals(user)
        except Refused:
            return frozenset()
        return frozenset(name for name in self.documents if self._allowed(principals, self.documents[name]))

    def readable_together(self, user: str, inputs: Collection[str]) -> bool:
        """Whether the user may read what was derived from ``inputs``: only with every one of them."""
        return self.readable(user) >= set(inputs)

    def _allowed(self, principals: frozenset[str], document: Document) -> bool:
        source = self.sources[document.source]
        if document.state != "live" or source.state == "deleting":
            return False
        if source.max_age is not None:
            told = [self.told[principal] for principal in principals if principal in self.told]
            if any(self.now - when > source.max_age for when in told):
                return False
            read = [when for when in (source.read, document.read) if when is not None]
            if source.kind != "push" and (not read or self.now - max(read) > source.max_age):
                return False
        return self.permitted(principals, document.acl)

    @staticmethod
    def permitted(principals: frozenset[str], acl: Clauses | None) -> bool:
        """For every clause: P(u) ∩ allow ≠ ∅ and P(u) ∩ deny = ∅. No clause permits nobody."""
        return bool(acl) and all(principals & allow and not principals & deny for allow, deny in acl or ())
