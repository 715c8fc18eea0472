"""What shaped an answer besides its question and its documents, in sixteen digits: two answers of one fingerprint were
made in the same way.

In it: the version of Vouch, the index generation and its recipe, the embedder, the reranker, the entailer, the settings
:data:`SHAPING`, the released prompts, the profiles, and the file of models without its keys. Settings say where a
platform is and how much it may use; :data:`SHAPING` are those by which the same question gets another answer.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from retrieval.prompts.lock import ours
from retrieval.services import Services
from vouch import __version__
from vouch.core.ids import sha256

SHAPING = (
    "abstain_below", "ask_deadline_s", "chat_model", "chat_output", "chat_timeout_s", "chat_url", "embed_model",
    "embed_runtime", "entailment", "privacy", "privacy_answers", "privacy_inside", "reranker",
)  # fmt: skip


def fingerprint(services: Services) -> str:
    """Sixteen hex digits of SHA-256. Nothing secret is in it."""
    settings = services.settings.model_dump(mode="json", include=set(SHAPING))
    shaping = {
        "version": __version__,
        "generation": services.generation,
        "recipe": asdict(services.recipe),
        "embedder": services.embedder.name,
        "reranker": None if services.reranker is None else services.reranker.name,
        "entailer": None if services.entailer is None else services.entailer.name,
        "settings": settings,
        "prompts": dict(ours()),
        "profiles": {name: profile.digest for name, profile in services.profiles.named.items()},
        "models": services.gateway.described(),
    }
    return sha256(json.dumps(shaping, sort_keys=True).encode())[:16]
