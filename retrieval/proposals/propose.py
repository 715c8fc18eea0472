"""Questions for an evaluation set, proposed from what one user may read today and has asked."""

from __future__ import annotations

from acl.audit import record_reading, shown
from acl.caller import Asker
from acl.resolve import resolve
from retrieval.proposals.asked import asked_candidates
from retrieval.proposals.choose import Chosen, choose
from retrieval.proposals.headings import heading_candidates
from retrieval.proposals.links import link_candidates
from retrieval.proposals.readable import readable
from retrieval.services import Services


def propose(services: Services, asker: Asker, *, limit: int, seed: int, asked: bool = False) -> Chosen:
    """Of what was ``asked`` alone, or of documents too. Every document that is named or quoted has passed gate 2 in one
    snapshot. Raises :class:`Unauthenticated`."""
    with services.catalog.reading(asker.tenant) as session:
        services = services.pinned(session)
        access = resolve(session, asker.tenant, asker.user)
        candidates, shared = asked_candidates(session, access), 0
        if not asked:
            documents = readable(session, access, seed)
            chunker = services.recipe.chunker
            links, ambiguous = link_candidates(session, access, documents, chunker)
            headings, repeated = heading_candidates(session, access, documents, chunker)
            candidates, shared = [*candidates, *links, *headings], ambiguous + repeated
    chosen = choose(candidates, shared, limit=limit, seed=seed)
    told = [(one.document_id, one.version) for proposal in chosen.proposals for one in proposal.candidate.evidence]
    detail = shown(told, access.epoch, proposals=len(chosen.proposals))
    record_reading(services.catalog, asker, "evals.propose", asker.user, detail)
    return chosen
