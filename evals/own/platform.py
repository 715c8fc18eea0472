"""A company's own set, put to the platform that runs, as the user that it belongs to: what is measured is what users
get, with the documents, the access and the settings of today.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evals.datasets import RetrievalSet
from evals.own.folder import asker, document_key
from evals.profiles import ChunkSize, Profile
from evals.ranked import Found, Search, put
from evals.run import SearchReport, SetResult
from vouch import __version__
from vouch.client.client import Client
from vouch.client.reach import connect
from vouch.core.errors import BadConfig
from vouch.core.types import Json

STANDING = ("default",)
"""Profiles that are run unless others are named: the platform as it is set."""
PASSAGES = 100
"""The most that the platform gives: documents beyond them count as not found."""


def run(folder: Path, data: RetrievalSet, profiles: Sequence[Profile]) -> SearchReport:
    """Every judged question by every profile. Raises :class:`BadConfig` for a profile that would need another
    platform, and what the platform answers with."""
    for one in profiles:
        require_asked(one)
    with connect(asker(folder)) as vouch:
        return SearchReport(data, tuple(_result(vouch, folder, data, one) for one in profiles))


def require_asked(profile: Profile) -> None:
    """Raises :class:`BadConfig` unless a request can ask for what the profile names."""
    if profile.chunk != ChunkSize() or profile.given.keys() - {"reranker"} or reranks(profile) is None:
        raise BadConfig(
            f"profile {profile.name!r}: a platform that runs is measured as it is set;"
            " a request chooses the mode, and to do without the reranker, and nothing else",
            field=profile.name,
        )


def reranks(profile: Profile) -> bool | None:
    """What a request says of reranking; None for a reranker that it cannot choose."""
    return {None: True, "none": False}.get(profile.given.get("reranker"))


def searching(vouch: Client, profile: Profile, traces: list[str]) -> Search:
    """The platform as a function of the question. ``traces`` gets the id of each request's trace."""

    def asked(question: str) -> list[Found]:
        found = vouch.search(question, limit=PASSAGES, mode=profile.mode, rerank=bool(reranks(profile)), syntax="plain")
        traces.append(found.trace_id)
        return [Found(document_key(hit.source_id, hit.external_id), hit.score) for hit in found.hits]

    return asked


def _result(vouch: Client, folder: Path, data: RetrievalSet, profile: Profile) -> SetResult:
    traces: list[str] = []
    ranked = put(data, searching(vouch, profile, traces))
    choices: Json = {
        "vouch": __version__,
        "platform": vouch.url,
        "user": asker(folder),
        "mode": profile.mode,
        "reranked": reranks(profile),
        "passages": PASSAGES,
        "index": _index(vouch, traces),
    }
    return SetResult(profile=profile, choices=choices, chunks=0, rejected=(), ranked=ranked)


def _index(vouch: Client, traces: Sequence[str]) -> list[Json]:
    """What index generation was asked, and the model of its vectors: two, where they were swapped meanwhile."""
    found: list[Json] = []
    for trace_id in dict.fromkeys((traces[0], traces[-1])):
        index = vouch.trace(trace_id).index
        told = {name: index.get(name) for name in ("generation", "embedder")}
        if told not in found:
            found.append(told)
    return found
