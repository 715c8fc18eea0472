"""Who may read a page: whoever may read the space, and passes each restriction from the top of the tree down to it.

Every level is a clause of its own. A level that cannot be looked at, of the page or of anything above it, is no level
without a restriction: nobody may read what lies below it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from connectors.accounts import Accounts
from connectors.atlassian.config import Public
from connectors.confluence.site import PAGE, PLACES, V1, V2, Item, Site, Space
from vouch.core.errors import NotFound, SourceRefuses
from vouch.core.types import AUTHENTICATED, AccessUnknown, Json, RawClause

Levels = tuple[RawClause, ...] | AccessUnknown
"""From the top down; none where nothing is restricted."""
Restriction = RawClause | AccessUnknown | None
_EVERYONE = frozenset({"anonymous", "anonymous-users", "authenticated-users", "all-licensed-users"})
_AT_ONCE = 100
_MOST_SUBJECTS = 4000
_READ = "restrictions.read.restrictions"


def space_clause(site: Site, space: Space, accounts: Accounts, public: Public) -> RawClause | AccessUnknown:
    """Whom the space lets read."""
    where = f"space {space.key}"
    allow: set[str] = set()
    try:
        for said in site.listed(f"{V2}/spaces/{space.id}/permissions", {"limit": 250}):
            operation = said.get("operation")
            if isinstance(operation, dict) and (operation.get("key"), operation.get("targetType")) == ("read", "space"):
                allow |= set(_granted(said.get("principal"), accounts, public))
    except (NotFound, SourceRefuses) as error:
        _require_about_one(error)
        return AccessUnknown("permissions_unreadable", f"{where}: who may read it cannot be read ({error.detail})")
    return RawClause(tuple(sorted(allow)), (), where)


def _granted(principal: Any, accounts: Accounts, public: Public) -> Iterable[str]:
    """Anybody else than an account or a group is told as it is: it lets nobody in, and the job says so."""
    said: Json = principal if isinstance(principal, dict) else {"type": "anonymous"}
    kind, id = str(said.get("type") or "").lower(), str(said.get("id") or "")
    if kind == "user" and id:
        return (accounts.account(id),)
    if kind == "group" and id:
        return (accounts.group("group", id),)
    if _EVERYONE & {kind, id.lower()}:
        return (AUTHENTICATED,) if public == "authenticated" else ()
    return (f"Confluence's {kind or 'principal'} {id}".strip()[:200],)


class Tree:
    """The restrictions of one space's pages and blog posts, and of whatever they lie under."""

    def __init__(self, site: Site, accounts: Accounts, items: Mapping[str, Item]) -> None:
        self._site, self._accounts, self._items = site, accounts, items
        self._levels: dict[tuple[str, str], Levels] = {}
        self._own: dict[str, Restriction] = {}

    def read(self, ids: Collection[str]) -> None:
        """Read the restrictions of some at once. What a search does not tell wholly is asked for later, alone."""
        wanted = [id for id in ids if id.isdecimal()]
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            asked = {"cql": f"id in ({','.join(some)})", "expand": f"{_READ}.user,{_READ}.group", "limit": _AT_ONCE}
            try:
                for said in self._site.listed(f"{V1}/content/search", asked):
                    self._take(said, frozenset(some))
            except (NotFound, SourceRefuses) as error:
                _require_about_one(error)

    def _take(self, said: Json, asked: frozenset[str]) -> None:
        id = str(said.get("id"))
        expanded: Any = said.get("restrictions")
        for name in ("read", "restrictions"):
            expanded = expanded.get(name) if isinstance(expanded, dict) else None
        found = _subjects(expanded, self._accounts)
        if id in asked and found is not None and not found[2]:
            self._own[id] = _clause(id, found[0])

    def levels(self, kind: str, id: str) -> Levels:
        """The restrictions that apply to ``id``: its own and those of all that it lies under."""
        chain: list[tuple[str, str]] = []
        at: tuple[str, str] | None = (kind, id)
        above: Levels = ()
        while at is not None:
            if at in self._levels:
                above = self._levels[at]
                break
            if at in chain:
                above = AccessUnknown("ancestor_unknown", f"{kind} {id} lies under itself")
                break
            chain.append(at)
            parent = self._parent(*at)
            if isinstance(parent, AccessUnknown):
                above = parent
                break
            at = parent
        for node in reversed(chain):
            above = self._levels[node] = self._joined(above, node[1])
        return above

    def _joined(self, above: Levels, id: str) -> Levels:
        """What lies below an unknown level is unknown, whatever its own restriction."""
        if isinstance(above, AccessUnknown):
            return above
        own = self._restriction(id)
        if isinstance(own, AccessUnknown):
            return own
        return above if own is None else (*above, own)

    def _parent(self, kind: str, id: str) -> tuple[str, str] | AccessUnknown | None:
        unknown = AccessUnknown("ancestor_unknown", f"{kind} {id}: what it lies under cannot be read")
        if kind not in PLACES:
            return unknown
        item = self._items.get(id)
        if item is not None and item.kind != PAGE:
            return None  # blog posts lie under nothing
        try:
            parent = item.parent if item is not None else self._site.parent(kind, id)
            # That a page is at the top is not taken from a field that is empty, or was left out.
            if parent is None and kind == PAGE and self._site.has_ancestors(id):
                return unknown
        except (NotFound, SourceRefuses) as error:
            _require_about_one(error)
            return unknown
        return parent

    def _restriction(self, id: str) -> Restriction:
        if id not in self._own:
            self._own[id] = self._asked(id)
        return self._own[id]

    def _asked(self, id: str) -> Restriction:
        """The restriction as it is told of one alone, all of its pages."""
        unknown = AccessUnknown("restriction_unknown", f"content {id}: who is let in cannot be read")
        told: set[str] = set()
        start, more = 0, True
        while more:
            wanted = {"expand": "restrictions.user,restrictions.group", "start": start, "limit": _AT_ONCE}
            try:
                said = self._site.rest.get(f"{V1}/content/{id}/restriction/byOperation/read", wanted).data
            except (NotFound, SourceRefuses) as error:
                _require_about_one(error)
                return unknown
            found = _subjects(said.get("restrictions") if isinstance(said, dict) else None, self._accounts)
            if found is None:
                return unknown
            subjects, step, more = found
            if (more and told.issuperset(subjects)) or len(told) > _MOST_SUBJECTS:
                return unknown
            told |= set(subjects)
            start += step
        return _clause(id, told)


def _clause(id: str, subjects: Collection[str]) -> RawClause | None:
    return RawClause(tuple(sorted(subjects)), (), f"restriction of content {id}") if subjects else None


def _subjects(restrictions: Any, accounts: Accounts) -> tuple[list[str], int, bool] | None:
    """Who is let in by one page of a restriction, how far that page goes, and whether there may be more; None where it
    is not said."""
    found: list[str] = []
    step, more = 0, False
    for kind, field in (("user", "accountId"), ("group", "id")):
        said = restrictions.get(kind) if isinstance(restrictions, dict) else None
        results = said.get("results") if isinstance(said, dict) else None
        if not isinstance(said, dict) or not isinstance(results, list):
            return None
        for result in results:
            id = result.get(field) if isinstance(result, dict) else None
            # One without an id lets nobody in, and is a restriction all the same.
            known = isinstance(id, str) and id
            named = accounts.account(str(id)) if kind == "user" else accounts.group("group", str(id))
            found.append(named if known else f"a {kind} of Confluence without an id")
        limit, total = said.get("limit"), said.get("totalSize")
        begun = said.get("start")
        full = isinstance(limit, int) and 0 < limit <= len(results)
        left = isinstance(total, int) and total > (begun if isinstance(begun, int) else 0) + len(results)
        step, more = max(step, len(results)), more or full or left
    return found, step, more


def _require_about_one(error: NotFound | SourceRefuses) -> None:
    """A credential that is not good says nothing about one item: raises it again."""
    if isinstance(error, SourceRefuses) and error.said == 401:
        raise error
