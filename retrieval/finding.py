"""The first half of a question's walk: who asks, what their words come to, and what of it they may read.

resolve access ─▶ narrow ─▶ rewrite ─▶ search (dense + lexical, filtered) ─▶ fuse ─▶ recheck access (SQL), sift
    ─▶ rerank ─▶ recheck ─▶ demote
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest

from acl.caller import Asker
from acl.resolve import Access, resolve
from retrieval.demote import demote, reach
from retrieval.depth import Depth
from retrieval.facets import Fitting, fitting
from retrieval.fuse import fuse
from retrieval.like import likeness, search_like
from retrieval.listing import fitting_filters, listing
from retrieval.narrow import narrow
from retrieval.profiles.serving import UNRELEASED, Serving, serving
from retrieval.query import Query
from retrieval.recheck import Admitted, Wanted, alarm, recheck_candidates, still_readable
from retrieval.rerank import DEPTH, rerank
from retrieval.rewrite import previous_query, rewrite
from retrieval.search import Found
from retrieval.search import search as search_index
from retrieval.services import Services
from retrieval.sieve import Sieve
from retrieval.spelling import confirmed, read_as, readings
from retrieval.split import split
from retrieval.terms import all_sought
from retrieval.trace import Recorder, listing_facts, search_facts, together
from retrieval.types import Hit, Question, Reading, Rewritten
from vouch.core.context import in_context
from vouch.core.types import Json, Vector
from vouch.index.lexical import analysis_named


@dataclass(frozen=True, slots=True)
class Meant:
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

    def reading(self, read: Sequence[Reading]) -> Meant:
        """The same with what was read in place of what was typed."""
        query = replace(self.query, words=read_as(self.query.words, read))
        return replace(self.asking(read_as(self.rewritten.query, read)), query=query)

    def asking(self, words: str) -> Meant:
        """The same with other words to search for."""
        question, rewritten = replace(self.question, text=words), replace(self.rewritten, query=words)
        return replace(self, question=question, rewritten=rewritten)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the index found, what gate 2 admitted of it, and how deep both looked."""

    found: Found
    admitted: Admitted
    depth: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hits that the asker may read, best first, what they were searched by, and all that was ``looked_at`` for them;
    None of a list, and of several searches."""

    access: Access
    hits: tuple[Hit, ...]
    looked_at: Fitting | None
    meant: Meant
    facts: Json
    """For the trace."""
    read: tuple[Reading, ...] = ()


def mean(services: Services, asker: Asker, question: Question, query: Query, trace: Recorder) -> Meant:
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
    return Meant(services, access, narrowed, query, rewritten, scope.sieve, near, served)


def find_all(meant: Meant, trace: Recorder) -> Evidence:
    """Evidence for a question that is to be answered: for each part of it, where it asks several things in one, the
    best of each in turn."""
    parts = split(meant.rewritten.query)
    if not parts:
        return find_one(meant, trace, spell=False)
    meant = replace(meant, rewritten=replace(meant.rewritten, parts=parts))
    found = [find_one(meant.asking(part.query), trace, spell=False) for part in parts]
    by_turns = dict.fromkeys(hit.key for rank in zip_longest(*(one.hits for one in found)) for hit in rank if hit)
    by_key = {hit.key: hit for one in found for hit in one.hits}
    with trace.step("recheck"):
        hits = tuple(by_key[key] for key in by_turns)
        access, hits = still_readable(meant.services, found[-1].access, hits)
    facts = {**together([one.facts for one in found]), "rewrite": asdict(meant.rewritten)}
    return Evidence(access, hits, None, meant, facts)


def find_one(meant: Meant, trace: Recorder, *, spell: bool) -> Evidence:
    """What is found by the words as they were typed, or, with ``spell``, as they are read in view of that. A question
    that is to be answered is not read otherwise: a name that differs by a letter may be another's."""
    services, looked, typed = meant.services, _look(meant, trace), meant
    read: tuple[Reading, ...] = ()
    if spell and meant.question.like is None:
        with trace.step("rewrite"):
            texts, analysis = texts_of(looked.admitted.hits), analysis_named(services.recipe.lexical)
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
    read = confirmed(read, texts_of(hits))
    rewritten = replace(typed.rewritten, reread=tuple(one.typed for one in read))
    facts = search_facts(services, rewritten, looked.found, admitted, hits)
    looked_at = Fitting(admitted.candidates, not looked.found.reaches(looked.depth, admitted.left_out))
    return Evidence(access, hits, looked_at, typed.reading(read), facts, read)


def _look(meant: Meant, trace: Recorder) -> Looked:
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
    return Looked(found, admitted, depth.depth)


def _reranks(meant: Meant) -> bool:
    return meant.question.rerank and meant.services.reranker is not None and bool(meant.rewritten.query)


def texts_of(hits: Sequence[Hit]) -> list[str]:
    return [in_context(hit.title, hit.heading_path, hit.text) for hit in hits]


def list_newest(meant: Meant, trace: Recorder) -> Evidence:
    """Where there is no word to look for: what fits, the newest first."""
    question = meant.question
    with trace.step("list"):
        listed = listing(meant.services, meant.access, question.where, meant.sieve, question.limit)
    facts = listing_facts(meant.services, meant.rewritten, listed)
    return Evidence(listed.access, listed.hits, None, meant, facts)


def counted(found: Evidence) -> Fitting:
    """What is counted by facets."""
    meant = found.meant
    if found.looked_at is None:
        return fitting_filters(meant.services, found.access, meant.question.where, meant.sieve)
    return fitting(meant.services, found.access, meant.question, meant.query, meant.sieve) or found.looked_at
