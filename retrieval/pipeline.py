"""A question, online, from beginning to end.

    ask ─▶ guard input ─▶ parse query ─▶ resolve access ─▶ narrow ─▶ rewrite ─▶ search (dense + lexical, filtered)
        ─▶ fuse ─▶ recheck access (SQL), sift ─▶ rerank ─▶ demote ─▶ pack prompt ─▶ generate ─▶ verify every claim
        ─▶ guard output ─▶ recheck ─▶ answer | abstention ─▶ trace

``search`` walks the first half, from the index to the recheck once more where a word looks mistyped, and ends with
highlights and facets; ``ask`` walks all of it. Each stage is a function in a file of its name; what passes between them
is in `retrieval/types.py`. Plain functions in a plain thread: nothing here knows of HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from acl.caller import Asker
from acl.resolve import Access, resolve
from retrieval.answers import save_answer
from retrieval.contrast import contrast
from retrieval.demote import demote, reach
from retrieval.depth import Depth
from retrieval.entailment import entailed
from retrieval.export import exported
from retrieval.facets import Fitting, Matched, count, fitting
from retrieval.fuse import fuse
from retrieval.generate import Profile, choose_profile, choose_writers, generate
from retrieval.guard import guard_input, guard_output
from retrieval.highlight import Marked, mark, sought
from retrieval.judge import judging
from retrieval.leaks import untold
from retrieval.like import likeness, search_like
from retrieval.listing import fitting_filters, listing
from retrieval.metrics import ABSTENTIONS, REJECTED_CLAIMS, SUSPECTED
from retrieval.narrow import narrow
from retrieval.pack import pack
from retrieval.query import Query, understand, understand_question
from retrieval.recheck import Admitted, Wanted, alarm, recheck_candidates, still_readable
from retrieval.release import release
from retrieval.rerank import DEPTH, rerank
from retrieval.rewrite import previous_query, rewrite
from retrieval.search import Found
from retrieval.search import search as search_index
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.spelling import confirmed, read_as, readings
from retrieval.terms import all_sought
from retrieval.texts import Texts
from retrieval.trace import Follow, Recorder, listing_facts, outcome_facts, save_search, search_facts
from retrieval.types import Draft, Hit, Question, Reading, Released, Rewritten, Verified
from retrieval.verify import verify
from vouch.catalog.spending import Payer
from vouch.core.context import in_context
from vouch.core.deadline import Deadline
from vouch.core.types import Vector
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
class _Meant:
    """The question with its filters in it, what of it the index cannot decide, and ``near``, what is to be like it.
    ``services`` are on the generation that it is asked of, from here to the end."""

    services: Services
    access: Access
    question: Question
    query: Query
    rewritten: Rewritten
    sieve: Sieve
    near: Vector | None

    def reading(self, read: Sequence[Reading]) -> _Meant:
        """The same with what was read in place of what was typed."""
        words = read_as(self.rewritten.query, read)
        query, question = replace(self.query, words=read_as(self.query.words, read)), replace(self.question, text=words)
        return replace(self, question=question, query=query, rewritten=replace(self.rewritten, query=words))


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the index found, what gate 2 admitted of it, and how deep both looked."""

    found: Found
    admitted: Admitted
    depth: int


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Hits that the asker may read, best first, what they were searched by, and all that was ``looked_at`` for them;
    None of a list."""

    access: Access
    hits: tuple[Hit, ...]
    looked_at: Fitting | None
    meant: _Meant
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
    profile: Profile | None = None,
    follow: Follow = lambda _: None,
) -> tuple[Released, str]:
    """An answer of which every claim is verified and readable now, or an abstention; saved with its trace, whose
    id is the second value. ``follow`` hears each step begin and may raise to stop the work. Raises as above."""
    question = guard_input(question, field="question")
    query = understand_question(question, field="question")
    choose_profile(services, profile)
    trace = Recorder("ask", asker, question, follow)
    with exported(services.exporter, trace.told):
        return _answered(services, question, query, profile, trace), trace.id


def _answered(
    services: Services, question: Question, query: Query, profile: Profile | None, trace: Recorder
) -> Released:
    asker, deadline = trace.asker, Deadline.of(services.settings.ask_deadline_s)
    meant = _mean(services, asker, question, query, trace)
    services = meant.services
    found = _find(meant, trace, spell=False)
    words = meant.rewritten.query
    payer = Payer(asker.tenant, asker.user, asker.key_id, found.access.groups, question.workflow, trace.id)
    writers = replace(choose_writers(services, payer, meant.question, profile, deadline), tried=trace.tried)
    texts = Texts(services.blobs, asker.tenant)

    with trace.step("pack"):
        packed = pack(texts, found.hits, question.limit)
    with trace.step("generate"):
        draft = generate(services, words, packed.passages, writers)
        if not draft.claims and packed.withheld:  # the current documents do not answer: ask the superseded ones
            packed = pack(texts, found.hits, question.limit, outdated=True)
            draft = generate(services, words, packed.passages, writers)
        draft, contradictions = contrast(draft, packed.passages, services.embedder)
    with trace.step("verify"):
        verified = entailed(judging(services, writers, deadline), verify(texts, draft, packed))
    with trace.step("guard"):
        verified = guard_output(verified, draft, untold(services.settings))
    with trace.step("release"):
        released = release(services, found.access, words, packed, (draft, verified, contradictions))

    trace.note(**outcome_facts(packed, draft, verified, released))
    _count(draft, verified, released)
    save_answer(services, found.access, question, released, trace)
    return released


def _mean(services: Services, asker: Asker, question: Question, query: Query, trace: Recorder) -> _Meant:
    """Who asks, and what their words come to for them."""
    near = None
    with trace.step("resolve"), services.catalog.reading(asker.tenant) as session:
        services = services.pinned(session)
        access = resolve(session, asker.tenant, asker.user)
        previous = previous_query(session, asker.tenant, asker.user, question.conversation_id)
        scope = narrow(session, access, question, query)
        if question.like is not None:
            near = likeness(services, session, access, question.like)
    with trace.step("rewrite"):
        rewritten = rewrite(replace(question, text=query.words), previous)
    narrowed = replace(question, text=rewritten.query, where=scope.where)
    return _Meant(services, access, narrowed, query, rewritten, scope.sieve, near)


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
    trace.note(**search_facts(services, rewritten, looked.found, admitted, hits))
    looked_at = Fitting(admitted.candidates, not looked.found.reaches(looked.depth, admitted.left_out))
    return _Evidence(access, hits, looked_at, typed.reading(read), read)


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
    trace.note(**listing_facts(meant.services, meant.rewritten, listed))
    return _Evidence(listed.access, listed.hits, None, meant)


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
