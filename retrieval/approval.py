"""Which answers a person approves before their asker is told any of them, and what is told meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from retrieval.metrics import APPROVALS
from retrieval.types import Need, Question, Released
from vouch.core.settings import Settings
from vouch.gateway.model_file import EXTRACTIVE

EVERY_MODEL = "*"
"""Among the workflows: every answer that a chat model wrote, whatever it was asked for."""


def needs_approval(
    workflows: Collection[str], question: Question, released: Released, *, by_profile: bool = False
) -> Need | None:
    """Why a person has to approve the answer first; None where nobody has to.

    An abstention is told at once: it speaks of the question alone. What its profile or its workflow says holds whoever
    wrote the answer; ``*`` among ``workflows`` is for prose, and leaves verbatim sentences alone.
    """
    if released.abstention is not None:
        return None
    if by_profile:
        return "profile"
    if question.workflow in workflows:
        return "workflow"
    return "model" if EVERY_MODEL in workflows and released.usage["writer"] != EXTRACTIVE else None


def may_need(settings: Settings, question: Question, *, by_profile: bool) -> bool:
    """Whether :func:`needs_approval` could say so of an answer that is not written yet."""
    workflows = _workflows(settings)
    return by_profile or question.workflow in workflows or EVERY_MODEL in workflows


def held(settings: Settings, question: Question, released: Released, *, by_profile: bool = False) -> Released:
    """``released``, marked where it waits for a person."""
    need = needs_approval(_workflows(settings), question, released, by_profile=by_profile)
    if need is not None:
        APPROVALS.labels("held").inc()
    return replace(released, awaits=need)


def _workflows(settings: Settings) -> frozenset[str]:
    return frozenset(filter(None, (one.strip() for one in settings.approval_workflows.split(","))))


def withheld(released: Released) -> Released:
    """The same with nothing in it that was made of documents: what its asker is told while a person has to decide, and
    after one said no."""
    return replace(released, text="", claims=(), citations=(), notices=())


def told(released: Released) -> Released:
    """What its asker is told of an answer that was just made."""
    return released if released.awaits is None else withheld(released)
