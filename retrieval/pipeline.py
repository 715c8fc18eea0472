"""A question, online, from beginning to end.

    ask ─▶ guard input ─▶ parse query ─▶ resolve access ─▶ narrow ─▶ rewrite ─▶ search (dense + lexical, filtered)
        ─▶ fuse ─▶ recheck access (SQL), sift ─▶ rerank ─▶ demote ─▶ pack prompt ─▶ reuse, or generate
        ─▶ verify every claim ─▶ guard output ─▶ repair what failed ─▶ recheck ─▶ answer | abstention ─▶ trace

``search`` walks the first half, from the index to the recheck once more where a word looks mistyped, and ends with
highlights and facets; ``ask`` walks all of it. Each stage is a function in a file of its name; what passes between them
is in `retrieval/types.py`. Plain functions in a plain thread: nothing here knows of HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest

from acl.caller import Asker
from acl.resolve import Access, resolve
from retrieval.answers import save_answer
from retrieval.approval import held, may_need, told
from retrieval.compose import Ground, Tell, compose
from retrieval.demote import demote, reach
from retrieval.depth import Depth
from retrieval.export import exported
from retrieval.facets import Fitting, Matched, count, fitting
from retrieval.fuse import fuse
from retrieval.generate import choose_writers
from retrieval.guard import guard_input
from retrieval.highlight import Marked, mark, sought
from retrieval.like import likeness, search_like
from retrieval.listing import fitting_filters, listing
from retrieval.metrics import ABSTENTIONS, REJECTED_CLAIMS, SUSPECTED
from retrieval.narrow import narrow
from retrieval.profiles.made_by import made_by
from retrieval.profiles.serving import UNRELEASED, Serving, serving
from retrieval.profiles.shadow import Shown, beside
from retrieval.query import Query, understand, understand_question
from retrieval.recheck import Admitted, Wanted, alarm, recheck_candidates, still_readable
from retrieval.release import release
from retrieval.rerank import DEPTH, rerank
from retrieval.reuse.asked import Asked
from retrieval.reuse.find import give_again
from retrieval.rewrite import previous_query, rewrite
from retrieval.search import Found
from retrieval.search import search as search_index
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.spelling import confirmed, read_as, readings
from retrieval.split import split
from retrieval.terms import all_sought
from retrieval.trace import Follow, Recorder, listing_facts, outcome_facts, save_search, search_facts, together
from retrieval.types import Draft, Hit, Question, Reading, Released, Rewritten, Verified
from vouch.catalog.spending import Payer
from vouch.core.context import in_context
from vouch.core.deadline import Deadline
from vouch.core.types import Json, Vector
from vouch.index.lexical import analysis_named


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


@dataclass(frozen=True, slots=True)
class _Meant:
    """The question with its filters in it, what of it the index cannot decide, and ``near``, what is to be like it.
    ``services`` are on the generation that it is asked of, from here to the end; ``serving`` is the profile that is to
    answer it."""

    services: Services
    access: Access
    question: Question
    query: Query
    rewritten: Rewritten
    sieve: Sieve
    near: Vector | None
    serving: Serving

    def reading(self, read: Sequence[Reading]) -> _Meant:
        """The same with what was read in place of what was typed."""
        query = replace(self.query, words=read_as(self.query.words, read))
        return replace(self.asking(read_as(self.rewritten.query, read)), query=query)

    def asking(self, words: str) -> _Meant:
        """The same with other words to search for."""
        question, rewritten = replace(self.question, text=words), replace(self.rewritten, query=words)
        return replace(self, question=question, rewritten=rewritten)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the index found, what gate 2 admitted of it, and how deep both looked."""

    found: Found
    admitted: Admitted
    depth: int


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Hits that the asker may read, best first, what they were searched by, and all that was ``looked_at`` for them;
    None of a list, and of several searches."""

    access: Access
    hits: tuple[Hit, ...]
    looked_at: Fitting | None
    meant: _Meant
    facts: Json
    """For the trace."""
    read: tuple[Reading, ...] = ()


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
    meant = _mean(services, trace.asker, question, query, trace)
    lists = query.lists and question.like is None
    found = _list(meant, trace) if lists else _find(meant, trace, spell=True)
    access, hits, matched = found.access, found.hits[: question.limit], None
    trace.note(**found.facts)
    if question.facets:
        with trace.step("facets"):
            matched = count(services, access, _fitting(found), question.facets)
        with trace.step("recheck"):  # that took its time
            access, hits = still_readable(services, access, hits)
    with trace.step("highlight"):
        wanted = sought(found.meant.rewritten.query, query.phrases)
        marked = tuple(mark(wanted, hit.text) for hit in hits)
    save_search(services.catalog, trace, hits, access.epoch)
    return Results(hits, marked, matched, trace.id, confirmed(found.read, _texts(hits)))


def find(services: Services, asker: Asker, question: Question) -> tuple[Hit, ...]:
    """What :func:`search` finds of words, by the same stages and gates, for who only judges it: no trace is left, and
    nothing of it may be shown. Raises as above."""
    question = guard_input(question, field="query")
    trace = Recorder("eval", asker, question)
    meant = _mean(services, asker, question, understand(question, field="query"), trace)
    return _find(meant, trace, spell=True).hits[: question.limit]


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
    meant = _mean(services, asker, question, query, trace)
    services = meant.services
    found = _find_all(meant, trace)
    trace.note(**found.facts)
    rewritten = found.meant.rewritten
    payer = Payer(asker.tenant, asker.user, asker.key_id, found.access.groups, question.workflow, trace.id)
    profile = meant.serving.profile
    writers = replace(choose_writers(services, payer, meant.question, profile, deadline), tried=trace.tried)
    asked = Asked(services, found.access, meant.question, meant.sieve, (profile.digest, *writers.names))
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


def _mean(services: Services, asker: Asker, question: Question, query: Query, trace: Recorder) -> _Meant:
    """Who asks, and what their words come to for them."""
    near, served = None, UNRELEASED
    with trace.step("resolve"), services.catalog.reading(asker.tenant) as session:
        services = services.pinned(session)
        access = resolve(session, asker.tenant, asker.user)
        if trace.kind == "ask":
            served = serving(session, services, (asker.tenant, asker.user), question)
        previous = previous_query(session, asker.tenant, asker.user, question.conversation_id)
        scope = narrow(session, access, question, query)
        if question.like is not None:
            near = likeness(services, session, access, question.like)
    with trace.step("rewrite"):
        rewritten = rewrite(replace(question, text=query.words), previous)
    narrowed = replace(served.of(question), text=rewritten.query, where=scope.where)
    return _Meant(services, access, narrowed, query, rewritten, scope.sieve, near, served)


def _find_all(meant: _Meant, trace: Recorder) -> _Evidence:
    """Evidence for a question that is to be answered: for each part of it, where it asks several things in one, the
    best of each in turn."""
    parts = split(meant.rewritten.query)
    if not parts:
        return _find(meant, trace, spell=False)
    meant = replace(meant, rewritten=replace(meant.rewritten, parts=parts))
    found = [_find(meant.asking(part.query), trace, spell=False) for part in parts]
    by_turns = dict.fromkeys(hit.key for rank in zip_longest(*(one.hits for one in found)) for hit in rank if hit)
    by_key = {hit.key: hit for one in found for hit in one.hits}
    with trace.step("recheck"):
        hits = tuple(by_key[key] for key in by_turns)
        access, hits = still_readable(meant.services, found[-1].access, hits)
    facts = {**together([one.facts for one in found]), "rewrite": asdict(meant.rewritten)}
    return _Evidence(access, hits, None, meant, facts)


def _find(meant: _Meant, trace: Recorder, *, spell: bool) -> _Evidence:
    """What is found by the words as they were typed, or, with ``spell``, as they are read in view of that. A question
    that is to be answered is not read otherwise: a name that differs by a letter may be another's."""
    services, looked, typed = meant.services, _look(meant, trace), meant
    read: tuple[Reading, ...] = ()
    if spell and meant.question.like is None:
        with trace.step("rewrite"):
            texts, analysis = _texts(looked.admitted.hits), analysis_named(services.recipe.lexical)
            read = readings(meant.rewritten.query, texts, analysis)
    if read:
        meant = meant.reading(read)
        looked = _look(meant, trace)
    admitted, reranks = looked.admitted, _reranks(meant)

    with trace.step("rerank"):
        hits = rerank(services, meant.rewritten.query, admitted.hits) if reranks else admitted.hits
    access = admitted.access
    if reranks:  # that took its time: what is shown, or goes into a prompt, is decided on the state of now
        with trace.step("recheck"):
            access, hits = still_readable(services, access, hits)
    with trace.step("demote"):
        hits = demote(hits)
    read = confirmed(read, _texts(hits))
    rewritten = replace(typed.rewritten, reread=tuple(one.typed for one in read))
    facts = search_facts(services, rewritten, looked.found, admitted, hits)
    looked_at = Fitting(admitted.candidates, not looked.found.reaches(looked.depth, admitted.left_out))
    return _Evidence(access, hits, looked_at, typed.reading(read), facts, read)


def _look(meant: _Meant, trace: Recorder) -> _Looked:
    """Enough candidates that the asker may read, by one way of reading the question."""
    services, question, access, words = meant.services, meant.question, meant.access, meant.rewritten.query
    reranks = _reranks(meant)
    want = max(question.limit, DEPTH) if reranks else question.limit
    by_vectors = reranks and services.reranker is not None and services.reranker.by_vectors
    analysis = analysis_named(services.recipe.lexical)
    worded = question.mode != "dense" and question.like is None
    by_words = worded and all_sought(meant.query.phrases, words, analysis)
    depth = Depth(want, meant.sieve, by_words=by_words)
    while True:
        with trace.step("search"):
            if question.like is None:
                found = search_index(services, access, words, question, depth.asked)
            else:
                found = search_like(services, access, meant.near, question, depth.asked)
        with trace.step("fuse"):
            candidates = fuse(found.hits)
        with trace.step("recheck"):
            wanted = Wanted(want, reach(question.limit), depth.depth, meant.sieve, vectors=by_vectors)
            admitted = recheck_candidates(services, access, found.hits, candidates, wanted)
        if not depth.deepen(found, admitted.left_out, len(admitted.hits) < admitted.wanted):
            break
    alarm(admitted)
    return _Looked(found, admitted, depth.depth)


def _reranks(meant: _Meant) -> bool:
    return meant.question.rerank and meant.services.reranker is not None and bool(meant.rewritten.query)


def _texts(hits: Sequence[Hit]) -> list[str]:
    return [in_context(hit.title, hit.heading_path, hit.text) for hit in hits]


def _list(meant: _Meant, trace: Recorder) -> _Evidence:
    """Where there is no word to look for: what fits, the newest first."""
    question = meant.question
    with trace.step("list"):
        listed = listing(meant.services, meant.access, question.where, meant.sieve, question.limit)
    facts = listing_facts(meant.services, meant.rewritten, listed)
    return _Evidence(listed.access, listed.hits, None, meant, facts)


def _fitting(found: _Evidence) -> Fitting:
    """What is counted by facets."""
    meant = found.meant
    if found.looked_at is None:
        return fitting_filters(meant.services, found.access, meant.question.where, meant.sieve)
    return fitting(meant.services, found.access, meant.question, meant.query, meant.sieve) or found.looked_at


def _count(draft: Draft, verified: Verified, released: Released) -> None:
    for one in draft.suspected:
        SUSPECTED.labels("question" if one.passage is None else "passage").inc()
    for rejection in verified.rejected:
        REJECTED_CLAIMS.labels(rejection.reason).inc()
    if released.abstention is not None:
        ABSTENTIONS.labels(released.abstention.reason).inc()
