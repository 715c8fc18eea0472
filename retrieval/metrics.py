"""What `/metrics` says about questions. No label is made of anything a user wrote."""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter, Histogram

from acl.recheck import Rejection

STEP_SECONDS = Histogram(
    "vouch_step_seconds",
    "Time in one step of a question.",
    ["kind", "step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
QUESTION_SECONDS = Histogram(
    "vouch_question_seconds",
    "Time of a whole search or ask.",
    ["kind"],
    buckets=(0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60),
)
ABSTENTIONS = Counter("vouch_abstentions", "Questions answered by a reasoned refusal.", ["reason"])
GATE_TWO_REJECTIONS = Counter(
    "vouch_gate_two_rejections",
    "Candidates that the index let through and the catalog refused. Alert on the reason lag_or_error.",
    ["reason"],
)
for _reason in get_args(Rejection):
    GATE_TWO_REJECTIONS.labels(_reason)  # an alert needs to see the zero

MODEL_SECONDS = Histogram(
    "vouch_model_seconds",
    "Time of one writer of an answer; the outcome is wrote, abstained, or why it failed and the next one was asked.",
    ["writer", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120),
)
MODEL_TOKENS = Counter(
    "vouch_model_tokens", "Tokens that chat models read (input) and wrote (output).", ["writer", "kind"]
)
OVER_BUDGET = Counter("vouch_over_budget", "Calls of models that a hard budget stopped.", ["scope"])
OTLP_SPANS = Counter(
    "vouch_otlp_spans",
    "Spans of questions for the collector: taken by it (sent), not taken (failed), or dropped, the queue being full.",
    ["outcome"],
)
for _outcome in ("sent", "failed", "dropped"):
    OTLP_SPANS.labels(_outcome)
REJECTED_CLAIMS = Counter("vouch_rejected_claims", "Drafted claims or quotes that verification refused.", ["reason"])
UNJUDGED = Counter(
    "vouch_unjudged_claims", "Claims that the chat model which judges them failed on; rules alone decided.", ["reason"]
)
SUSPECTED = Counter(
    "vouch_suspected_injections",
    "Words in a question or a passage that read as if they were meant for a model.",
    ["where"],
)
