"""A question, online, from beginning to end.

    ask ─▶ guard input ─▶ parse query ─▶ resolve access ─▶ narrow ─▶ rewrite ─▶ search (dense + lexical, filtered)
        ─▶ fuse ─▶ recheck access (SQL), sift ─▶ rerank ─▶ demote ─▶ pack prompt ─▶ reuse, or generate
        ─▶ verify every claim ─▶ guard output ─▶ repair what failed ─▶ recheck ─▶ answer | abstention ─▶ trace

``search`` walks the first half, from the index to the recheck once more where a word looks mistyped, and ends with
highlights and facets; ``ask`` walks all of it. Each stage is a function in a file of its name; what passes between them
is in `retrieval/types/`. Plain functions in a plain thread: nothing here knows of HTTP.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from acl.caller import Asker
from retrieval.answers import save_answer
from retrieval.approval import held, may_need, told
from retrieval.compose import Ground, Tell, compose
from retrieval.export import exported
from retrieval.facets import Matched, count
from retrieval.finding import counted, find_all, find_one, list_newest, mean, texts_of
from retrieval.generate import choose_writers, routed_by
from retrieval.guard import guard_input
from retrieval.highlight import Marked, mark, sought
from retrieval.metrics import ABSTENTIONS, CLAIMS, REJECTED_CLAIMS, SUSPECTED
from retrieval.pack import packable
from retrieval.profiles.made_by import made_by
from retrieval.profiles.shadow import Shown, beside
from retrieval.query import Query, understand, understand_question
from retrieval.recheck import still_readable
from retrieval.release import release
from retrieval.reuse.asked import Asked
from retrieval.reuse.find import give_again
from retrieval.services import Services
from retrieval.spelling import confirmed
from retrieval.trace import Follow, Recorder, outcome_facts, save_search
from retrieval.types import Draft, Hit, Question, Reading, Released, Verified
from vouch.catalog.spending import Payer
from vouch.core.deadline import Deadline


@dataclass(frozen=True, slots=True)
class Results:
    """``marked[i]`` is of ``hits[i]``. ``matched`` only where facets were asked for. ``read``: what was searched for
    instead of words that look mistyped."""

    hits: tuple[Hit, ...]
    marked: tuple[Marked, ...]
    matched: Matched | None
    trace_id: str
    read: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class Audience:
    """Who waits for an answer. ``follow`` hears each step begin, ``tell`` the answer as it grows; what either raises
    ends the work."""

    follow: Follow = lambda _: None
    tell: Tell | None = None


NOBODY = Audience()


def search(services: Services, asker: Asker, question: Question) -> Results:
    """The best ``question.limit`` hits; the newest, where there are only filters.

    Raises what the guards and :func:`retrieval.query.understand` raise, :class:`NotFound` for a document to be like,
    :class:`Unauthenticated`, and :class:`Unavailable` when a part is down.
    """
    question = guard_input(question, field="query")
    query = understand(question, field="query")
    trace = Recorder("search", asker, question)
    with exported(services.exporter, trace.told):
        return _searched(services, question, query, trace)


def _searched(services: Services, question: Question, query: Query, trace: Recorder) -> Results:
    meant = mean(services, trace.asker, question, query, trace)
    lists = query.lists and question.like is None
    found = list_newest(meant, trace) if lists else find_one(meant, trace, spell=True)
    access, hits, matched = found.access, found.hits[: question.limit], None
    trace.note(**found.facts)
    if question.facets:
        with trace.step("facets"):
            matched = count(services, access, counted(found), question.facets)
        with trace.step("recheck"):  # that took its time
            access, hits = still_readable(services, access, hits)
    with trace.step("highlight"):
        wanted = sought(found.meant.rewritten.query, query.phrases)
        marked = tuple(mark(wanted, hit.text) for hit in hits)
    save_search(services.catalog, trace, hits, access.epoch)
    return Results(hits, marked, matched, trace.id, confirmed(found.read, texts_of(hits)))


def find(services: Services, asker: Asker, question: Question) -> tuple[Hit, ...]:
    """What :func:`search` finds of words, by the same stages and gates, for who only judges it: no trace is left, and
    nothing of it may be shown. Raises as above."""
    question = guard_input(question, field="query")
    trace = Recorder("eval", asker, question)
    meant = mean(services, asker, question, understand(question, field="query"), trace)
    return find_one(meant, trace, spell=True).hits[: question.limit]


def ask(
    services: Services,
    asker: Asker,
    question: Question,
    profile: str | None = None,
    audience: Audience = NOBODY,
) -> tuple[Released, str]:
    """An answer of which every claim is verified and readable now, or an abstention; saved with its trace, whose
    id is the second value. What was told to ``audience`` before is how it begins. Raises as above."""
    question = guard_input(question, field="question")
    query = understand_question(question, field="question")
    question = replace(question, profile=profile)
    trace = Recorder("ask", asker, question, audience.follow)
    with exported(services.exporter, trace.told):
        return _answered(services, question, query, trace, audience.tell), trace.id


def _answered(services: Services, question: Question, query: Query, trace: Recorder, tell: Tell | None) -> Released:
    asker, deadline = trace.asker, Deadline.of(services.settings.ask_deadline_s)
    meant = mean(services, asker, question, query, trace)
    services = meant.services
    found = find_all(meant, trace)
    trace.note(**found.facts)
    rewritten = found.meant.rewritten
    payer = Payer(asker.tenant, asker.user, asker.key_id, found.access.groups, question.workflow, trace.id)
    profile = meant.serving.profile
    call = routed_by(asker.tenant, meant.question, packable(found.hits, meant.question.limit))
    writers = replace(choose_writers(services, payer, call, profile, deadline), tried=trace.tried)
    by = (profile.digest, *writers.names)
    asked = Asked(services, found.access, meant.question, meant.sieve, by, call.data_classes)
    ground, began = Ground(asked, rewritten, found.hits), time.perf_counter()
    approved = meant.serving.approval
    if may_need(services.settings, question, by_profile=approved):
        tell = None  # nobody is told a part of what a person may yet refuse
    packed, settled = compose(services, ground, writers, trace, tell)
    ms = 1000 * (time.perf_counter() - began)
    with trace.step("release"):
        released = release(services, found.access, rewritten.query, packed, settled)
    released = replace(released, made_by=made_by(services, meant.serving, settled.draft))
    released = held(services.settings, question, released, by_profile=approved)

    trace.note(**outcome_facts(packed, settled.draft, settled.verified, released))
    _count(settled.draft, settled.verified, released)
    save_answer(services, found.access, question, released, trace)
    give_again(asked, packed, settled, released)
    whose = (asker.tenant, asker.user)
    beside(services, meant.serving, Shown(whose, meant.question, packed, settled.verified, released, ms))
    return told(released)


def _count(draft: Draft, verified: Verified, released: Released) -> None:
    for one in draft.suspected:
        SUSPECTED.labels("question" if one.passage is None else "passage").inc()
    for rejection in verified.rejected:
        REJECTED_CLAIMS.labels(rejection.reason).inc()
    for claim in released.claims:
        CLAIMS.labels(claim.verdict).inc()
    if released.abstention is not None:
        ABSTENTIONS.labels(released.abstention.reason).inc()
