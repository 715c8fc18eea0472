"""What an answer was made by: kept with it, told with it, in its trace and in the audit log."""

from __future__ import annotations

from retrieval.fingerprint import fingerprint
from retrieval.metrics import MADE
from retrieval.profiles.serving import Serving
from retrieval.prompts import digest
from retrieval.services import Services
from retrieval.types import Draft
from vouch.core.types import Json


def made_by(services: Services, serving: Serving, draft: Draft) -> Json:
    """``prompt`` and ``model`` are null where no chat model wrote. ``settings``: the fingerprint of all else that
    shaped it."""
    MADE.labels(serving.profile.name, serving.arm).inc()
    return {
        "profile": serving.profile.name,
        "digest": serving.profile.digest,
        "arm": serving.arm,
        "release": serving.release_id,
        "prompt": draft.prompt,
        "prompt_sha256": None if draft.prompt is None else digest(draft.prompt),
        "writer": draft.writer,
        "model": draft.usage.get("model"),
        "settings": fingerprint(services),
    }
