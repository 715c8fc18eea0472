"""A profile that runs beside answers and is never shown: it writes from the same passages, its draft goes through the
same checks, and what is kept is numbers.

    released, kept ─▶ aside ─▶ still released? still readable? ─▶ generate ─▶ settle ─▶ repair ─▶ figures, overlap

The answer is on its way by then. What a shadow's models cost is nobody's but the workflow `shadow`'s.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from acl.recheck import recheck
from acl.resolve import resolve
from retrieval.generate import choose_writers, generate, routed_by
from retrieval.metrics import SHADOWS
from retrieval.pack import Packed
from retrieval.profiles.figures import Figures, cited, figures, overlap
from retrieval.profiles.profile import Profile
from retrieval.profiles.serving import Serving
from retrieval.repair import repair
from retrieval.services import Services
from retrieval.settle import Checks, Settling
from retrieval.split import split
from retrieval.texts import Texts
from retrieval.types import Draft, Question, Released, Rewritten, Verified
from vouch.catalog import releases
from vouch.catalog.spending import Payer
from vouch.core.data_class import classes
from vouch.core.deadline import Deadline
from vouch.core.errors import ModelUnavailable, ModelWithheld
from vouch.core.types import Json

WORKFLOW = "shadow"
"""What calls of shadows are accounted for under. No application may call its own so."""

_KEEP = sa.text(
    """ INSERT INTO shadow_run (tenant_id, answer_id, release_id, profile, digest, outcome, shown, figures, overlap)
    SELECT tenant_id, id, :release, :profile, :digest, :outcome, CAST(:shown AS jsonb), CAST(:figures AS jsonb),
    :overlap FROM answer WHERE tenant_id = :tenant AND id = :answer """
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer that was released and kept. ``question``: as it was searched for; ``ms``: what writing and checking
    took."""

    whose: tuple[str, str]
    question: Question
    packed: Packed
    verified: Verified
    released: Released
    ms: float


def beside(services: Services, serving: Serving, shown: Shown) -> None:
    """Have the release's shadow run, if it is this question's turn and there is room. Never waits, never raises."""
    again = "reused" in shown.released.usage  # nothing was written that a shadow could be compared with
    if serving.shadow is not None and services.aside is not None and shown.packed.passages and not again:
        services.aside.offer(partial(_run, services, serving, serving.shadow, shown))


def _run(services: Services, serving: Serving, profile: Profile, shown: Shown) -> None:
    outcome, found, common = _stands(services, serving, shown), None, None
    if outcome is None:
        began = time.perf_counter()
        try:
            draft, verified = _written(services, profile, shown)
        except (ModelUnavailable, ModelWithheld) as error:
            outcome = str(error.extra.get("reason", "withheld"))
        else:
            found = figures(verified, draft.usage, 1000 * (time.perf_counter() - began))
            common = overlap(cited(shown.verified.claims), cited(verified.claims))
            outcome = "abstained" if found.abstained else "wrote"
        _keep(services, serving, shown, (profile, outcome, found, common))
    SHADOWS.labels(outcome if outcome in ("wrote", "abstained", "withdrawn") else "failed").inc()


def _stands(services: Services, serving: Serving, shown: Shown) -> str | None:
    """Nothing is sent anywhere for a release that was gone back from, or of what the asker may no longer read."""
    tenant, user = shown.whose
    with services.catalog.reading(tenant) as session:
        row = releases.current(session, tenant, [serving.workflow]).get(serving.workflow)
        now, then = releases.state_of(row).shadow, serving.shadow
        wanted = now is not None and then is not None and (now.name, now.digest) == (then.name, then.digest)
        documents = shown.packed.document_ids
        readable = wanted and documents <= recheck(session, resolve(session, tenant, user), documents)[1]
    return None if readable else "withdrawn"


def _written(services: Services, profile: Profile, shown: Shown) -> tuple[Draft, Verified]:
    """As a question's own answer is, from generate to guard."""
    tenant, packed = shown.whose[0], shown.packed
    deadline = Deadline.of(services.settings.ask_deadline_s)
    payer = Payer(tenant, "", "", (), WORKFLOW)
    data_classes = classes(passage.data_class for passage in packed.passages)
    call = routed_by(tenant, shown.question, data_classes)
    writers = choose_writers(services, payer, call, profile, deadline)
    asked = Rewritten(shown.question.text, "none", parts=split(shown.question.text))
    settling = Settling(Checks.of(services, writers, packed), Texts(services.blobs, tenant), packed)
    settled = settling.settle(generate(services, asked, packed.passages, writers))
    if settled.failed and not settled.leaked:
        settled = settling.settle(repair(services, asked.query, packed.passages, writers, settling), again=True)
    return settled.draft, settled.verified


def _keep(
    services: Services, serving: Serving, shown: Shown, came_to: tuple[Profile, str, Figures | None, float | None]
) -> None:
    profile, outcome, found, common = came_to
    was = figures(shown.verified, shown.released.usage, shown.ms)
    row: Json = {
        "tenant": shown.whose[0],
        "answer": shown.released.id,
        "release": serving.release_id,
        "profile": profile.name,
        "digest": profile.digest,
        "outcome": outcome,
        "shown": was.as_json(),
        "figures": None if found is None else found.as_json(),
        "overlap": common,
    }
    with services.catalog.transaction(shown.whose[0], durable=False) as session:
        session.execute(_KEEP, row)
