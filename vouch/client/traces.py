"""How a question went, as `/v1/traces` tells it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime

from vouch.client.results import Result


class Trace(Result):
    """How a question went. None: not for the eyes of who reads, or not reached. ``walk``: each step as it was entered,
    with ``at_ms``, when it began; None where the platform did not keep that yet."""

    trace_id: str
    kind: Literal["search", "ask"]
    created_at: AwareDatetime
    ms: float
    steps: tuple[dict[str, Any], ...]
    walk: tuple[dict[str, Any], ...] | None = None
    index: dict[str, Any] = {}
    writer: dict[str, Any] = {}
    outdated: int = 0
    made_by: dict[str, Any] | None = None
    reuse: dict[str, Any] = {}
    query: str | None = None
    candidates: tuple[dict[str, Any], ...] | None = None
    demoted: tuple[dict[str, Any], ...] | None = None
    dropped: tuple[dict[str, Any], ...] | None = None
    passages: tuple[dict[str, Any], ...] | None = None
    rejected: tuple[dict[str, Any], ...] | None = None
    answer: dict[str, Any] | None = None
    refused: tuple[dict[str, Any], ...] | None = None
