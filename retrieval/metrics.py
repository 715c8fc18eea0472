"""What `/metrics` says about questions. No label is made of anything a user wrote."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

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
    "vouch_gate_two_rejections", "Candidates that the index let through and the catalog refused. Alert above zero."
)
REJECTED_CLAIMS = Counter("vouch_rejected_claims", "Drafted claims or quotes that verification refused.", ["reason"])
STREAMS_CUT = Counter("vouch_streams_cut", "Streams ended because a cited document stopped being readable.")
