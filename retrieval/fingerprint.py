"""What an answer depends on besides who asks, what is asked and what is found: settings, models, prompt, index."""

from __future__ import annotations

import json

from retrieval.prompts import ANSWER, prompt
from retrieval.services import Services
from vouch.core.ids import sha256

_SETTINGS = (
    "models", "chat_url", "chat_model", "chat_output", "embed_model", "reranker", "abstain_below", "privacy",
    "privacy_answers", "privacy_inside",
)  # fmt: skip


def fingerprint(services: Services) -> str:
    """Another one whenever the same question and evidence might be answered in another way."""
    gateway = services.gateway
    facts = {
        "settings": services.settings.model_dump(mode="json", include=set(_SETTINGS)),
        "models": {name: gateway.behind(name) for name in gateway.models},
        "prompt": [ANSWER, sha256(prompt(ANSWER).encode())],
        "recipe": str(services.recipe),
        "generation": services.generation,
    }
    return sha256(json.dumps(facts, sort_keys=True).encode())
