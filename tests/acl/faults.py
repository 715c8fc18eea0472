"""Mistakes that could be made in the code that decides access, and the check that must notice each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from acl import assign, break_glass, caller, compile, directory, keys, mapping, recheck, resolve
from ingestion import delete
from retrieval import answers, documents, freshness, release, stream, trace
from retrieval import recheck as candidates
from tests.acl.seeding import Fault
from vouch.catalog import database, epoch
from vouch.index import edge, filters, projector

_AGE = "greatest(d.acl_read_at, s.acl_read_at) > now() - make_interval(secs => s.acl_max_age_s)"
_MEMBERSHIPS = "coalesce(CAST(:memberships_read_at AS timestamptz), 'infinity') > now()"
_FIRST = "not principals.isdisjoint(first)"
_OTHERS = "and all(ANYONE in slot or not principals.isdisjoint(slot) for slot in others)"
_DENY = "and principals.isdisjoint(rule.deny)"
# Everything is let through: in place of ``recheck``, and of ``cards``.
_ALL = "(lambda _, access, ids: (access, ids))("
_ALL_CARDS = (
    "(lambda session, access, ids: (access, __import__('retrieval.documents').documents.load_cards("
    "session, access.tenant, dict.fromkeys(ids))))("
)
_NO_EPOCH = "(lambda session, tenant, **_: epochs.current(session, tenant))("
_GATE_2 = (recheck, "_RECHECK")


def _without_epoch(function: Callable[..., Any], kind: str, check: str = "epochs") -> Fault:
    """The function makes its change and bumps nothing."""
    edit = (f'_bump(session, tenant, "{kind}", ', "(lambda *_: epochs.current(session, tenant))(")
    return Fault(f"no epoch: {function.__name__}", check, function, (edit,))


FAULTS: tuple[Fault, ...] = (
    # --- gate 2: the clauses ---
    Fault("deny is not looked at", "clauses", _GATE_2, ((" OR c.deny && CAST(:principals AS text[])", ""),)),
    Fault("deny counts in the first clause only", "clauses", _GATE_2, (("OR c.deny", "OR c.ordinal = 0 AND c.deny"),)),
    Fault("deny counts only without an allow", "clauses", _GATE_2, ((" OR c.deny", " AND c.deny"),)),
    Fault(
        "any clause is enough",
        "clauses",
        _GATE_2,
        (("NOT EXISTS (", "EXISTS ("), ("(NOT c.allow &&", "(c.allow &&"), ("OR c.deny &&", "AND NOT c.deny &&")),
    ),
    Fault(
        "clauses after the fourth are dropped",
        "clauses",
        _GATE_2,
        (("(NOT c.allow", "c.ordinal < 4 AND (NOT c.allow"),),
    ),
    Fault(
        "no access list admits",
        "clauses",
        _GATE_2,
        (
            (
                "EXISTS (SELECT 1 FROM clause c WHERE c.tenant_id = d.tenant_id AND c.acl_id = d.acl_id)\n    AND NOT",
                "NOT",
            ),
        ),
    ),
    Fault(
        "an empty allow list admits",
        "clauses",
        _GATE_2,
        (("NOT c.allow &&", "cardinality(c.allow) > 0 AND NOT c.allow &&"),),
    ),
    # --- gate 2: the document and its source ---
    Fault("deleted and quarantined documents are shown", "states", _GATE_2, (("d.state = 'live' AND ", ""),)),
    Fault("a source being deleted is shown", "states", _GATE_2, ((" AND s.state <> 'deleting'", ""),)),
    Fault(
        "gate 2 forgets the tenant",
        "tenants",
        _GATE_2,
        (("d.tenant_id = :tenant AND ", ""), ("(d.tenant_id, d.id) = (:tenant, candidate)", "d.id = candidate")),
    ),
    Fault("access never grows old", "ages", _GATE_2, ((_AGE, "true"),)),
    Fault("access that was never read is fresh", "ages", _GATE_2, ((_AGE, f"coalesce({_AGE}, true)"),)),
    Fault("memberships never grow old", "ages", _GATE_2, ((_MEMBERSHIPS, "CAST('infinity' AS timestamptz) > now()"),)),
    Fault(
        "group memberships never grow old",
        "ages",
        resolve.resolve,
        ((", found.groups_read_at)", ",)"),),
    ),
    # --- who the asker is ---
    Fault(
        "gate 2 decides for the asker of earlier",
        "anew",
        recheck.recheck,
        (("fresh = resolve(session, access.tenant, access.user)", "fresh = access"),),
    ),
    Fault(
        "the closure is cached without its epoch",
        "anew",
        resolve.resolve,
        (
            (
                "    given = {",
                "    known = globals().setdefault('_known', {})\n"
                "    if (tenant, user) in known:\n        return known[tenant, user]\n    given = {",
            ),
            ("return Access(", "return known.setdefault((tenant, user), Access("),
            ("min(readings, default=None))", "min(readings, default=None)))"),
        ),
    ),
    Fault(
        "a closure too large is cut",
        "incomplete",
        resolve.resolve,
        (("if len(principals) >", "if len(principals) < 0 and len(principals) >"),),
    ),
    Fault(
        "groups in groups are followed one level",
        "closure",
        (resolve, "_RESOLVED"),
        (("OFFSET 0) m", "OFFSET 0) m WHERE r.principal = ANY(CAST(:seeds AS text[]))"),),
    ),
    Fault(
        "the closure forgets the tenant",
        "tenants",
        (resolve, "_RESOLVED"),
        (("WHERE tenant_id = :tenant AND member", "WHERE member"),),
    ),
    Fault(
        "the filler of clause slots poses as a principal",
        "closure",
        resolve.resolve,
        (("frozenset(found.principals)", "frozenset(found.principals) | {'*'}"),),
    ),
    Fault("who is not active is resolved", "inactive", resolve.resolve, (("if not found.active:", "if False:"),)),
    Fault("replaced members stay", "directory", directory.put_group, (("sa.text(_KEEP)", "sa.text(_ADD)"),)),
    Fault(
        "a deleted user's memberships wait for the next of the name",
        "directory",
        directory.delete_user,
        (
            (
                "_change(session, tenant, epoch, sa.text(_FORGET)",
                "(lambda *_: None)(session, tenant, epoch, sa.text(_FORGET)",
            ),
        ),
    ),
    Fault("a deny that cannot be mapped is dropped", "unmappable", mapping.map_acl, (("if not_denied:", "if False:"),)),
    # --- epochs, history, audit ---
    _without_epoch(directory.put_user, "user"),
    _without_epoch(directory.delete_user, "user"),
    _without_epoch(directory.put_group, "group"),
    _without_epoch(directory.delete_group, "group"),
    _without_epoch(directory.change_members, "members"),
    Fault("no epoch: assign", "epochs", assign.assign, (("epochs.bump(", _NO_EPOCH),)),
    Fault("no epoch: delete_documents", "epochs", delete.delete_documents, (("epochs.bump(", _NO_EPOCH),)),
    Fault("memberships leave no history", "history", directory._change, (("if changed:", "if False:"),)),
    Fault("users leave no history", "history", directory._remember_user, (("session.add(", "repr("),)),
    Fault(
        "access leaves no history",
        "history",
        assign.assign,
        (("session.execute(_REMEMBER", "(lambda *_: None)(_REMEMBER"),),
    ),
    Fault(
        "changes of access are not audited", "audit", epoch.bump, (("audit.append(\n", "(lambda *_, **__: None)(\n"),)
    ),
    Fault("readings are not audited", "audit", documents.read_document, (("record_reading(", "(lambda *_: None)("),)),
    Fault("X-Vouch-At-Least is not waited for", "at_least", epoch.require, (("if wanted > epoch:", "if False:"),)),
    # --- tenants ---
    Fault(
        "row-level security is off",
        "rows_of_others",
        database._begin,
        (("[] if isinstance(tenant, AcrossTenants) else [", "[] if True else ["),),
    ),
    # --- gate 1 ---
    Fault(
        "gate 1 admits the whole tenant",
        "gate_1",
        filters.admits,
        ((_FIRST, "True"), (_OTHERS, ""), (_DENY, "")),
    ),
    Fault("gate 1 compares the first clause only", "gate_1", filters.admits, ((_OTHERS, ""),)),
    Fault("gate 1 does not look at deny", "gate_1", filters.admits, ((_DENY, ""),)),
    Fault(
        "points carry no deny",
        "gate_1",
        compile.compile_payload,
        (("tuple(sorted(frozenset().union(*(clause.deny for clause in acl))))", "()"),),
    ),
    Fault(
        "points of nobody's documents admit everyone",
        "gate_1",
        compile.compile_payload,
        (("AccessPayload(((),", "AccessPayload((('authenticated',),"),),
    ),
    Fault(
        "new access does not reach the index",
        "projected",
        projector.Projector._operations,
        (("yield SetAccess(", "yield from () and SetAccess("),),
    ),
    Fault(
        "deletions do not reach the index",
        "projected",
        projector.Projector._operations,
        (("yield RemoveVersions(", "yield from () and RemoveVersions("),),
    ),
    Fault(
        "word statistics count what is hidden",
        "statistics",
        edge.EdgeIndex.search,
        (("edge.SearchParams(idf=edge.IdfParams(corpus=corpus))", "edge.SearchParams()"),),
    ),
    Fault(
        "counts count what is hidden",
        "statistics",
        edge.EdgeIndex.count,
        (("self._points(narrowed(seen, where))", "self._points()"),),
    ),
    # --- where gate 2 is asked ---
    Fault(
        "no gate 2 before the rerank",
        "before_rerank",
        candidates.recheck_candidates,
        (
            (
                "fresh, readable = recheck(session, access, ",
                f"fresh, readable = {_ALL}session, access, ",
            ),
        ),
    ),
    Fault(
        "no gate 2 after the rerank",
        "after_rerank",
        candidates.still_readable,
        (
            (
                "access, readable = recheck(session, access, ",
                f"access, readable = {_ALL}session, access, ",
            ),
        ),
    ),
    Fault(
        "no gate 2 before the release",
        "release",
        release.release,
        (
            (
                "access, readable = cards(session, access, ",
                f"access, readable = {_ALL_CARDS}session, access, ",
            ),
        ),
    ),
    Fault(
        "no gate 2 when a stream flushes",
        "stream",
        stream.Telling.check,
        (("if not self._told_of <=", "if False and not self._told_of <="),),
    ),
    Fault(
        "a stream outlives its key",
        "stream_credential",
        stream.Telling.check,
        (("require_standing(session, self._asker)", "pass"),),
    ),
    Fault(
        "a successor is named to who may not read it",
        "successor",
        freshness.readable_successor,
        ((" if new in readable", ""),),
    ),
    # --- what is read again ---
    Fault(
        "documents are read without gate 2",
        "documents",
        documents.cards,
        (
            (
                "access, readable = recheck(session, access, ",
                f"access, readable = {_ALL}session, access, ",
            ),
        ),
    ),
    Fault(
        "answers are read without gate 2",
        "answers",
        answers.read_back,
        (("access, found = cards(session, access, ", f"access, found = {_ALL_CARDS}session, access, "),),
    ),
    Fault(
        "an answer depends on what it cites alone",
        "answers",
        answers.read_back,
        (("needed = set(inputs) | ", "needed = "),),
    ),
    Fault("answers and citations are anyone's", "answers", answers._read, ((" or row.user_id != asker.user", ""),)),
    Fault(
        "a trace shows its asker what was refused",
        "traces",
        trace.read_trace,
        (('({"refused": data.get("refused", [])} if administers else {})', '{"refused": data.get("refused", [])}'),),
    ),
    Fault(
        "a trace shows what may no longer be read",
        "traces",
        trace._for_asker,
        (("_, readable = recheck(session, access, ", f"_, readable = {_ALL}session, access, "),),
    ),
    Fault("traces are anyone's", "traces", trace.read_trace, (("caller.user == row.user_id and ", ""),)),
    Fault(
        "conversations are anyone's",
        "conversations",
        answers._own,
        (('f"{user} {conversation_id}"', "conversation_id"),),
    ),
    Fault("break-glass does not expire", "break_glass", break_glass.state, (("row.expires_at > clock.now()", "True"),)),
    Fault("break-glass opens to others", "break_glass", break_glass.use, ((" or row.user_id != asker.user", ""),)),
    # --- credentials ---
    Fault(
        "X-Vouch-As without act_as",
        "credentials",
        caller._for_user,
        (('if "act_as" not in caller.scopes:', "if False:"),),
    ),
    Fault("a revoked key is accepted", "credentials", keys.is_live, (("key.revoked_at is None and ", ""),)),
    Fault(
        "an expired key is accepted",
        "credentials",
        keys.is_live,
        ((" and (key.expires_at is None or key.expires_at > clock.now())", ""),),
    ),
    Fault(
        "a key outlives its user",
        "credentials",
        caller._require_active,
        (("if not frozenset(named) <= frozenset(active):", "if False:"),),
    ),
    Fault("who acts for nobody reads", "nobody", caller.asker_of, (("if caller.user is None:", "if False:"),)),
)
