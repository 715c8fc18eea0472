"""The one-time conversion of a model to OpenVINO, run as a child: ``python -m vouch.gateway.convert MODEL FOLDER``.

It writes ``say<TAB>progress`` lines and, last, ``done<TAB>folder``. A lock file makes concurrent children take
turns; the kernel drops the lock of one that is killed, and what it left half made is swept by the next.
The finished folder appears by one rename, its content already on disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from vouch.core.types import Matrix
from vouch.gateway import ir
from vouch.gateway.weights import ModelFiles, file_digest, locate

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PARTIAL = ".partial-"
_NEIGHBOURS = 10


def main(model: str, models_dir: Path) -> None:
    """Leave a whole :class:`vouch.gateway.ir.Prepared` folder for ``model`` under ``models_dir``."""
    files = locate(model)
    target = ir.target(models_dir, files)
    with (models_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ir.read(target) is None:
            _prepare_into(target, files)
        else:
            _tell("say", f"{files.id} is already prepared for OpenVINO")
    _tell("done", str(target))


def _prepare_into(target: Path, files: ModelFiles) -> None:
    for orphan in target.parent.glob(f"{_PARTIAL}*"):
        shutil.rmtree(orphan)
    partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
    _prepare(partial, files).write(partial)
    for path in (*partial.iterdir(), partial):
        _sync(path)
    if target.exists():
        _tell("say", f"the damaged {target.name} is replaced")
        shutil.rmtree(target)
    partial.rename(target)
    _sync(target.parent)


def _prepare(folder: Path, files: ModelFiles) -> ir.Prepared:
    """Convert into ``folder``, compare with the reference, and decide."""
    _tell("say", f"loading {files.id} in float32")
    from vouch.gateway.embed_openvino import OpenVinoEmbedder
    from vouch.gateway.embed_reference import ReferenceEmbedder

    reference = ReferenceEmbedder("reference", files, os.cpu_count() or 1)
    pooling, reason = _pooling(reference.model)
    prepared = ir.Prepared(None, reason, pooling, reference.dimensions, reference.max_tokens, agreement={}, files={})
    if pooling is None:
        return prepared
    _tell("say", f"converting {files.id} to OpenVINO")
    _save_graph(reference.model, folder)
    texts = probes()
    expected = reference.embed(texts)
    candidates: list[ir.Precision] = ["bf16", "f32"] if ir.fast_precision() == "bf16" else ["f32"]
    for candidate in candidates:
        _tell("say", f"comparing OpenVINO {candidate} with float32 over {len(texts)} texts")
        trial = replace(prepared, precision=candidate)
        found = OpenVinoEmbedder("trial", files, folder, trial, threads=os.cpu_count() or 1).embed(texts)
        prepared.agreement[candidate] = compare(expected, found)
    precision, reason = choose(prepared.agreement)
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    return replace(prepared, precision=precision, reason=reason, files=digests)


def _pooling(model: SentenceTransformer) -> tuple[ir.Pooling | None, str]:
    """How the model pools, where it is of the shape that our runtime knows: encoder, pooling, unit length."""
    modules = [type(module).__name__ for module in model]
    if modules not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None, f"its modules are {', '.join(modules)}, not an encoder with pooling"
    mode = cast("Any", model[1]).pooling_mode
    if mode not in ir.POOLINGS:
        return None, f"its pooling is {mode}, not one of {', '.join(ir.POOLINGS)}"
    return cast("ir.Pooling", mode), ""


def _save_graph(model: SentenceTransformer, folder: Path) -> None:
    openvino = ir.load_openvino()
    import torch

    class LastHiddenState(torch.nn.Module):
        """Ids and mask in, one tensor out: token types are all zero and outputs are not a dictionary."""

        def __init__(self, encoder: Any) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            found = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
            return cast("torch.Tensor", found.last_hidden_state)

    ones = torch.ones((2, 16), dtype=torch.int64)
    encoder = LastHiddenState(model.transformers_model).eval()
    graph = openvino.convert_model(encoder, example_input={"input_ids": ones, "attention_mask": ones})
    # The default stores weights as float16, which is neither the reference nor bf16.
    openvino.save_model(graph, str(folder / ir.GRAPH), compress_to_fp16=False)


def compare(expected: Matrix, found: Matrix) -> ir.Agreement:
    """Cosines row by row, and how much of each text's neighbourhood is kept. Both matrices hold unit rows."""
    cosines = np.sum(expected * found, axis=1)
    before, after = _nearest(expected), _nearest(found)
    kept = [len(set(a) & set(b)) / len(a) for a, b in zip(before.tolist(), after.tolist(), strict=True)]
    return ir.Agreement(
        mean_cosine=round(float(cosines.mean()), 6),
        min_cosine=round(float(cosines.min()), 6),
        neighbours_kept=round(float(np.mean(kept)), 4),
    )


def _nearest(vectors: Matrix) -> Any:
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    return np.argsort(-similar, axis=1)[:, :_NEIGHBOURS]


def choose(agreement: dict[str, ir.Agreement]) -> tuple[ir.Precision | None, str]:
    """The fastest precision that agrees, and the reason in words."""
    order: tuple[ir.Precision, ...] = ("bf16", "f32")
    for precision in order:
        measured = agreement.get(precision)
        if measured is not None and measured.holds:
            fast = "the CPU is fast at it" if precision == "bf16" else "bf16 is not fast here or did not agree"
            return precision, f"{fast}; mean cosine with float32 {measured.mean_cosine:.4f}, " + (
                f"least {measured.min_cosine:.4f}, neighbours kept {measured.neighbours_kept:.3f}"
            )
    return None, f"its vectors disagree with float32: {agreement}"


def probes() -> list[str]:
    """The fixed texts that runtimes are compared over: questions, prose, tables, code, other scripts, extremes."""
    texts: list[str] = json.loads(Path(__file__).with_name("probes.json").read_text(encoding="utf-8"))
    return texts


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tell(kind: str, words: str) -> None:
    print(f"{kind}\t{words}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
