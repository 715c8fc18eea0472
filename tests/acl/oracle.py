"""design.md, "Who may see what", once more and as plainly as possible: what the real code is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class World:
    """A tenant's directory and documents. ``acl`` None or empty: nobody."""

    active: dict[str, bool] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    acls: dict[str, list[tuple[set[str], set[str]]] | None] = field(default_factory=dict)
    live: dict[str, bool] = field(default_factory=dict)

    def principals(self, user: str) -> set[str]:
        found = {user, "authenticated"}
        while True:
            more = {g for g, members in self.members.items() if members & found} - found
            if not more:
                return found
            found |= more

    def allowed(self, user: str, document: str) -> bool:
        if not self.active.get(user) or not self.live.get(document):
            return False
        acl = self.acls.get(document)
        if not acl:
            return False
        principals = self.principals(user)
        return all(principals & allow and not principals & deny for allow, deny in acl)
