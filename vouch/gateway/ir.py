"""A model prepared for OpenVINO: its graph on disk (OpenVINO's IR), and the record of how it agrees with float32.

One folder per weights, OpenVINO version and precision the CPU is fast at, so a data folder that moves to
another machine, or outlives an upgrade, is prepared anew instead of trusted.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

from vouch.gateway.weights import ModelFiles, file_digest

log = logging.getLogger(__name__)

Precision = Literal["bf16", "f32"]
Pooling = Literal["mean", "cls"]
POOLINGS: tuple[str, ...] = get_args(Pooling)
GRAPH = "model.xml"
RECORD = "prepared.json"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How one precision's vectors compare with the reference's, over the probe texts."""

    mean_cosine: float
    min_cosine: float
    neighbours_kept: float
    """Mean share of each text's ten nearest texts that stay among its ten nearest."""

    @property
    def holds(self) -> bool:
        """Whether the two runtimes may share stored vectors."""
        return self.mean_cosine >= 0.999 and self.min_cosine >= 0.995 and self.neighbours_kept >= 0.95


@dataclass(frozen=True, slots=True)
class Prepared:
    """The record beside the graph. ``precision`` is None where OpenVINO must not be used, for ``reason``."""

    precision: Precision | None
    reason: str
    pooling: Pooling | None
    dimensions: int
    max_tokens: int
    agreement: dict[str, Agreement]
    files: dict[str, str]
    """SHA-256 of each file of the graph."""

    def write(self, folder: Path) -> None:
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Prepared | None:
    """The record in ``folder`` once its files match it; None where there is nothing, or nothing whole."""
    if not (folder / RECORD).is_file():
        return None
    try:
        fields = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        fields["agreement"] = {name: Agreement(**measured) for name, measured in fields["agreement"].items()}
        prepared = Prepared(**fields)
        damaged = [name for name, digest in prepared.files.items() if file_digest(folder / name) != digest]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the prepared model in %s cannot be read (%s)", folder, error)
        return None
    if damaged:
        log.warning("the prepared model in %s is damaged: %s", folder, ", ".join(damaged))
        return None
    return prepared


def target(models_dir: Path, files: ModelFiles) -> Path:
    """The folder of this model, on this CPU, with this OpenVINO."""
    name = files.id.replace("/", "--")
    return models_dir / f"{name}-{files.digest[:16]}-openvino-{version('openvino')}-{fast_precision()}"


def load_openvino() -> Any:
    """Import OpenVINO with its telemetry cut off.

    The mere import reports to a public analytics service and writes to the home folder. It takes an import of
    ``openvino_telemetry`` that fails as "not installed"; a None in ``sys.modules`` makes it fail.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def fast_precision() -> Precision:
    """bf16 where the CPU computes in it, else f32."""
    capabilities = load_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bf16" if "BF16" in capabilities else "f32"


def compile_graph(graph: Path | Any, precision: Precision, threads: int) -> Any:
    """The compiled model, of a file or of a graph at hand.

    It has one stream over all threads, which serves one query soonest and batches as well as any.

    Threads are not pinned: every process would pin its own to the same first cores, and two workers share one.
    """
    hints = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    source = str(graph) if isinstance(graph, Path) else graph
    return load_openvino().Core().compile_model(source, "CPU", hints)
