"""tmp"""
from __future__ import annotations
from evals.embedding_cache import CachedEmbedder, cache_folder
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder, load_embedder
def evaluation_embedder(settings: Settings) -> Embedder:
    folder = cache_folder()
    return CachedEmbedder(load_embedder(settings.model_copy(update={"data_dir": folder})), folder)
