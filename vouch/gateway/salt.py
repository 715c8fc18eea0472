"""The first line of a prompt. Providers and servers keep what they have computed of a prompt's beginning, for whoever
sends the same beginning next: with a line of their own on top, no two tenants' prompts begin alike, so that none is
answered sooner for what another one sent.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace

from vouch.gateway.chat import DraftRequest
from vouch.gateway.model_file import PromptCache

LINE = "Mark {mark}.\n\n"


def salted(request: DraftRequest, cache: PromptCache, key: str, tenant: str) -> DraftRequest:
    """``request`` with the tenant's mark before anything else; with ``off`` one that was never used before, so that
    nothing which is kept fits."""
    mark = secrets.token_hex(16) if cache == "off" else _of(key, tenant)
    return replace(request, system_prompt=LINE.format(mark=mark) + request.system_prompt)


def _of(key: str, tenant: str) -> str:
    """Not to be guessed by who knows the tenant's name."""
    return hmac.new(key.encode(), f"prompt cache:{tenant}".encode(), hashlib.sha256).hexdigest()[:32]
