"""Profiles: named choices of retrieval, read from `evals/profiles.toml` or a file of one's own.

A profile is settings of the product, so what it measures is what somebody gets who sets them.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from ingestion.chunk import CHUNKER, LIMIT, TARGET
from retrieval.fuse import K
from retrieval.rerank import DEPTH
from retrieval.spelling import SPELLING
from retrieval.types import Mode
from vouch import __version__
from vouch.core.errors import BadConfig
from vouch.core.settings import Settings
from vouch.core.types import Json

FILE = Path(__file__).with_name("profiles.toml")
STANDING = ("lexical", "dense", "hybrid", "hybrid+reranker", "hybrid+document")
"""What `make eval` measures; gates name them."""
CHOICES = ("embed_model", "embed_runtime", "reranker")
"""Settings that decide what is found. Another that does belongs here."""
_KEYS = frozenset({"about", "mode", "settings", "chunk"})


@dataclass(frozen=True, slots=True)
class ChunkSize:
    """Tokens, as `ingestion/chunk.py` takes them."""

    target: int = TARGET
    limit: int = LIMIT


@dataclass(frozen=True, slots=True)
class Profile:
    """``given``: settings by name, which go before the environment's."""

    name: str
    about: str = ""
    mode: Mode = "hybrid"
    given: Mapping[str, str] = field(default_factory=dict)
    chunk: ChunkSize = field(default_factory=ChunkSize)

    def settings(self, settings: Settings) -> Settings:
        """``settings`` with what the profile names. Raises :class:`BadConfig` for a value that they do not take."""
        try:
            return Settings.model_validate({**dict(settings), **self.given})
        except ValidationError as error:
            wrong = error.errors()[0]
            raise BadConfig(f"profile {self.name!r}: {wrong['msg']}", field=".".join(map(str, wrong["loc"]))) from error

    def choices(self, settings: Settings, embedder: str) -> Json:
        """All that decides what this profile finds, as a run writes it down. ``embedder``: the name of what embeds."""
        return {
            "vouch": __version__,
            "mode": self.mode,
            "embedder": embedder,
            "reranker": self.settings(settings).reranker,
            "reranked": DEPTH,
            "chunker": CHUNKER,
            "chunk_target": self.chunk.target,
            "chunk_limit": self.chunk.limit,
            "fusion_k": K,
            "spelling": SPELLING,
        }


def fingerprint(choices: Json) -> str:
    """The same for two runs whose choices are the same."""
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()


def profiles(file: Path = FILE) -> dict[str, Profile]:
    """Every profile of ``file`` by its name. Raises :class:`BadConfig`."""
    try:
        body = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadConfig(f"{file}: {error}", field="profiles") from error
    return {name: _profile(name, row, file) for name, row in body.items()}


def profile(name: str, file: Path = FILE) -> Profile:
    """One profile. Raises :class:`BadConfig` for a name that ``file`` does not have."""
    known = profiles(file)
    if name not in known:
        raise BadConfig(f"{file.name} has no profile {name!r}, but {', '.join(known)}", field="profile")
    return known[name]


def _profile(name: str, row: object, file: Path) -> Profile:
    def wrong(detail: str, at: str) -> BadConfig:
        return BadConfig(f"{file.name}, profile {name!r}: {detail}", field=f"{name}.{at}" if at else name)

    if not isinstance(row, dict):
        raise wrong("is no table", "")
    if unknown := sorted(row.keys() - _KEYS):
        raise wrong(f"{unknown[0]!r} is none of {', '.join(sorted(_KEYS))}", unknown[0])
    mode, given, size = row.get("mode", "hybrid"), row.get("settings", {}), row.get("chunk", {})
    if mode not in get_args(Mode):
        raise wrong(f"{mode!r} is none of {', '.join(get_args(Mode))}", "mode")
    if not isinstance(given, dict) or not given.keys() <= set(CHOICES):
        raise wrong(f"settings may be {', '.join(CHOICES)}", "settings")
    try:
        chunk = ChunkSize(**size)
        fits = 0 < chunk.target <= chunk.limit
    except TypeError:
        fits = False
    if not fits:
        raise wrong("chunk is { target = …, limit = … } with 0 < target <= limit", "chunk")
    return Profile(name, str(row.get("about", "")), mode, given, chunk)
