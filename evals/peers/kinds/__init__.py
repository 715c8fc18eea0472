"""The peers, one file each, behind :class:`evals.peers.wire.Peer`. Imported in the peers' environment alone."""

from __future__ import annotations

from importlib import import_module

from evals.peers.wire import Peer, Setup, Vectors

KINDS: dict[str, str] = {
    "bm25": "bm25:Bm25",
    "dense": "dense:Dense",
    "haystack": "haystack:Haystack",
    "llamaindex": "llamaindex:LlamaIndex",
    "txtai": "txtai:Txtai",
    "chroma": "chroma:Chroma",
    "lancedb": "lancedb:LanceDb",
}


def build(name: str, setup: Setup, vectors: Vectors | None) -> Peer:
    """``vectors``: where a peer gets vectors when it does not make its own. Raises KeyError for no peer of ours."""
    module, _, kind = KINDS[name].partition(":")
    peer: Peer = getattr(import_module(f"evals.peers.kinds.{module}"), kind)(setup, vectors)
    return peer
