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
MODEL_COST = Counter(
    "vouch_model_cost", "Money that calls of chat models took, by the price list, failed ones that were read included.",
    ["writer", "currency"],
)  # fmt: skip
FALLBACKS = Counter(
    "vouch_fallbacks",
    "Writers that gave way to the next of their chain, by what became of them: abstained, or why they failed.",
    ["writer", "reason"],
)
OVER_BUDGET = Counter("vouch_over_budget", "Calls of models that a hard budget stopped.", ["scope"])
MADE = Counter(
    "vouch_answers_made",
    "Answers and abstentions by the profile that made them; the arm is default, stable, canary or asked.",
    ["profile", "arm"],
)
SHADOWS = Counter(
    "vouch_shadows",
    "Profiles that ran beside an answer: wrote, abstained, failed, withdrawn before it, or dropped for want of room.",
    ["outcome"],
)
for _outcome in ("wrote", "abstained", "failed", "withdrawn", "dropped"):
    SHADOWS.labels(_outcome)
OTLP_SPANS = Counter(
    "vouch_otlp_spans",
    "Spans of questions for the collector: taken by it (sent), not taken (failed), or dropped, the queue being full.",
    ["outcome"],
)
for _outcome in ("sent", "failed", "dropped"):
    OTLP_SPANS.labels(_outcome)
APPROVALS = Counter(
    "vouch_approvals",
    "Answers that a person approves: held back for it, claimed, edited, an edit refused, released, rejected.",
    ["outcome"],
)
for _outcome in ("held", "claimed", "edited", "refused", "released", "rejected"):
    APPROVALS.labels(_outcome)
REUSED = Counter(
    "vouch_answers_reused", "Answers given again: to the same question (exact), to one alike (near).", ["kind"]
)
for _kind in ("exact", "near"):
    REUSED.labels(_kind)
NOT_REUSED = Counter("vouch_answers_not_reused", "Questions answered anew although answers may be reused.", ["reason"])
CLAIMS = Counter("vouch_claims", "Claims of answers that were given, by the verdict of verification.", ["verdict"])
for _verdict in ("supported", "partial"):
    CLAIMS.labels(_verdict)
REJECTED_CLAIMS = Counter("vouch_rejected_claims", "Drafted claims or quotes that verification refused.", ["reason"])
UNJUDGED = Counter(
    "vouch_unjudged_claims", "Claims that the chat model which judges them failed on; rules alone decided.", ["reason"]
)
SUSPECTED = Counter(
    "vouch_suspected_injections",
    "Words in a question or a passage that read as if they were meant for a model.",
    ["where"],
)
FEEDBACK = Counter("vouch_feedback", "What users said of answers that they were given.", ["helpful"])
for _helpful in ("yes", "no"):
    FEEDBACK.labels(_helpful)
