"""Questions as OpenTelemetry spans, sent by OTLP over HTTP: one for the question, one for each step as it was entered,
and one for each try of a writer, with the attributes of the conventions for generative AI.

No content: no question, no text, no title, no name of a document or a person. The id of the OpenTelemetry trace is that
of ours, without its dashes, and the question's span has its last 16 digits; under a parent of the caller's the trace is
the parent's, and the span and the attribute `vouch.trace_id` still lead back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from retrieval.export import Attempt, Told
from vouch import __version__
from vouch.core.ids import sha256
from vouch.gateway.model_file import EXTRACTIVE

PATH = "/v1/traces"
PATIENCE_S = 10
"""Seconds that sending one batch may take, tries included."""
PROVIDERS: Mapping[str, str] = {
    "openai": "openai",
    "azure": "azure.ai.openai",
    "anthropic": "anthropic",
    "google": "gcp.gemini",
    "bedrock": "aws.bedrock",
}
"""What the conventions call the providers of the file of models."""
COUNTED = ("candidates", "demoted", "dropped", "refused", "passages", "rejected")
_RESOURCE = Resource({"service.name": "vouch", "service.version": __version__})
_SCOPE = InstrumentationScope("vouch.retrieval", __version__)
_SECOND = 1_000_000_000


class Otlp:
    """A collector at ``endpoint``, the address that `/v1/traces` is below."""

    def __init__(self, endpoint: str) -> None:
        address = endpoint.rstrip("/")
        self._exporter = OTLPSpanExporter(
            endpoint=address if address.endswith(PATH) else address + PATH, timeout=PATIENCE_S
        )

    def send(self, questions: Sequence[Told]) -> bool:
        """Whether the collector took them."""
        made = [span for told in questions for span in spans(told)]
        return self._exporter.export(made) is SpanExportResult.SUCCESS


def spans(told: Told) -> Iterator[ReadableSpan]:
    """The question's own first."""
    parent = _parent(told)
    ours = UUID(told.trace_id).int
    trace_id = parent.trace_id if parent else ours
    root = _context(trace_id, ours & (2**64 - 1))
    yield _span(told, f"vouch {told.kind}", (root, parent), (told.began, told.seconds), _of_question(told))
    generating: list[tuple[float, float, SpanContext]] = []
    for n, (name, began, seconds) in enumerate(told.walk):
        context = _context(trace_id, _numbered(told, n))
        if name == "generate":
            generating.append((began, began + seconds, context))
        yield _span(told, name, (context, root), (began, seconds), {"vouch.step": name})
    for n, attempt in enumerate(told.attempts, len(told.walk)):
        step = next((step for began, ended, step in generating if began <= attempt.began <= ended), root)
        contexts = (_context(trace_id, _numbered(told, n)), step)
        attributes = _of_attempt(attempt)
        name = f"{attributes['gen_ai.operation.name']} {attributes['gen_ai.request.model']}"
        yield _span(told, name, contexts, (attempt.began, attempt.seconds), attributes)


def _span(
    told: Told,
    name: str,
    contexts: tuple[SpanContext, SpanContext | None],
    times: tuple[float, float],
    attributes: Mapping[str, Any],
) -> ReadableSpan:
    began = told.began_ns + round((times[0] - told.began) * _SECOND)
    kind = SpanKind.SERVER if "vouch.kind" in attributes else SpanKind.INTERNAL
    return ReadableSpan(
        name=name,
        context=contexts[0],
        parent=contexts[1],
        resource=_RESOURCE,
        instrumentation_scope=_SCOPE,
        attributes=attributes,
        kind=SpanKind.CLIENT if attributes.get("gen_ai.operation.name") == "chat" else kind,
        start_time=began,
        end_time=began + round(times[1] * _SECOND),
        status=Status(StatusCode.ERROR if "error.type" in attributes else StatusCode.UNSET),
    )


def _of_question(told: Told) -> dict[str, Any]:
    facts = told.facts
    answer: Mapping[str, Any] = facts.get("answer") or {}
    found: dict[str, Any] = {"vouch.trace_id": told.trace_id, "vouch.kind": told.kind, "vouch.tenant": told.tenant}
    found |= {f"vouch.{name}": len(facts[name]) for name in COUNTED if name in facts}
    if "index" in facts:
        found |= {"vouch.generation": facts["index"]["generation"]}
    if made := facts.get("made_by"):
        found |= {f"vouch.{name}": made[name] for name in ("profile", "arm", "settings")}
    if answer:
        found |= {"vouch.outcome": answer["kind"]}
    if answer.get("abstention"):
        found |= {"vouch.abstention.reason": answer["abstention"]["reason"]}
    return found | ({"error.type": told.error} if told.error else {})


def _of_attempt(attempt: Attempt) -> dict[str, Any]:
    provider, model = attempt.behind
    usage, embedded = attempt.usage, attempt.writer == EXTRACTIVE
    found: dict[str, Any] = {
        "gen_ai.operation.name": "extract" if embedded else "chat",
        "gen_ai.provider.name": "vouch" if embedded else PROVIDERS.get(provider, provider or "_OTHER"),
        "gen_ai.request.model": model,
        "vouch.writer": attempt.writer,
        "vouch.outcome": attempt.outcome,
    }
    told = {
        "gen_ai.response.model": usage.get("model"),
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "vouch.cost": usage.get("cost"),
        "vouch.currency": usage.get("currency"),
        "error.type": None if attempt.outcome in ("wrote", "abstained") else attempt.outcome,
    }
    return found | {name: value for name, value in told.items() if value is not None}


def _parent(told: Told) -> SpanContext | None:
    """The caller's span; None without one, and for a header that is none."""
    if told.parent is None:
        return None
    found = TraceContextTextMapPropagator().extract({"traceparent": told.parent})
    context = trace.get_current_span(found).get_span_context()
    return context if context.is_valid else None


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _numbered(told: Told, n: int) -> int:
    return int(sha256(f"{told.trace_id}/{n}".encode())[:16], 16)
