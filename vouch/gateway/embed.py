"""Texts to vectors: the protocol, which runtime serves it, and the preparation done once per data folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from vouch.core.errors import ModelUnavailable
from vouch.core.settings import Settings
from vouch.core.types import Matrix
from vouch.gateway import ir
from vouch.gateway.weights import ModelFiles, locate

log = logging.getLogger(__name__)

RECIPE = "r1"
"""What is done to a text before the model and to the vector after it: the whole text, cut at the model's own limit;
unit length. Part of every embedder's name, so a change of the recipe is a change of name."""

_PREPARE_LIMIT_S = 900


class Embedder(Protocol):
    """Turns texts into unit vectors. Implementations may be shared by threads.

    ``name`` keys stored vectors: two embedders of equal name give interchangeable vectors, whatever they run on.
    ``max_tokens`` counts word pieces with the model's special tokens; what is beyond it does not reach the vector.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), dimensions), float32, rows of unit length in the order of ``texts``."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each whole text, special tokens included, nothing cut."""


def load_embedder(settings: Settings) -> Embedder:
    """The embedder that ``settings`` asks for, ready; the graph is prepared first where nobody has done it.

    Raises:
        WrongWeights: the packaged model is not the one we expect.
        ModelUnavailable: the model is not here, or OpenVINO was demanded and does not serve it.
    """
    files = locate(settings.embed_model)
    if settings.embed_runtime != "sentence-transformers":
        folder, prepared, why_not = _prepared(settings, files)
        if prepared is not None and prepared.precision is not None:
            log.info("embedding with %s on OpenVINO in %s: %s", files.id, prepared.precision, prepared.reason)
            from vouch.gateway.embed_openvino import OpenVinoEmbedder

            name, threads = embedder_name(files), settings.embed_threads
            return OpenVinoEmbedder(name, files, folder, prepared, threads=threads)
        if settings.embed_runtime == "openvino":
            raise ModelUnavailable(f"OpenVINO cannot serve {files.id}: {why_not}.")
        log.warning("embedding with %s on sentence-transformers, which is slow: %s", files.id, why_not)
    from vouch.gateway.embed_reference import ReferenceEmbedder

    return ReferenceEmbedder(embedder_name(files), files, settings.embed_threads)


def load_named(settings: Settings, embed_model: str | None, name: str) -> Embedder:
    """The embedder ``name``, as an index generation says it, found where ``embed_model`` says (None: the settings).

    Raises as :func:`load_embedder`, and :class:`ModelUnavailable` when another model, or another version of it, is
    there now: its vectors would not fit those that are stored.
    """
    if embed_model is not None:
        settings = settings.model_copy(update={"embed_model": embed_model})
    there = embedder_name(locate(settings.embed_model))
    if there != name:
        raise ModelUnavailable(f"The model {name} is needed; {settings.embed_model!r} is {there}.")
    return load_embedder(settings)


def prepare(settings: Settings, say: Callable[[str], None] = log.info) -> str:
    """Check the weights, convert them and compare runtimes, once per data folder; ``say`` hears the progress.

    The work is done in a child process, so neither torch nor OpenVINO stays in this one. Any number of
    processes may call this at once: one works, the others wait for it. Returns the runtime, in words.

    Raises:
        WrongWeights, ModelUnavailable: as :func:`load_embedder`.
    """
    files = locate(settings.embed_model)
    say(f"the weights of {files.id} are {'the expected ones' if files.pinned else 'not pinned'}")
    why_not = ""
    if settings.embed_runtime != "sentence-transformers":
        prepared, why_not = None, _missing()
        if not why_not:
            prepared, why_not = _convert(settings, say)
        if prepared is not None and prepared.precision is not None:
            return f"OpenVINO {prepared.precision}: {prepared.reason}"
        if settings.embed_runtime == "openvino":
            raise ModelUnavailable(f"OpenVINO cannot serve {files.id}: {why_not}.")
    return f"sentence-transformers f32: {why_not or 'as configured'}"


def embedder_name(files: ModelFiles) -> str:
    """Model, digest of all files that shape its vectors, and recipe."""
    return f"{files.id}@{files.digest[:16]}.{RECIPE}"


def _missing() -> str:
    return "" if find_spec("openvino") else "openvino is not installed"


def _prepared(settings: Settings, files: ModelFiles) -> tuple[Path, ir.Prepared | None, str]:
    """The folder, its record (made now where there is none), and why OpenVINO may not be used, if so."""
    if why_not := _missing():
        return Path(), None, why_not
    folder = ir.target(settings.models_dir, files)
    prepared = ir.read(folder)
    if prepared is not None:
        return folder, prepared, prepared.reason
    prepared, why_not = _convert(settings, log.info)
    return folder, prepared, why_not


def _convert(settings: Settings, say: Callable[[str], None]) -> tuple[ir.Prepared | None, str]:
    """Run :mod:`vouch.gateway.convert` in a child and read what it left."""
    settings.models_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "vouch.gateway.convert", settings.embed_model, str(settings.models_dir)]
    done: Path | None = None
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=_child_env()) as child,
    ):
        deadline = threading.Timer(_PREPARE_LIMIT_S, child.kill)
        deadline.start()
        try:
            assert child.stdout is not None
            for line in child.stdout:
                kind, _, words = line.rstrip("\n").partition("\t")
                if kind == "say":
                    say(words)
                elif kind == "done":
                    done = Path(words)
            child.wait()
        finally:
            deadline.cancel()
            child.kill()
        errors.seek(0)
        complaint = errors.read()
    if child.returncode != 0 or done is None:
        log.warning("converting %s failed (%s):\n%s", settings.embed_model, child.returncode, complaint[-4000:])
        last = (complaint.strip().splitlines() or ["no message"])[-1]
        return None, f"its conversion failed with exit status {child.returncode} ({last[:200]})"
    prepared = ir.read(done)
    return prepared, prepared.reason if prepared else f"{done} was damaged right after it was made"


def _child_env() -> dict[str, str]:
    """This environment without our settings (the child needs no secret), quiet, and finding this very package."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("VOUCH_")}
    here = str(Path(__file__).resolve().parents[2])
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "DO_NOT_TRACK": "1"}
    return env | quiet | {"PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))}
