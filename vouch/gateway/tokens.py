"""How many tokens a prompt has: by the model's own tokenizer where its file is at hand, else an estimate.

The estimate is on the high side: a token of today's models has some four bytes of English and three of most other
scripts. What a server counts replaces either after the call.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from vouch.core.errors import BadConfig
from vouch.gateway.chat import DraftRequest
from vouch.gateway.enclosure import enclose

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BYTES_OF_A_TOKEN = 3
AROUND = 600
"""Tokens of the schema and of what a server puts around messages."""


def of_prompt(request: DraftRequest, tokenizer: Path | None) -> int:
    """Of all that is sent. Raises :class:`BadConfig` where the tokenizer's file cannot be read."""
    text = f"{request.system_prompt}\n{enclose(request)}"
    if tokenizer is None:
        return AROUND - (-len(text.encode()) // BYTES_OF_A_TOKEN)
    return AROUND + len(loaded(tokenizer).encode(text, add_special_tokens=False).ids)


@cache
def loaded(path: Path) -> Tokenizer:
    """Raises :class:`BadConfig`."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:
        raise BadConfig(f"{path} is no tokenizer.json: {type(error).__name__}", field="tokenizer") from error
