"""A question, online, from beginning to end.

    ask ─▶ guard input ─▶ resolve access ─▶ rewrite ─▶ search (dense + lexical, filtered)
        ─▶ fuse ─▶ recheck access (SQL) ─▶ rerank ─▶ demote ─▶ pack prompt ─▶ generate ─▶ verify every claim
        ─▶ guard output ─▶ recheck ─▶ answer | abstention ─▶ trace

``search`` walks the first half, ``ask`` all of it. Each stage is a function in a file of its name; what passes
between them is in `retrieval/types.py`. Plain functions in a plain thread: nothing here knows of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from acl.caller import Asker
from acl.resolve import Access, resolve
from retrieval.answers import save_answer
from retrieval.contrast import contrast
from retrieval.demote import demote, reach
from retrieval.fuse import fuse
from retrieval.generate import Profile, choose_profile, generate
from retrieval.guard import guard_input, guard_output
from retrieval.metrics import ABSTENTIONS, REJECTED_CLAIMS
from retrieval.pack import pack
from retrieval.recheck import Wanted, alarm, recheck_candidates, still_readable
from retrieval.release import release
from retrieval.rerank import DEPTH, rerank
from retrieval.rewrite import previous_query, rewrite
from retrieval.search import search as search_index
from retrieval.services import Services
from retrieval.texts import Texts
from retrieval.trace import Follow, Recorder, outcome_facts, save_search, search_facts
from retrieval.types import Hit, Question, Released, Verified
from retrieval.verify import verify

SHALLOWEST = 60
"""Chunks asked of each arm at first."""
DEEPER = 4
"""Times as many where that is not enough and the index has more."""
DEEPEST_PAGE = 16
"""Times the shallowest that an arm may count, where versions that were replaced left the page short."""
DEEPEST = 64
"""Times the shallowest that is asked for, where gate 2 refuses so many that too few are left of an arm: what is shown
must not tell that they were there."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What both walks share: the services, on the generation that was asked; the query as searched; and hits that the
    asker may read, best first."""

    services: Services
    access: Access
    query: str
    hits: tuple[Hit, ...]


def search(services: Services, asker: Asker, question: Question) -> tuple[tuple[Hit, ...], str]:
    """The best ``question.limit`` hits, and the trace's id.

    Raises what the guards raise, :class:`Unauthenticated`, and :class:`Unavailable` when a part is down.
    """
    question = guard_input(question, field="query")
    trace = Recorder("search", asker, question)
    found = _find(services, asker, question, trace)
    hits = found.hits[: question.limit]
    save_search(services.catalog, trace, hits, found.access.epoch)
    return hits, trace.id


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
    writer = choose_profile(services, profile)
    trace = Recorder("ask", asker, question, follow)
    found = _find(services, asker, question, trace)
    services = found.services
    texts = Texts(services.blobs, asker.tenant)

    with trace.step("pack"):
        packed = pack(texts, found.hits, question.limit)
    with trace.step("generate"):
        draft = generate(services, found.query, packed.passages, writer)
        if not draft.claims and packed.withheld:  # the current documents do not answer: ask the superseded ones
            packed = pack(texts, found.hits, question.limit, outdated=True)
            draft = generate(services, found.query, packed.passages, writer)
        draft, contradictions = contrast(draft, packed.passages, services.embedder)
    with trace.step("verify"):
        verified = verify(texts, draft, packed)
    with trace.step("guard"):
        verified = guard_output(verified)
    with trace.step("release"):
        released = release(services, found.access, found.query, packed, (draft, verified, contradictions))

    trace.note(**outcome_facts(packed, draft, verified, released))
    _count(verified, released)
    save_answer(services, found.access, question, released, trace)
    return released, trace.id


def _find(services: Services, asker: Asker, question: Question, trace: Recorder) -> _Evidence:
    with trace.step("resolve"), services.catalog.reading(asker.tenant) as session:
        services = services.pinned(session)
        access = resolve(session, asker.tenant, asker.user)
        previous = previous_query(session, asker.tenant, asker.user, question.conversation_id)
    with trace.step("rewrite"):
        rewritten = rewrite(question, previous)

    reranks = question.rerank and services.reranker is not None
    want = max(question.limit, DEPTH) if reranks else question.limit
    shallowest = depth = asked = max(SHALLOWEST, 2 * want)
    while True:
        with trace.step("search"):
            found = search_index(services, access, rewritten.query, question, asked)
        with trace.step("fuse"):
            candidates = fuse(found.hits)
        with trace.step("recheck"):
            wanted = Wanted(want, reach(question.limit), depth)
            admitted = recheck_candidates(services, access, found.hits, candidates, wanted)
        if asked < DEEPEST * shallowest and found.lacks(depth, admitted.left_out):
            asked *= DEEPER
        elif len(admitted.hits) < admitted.wanted and not found.exhausted and depth < DEEPEST_PAGE * shallowest:
            depth *= DEEPER
            asked = max(asked, depth)
        else:
            break
    alarm(admitted)

    with trace.step("rerank"):
        hits = rerank(services, rewritten.query, admitted.hits) if reranks else admitted.hits
    access = admitted.access
    if reranks:  # that took its time: what is shown, or goes into a prompt, is decided on the state of now
        with trace.step("recheck"):
            access, hits = still_readable(services, access, hits)
    with trace.step("demote"):
        hits = demote(hits)
    trace.note(**search_facts(services, rewritten, found, admitted, hits))
    return _Evidence(services, access, rewritten.query, hits)


def _count(verified: Verified, released: Released) -> None:
    for rejection in verified.rejected:
        REJECTED_CLAIMS.labels(rejection.reason).inc()
    if released.abstention is not None:
        ABSTENTIONS.labels(released.abstention.reason).inc()
