"""A whole reply of the OpenAI chat-completions protocol, told as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Sequence

from vouch.core.types import Json

PIECE = 24
"""Characters of output in an event."""
_CLAIM = '{"text"'
_INTO = 10
"""Characters of the second claim that stand in the first part."""


def streamed(reply: bytes) -> tuple[bytes, bytes]:
    """The events of ``reply``: those up to within its second claim, where it has two, and the others. Of a reply that
    breaks off the events break off."""
    try:
        whole: Json = json.loads(reply)
    except ValueError:
        return b"data: " + reply, b""
    choice = whole["choices"][0]
    calls = choice["message"].get("tool_calls")
    output: str = calls[0]["function"]["arguments"] if calls else choice["message"]["content"]
    second = output.find(_CLAIM, output.find(_CLAIM) + 1)
    split = second + _INTO if second >= 0 else len(output)
    head = {"id": whole["id"], "object": "chat.completion.chunk", "created": 0, "model": whole["model"]}
    opening = {**calls[0], "index": 0, "function": {**calls[0]["function"], "arguments": ""}} if calls else None
    first = [{"role": "assistant", "content": None, "tool_calls": [opening]} if opening else {"role": "assistant"}]
    first += [_delta(piece, called=bool(calls)) for piece in _pieces(output[:split])]
    rest = [_delta(piece, called=bool(calls)) for piece in _pieces(output[split:])]
    end = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    told = {**head, "choices": [], "usage": whole["usage"]}
    closing = b"".join(map(_event, (json.dumps(end), json.dumps(told), "[DONE]")))
    return _events(head, first), _events(head, rest) + closing


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def _delta(piece: str, *, called: bool) -> Json:
    return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if called else {"content": piece}


def _events(head: Json, deltas: Sequence[Json]) -> bytes:
    return b"".join(_event(json.dumps({**head, "choices": [{"index": 0, "delta": delta}]})) for delta in deltas)


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
