"""The one-time conversion: by whom, how often, and what a crash or a damaged file leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vouch.core.errors import ModelUnavailable
from vouch.core.settings import Settings
from vouch.gateway import embed, ir
from vouch.gateway.convert import choose, compare, probes
from vouch.gateway.embed import Embedder, load_embedder, prepare
from vouch.gateway.ir import Agreement
from vouch.gateway.weights import PACKAGED, locate

ROOT = Path(__file__).resolve().parents[2]
GOOD, POOR = Agreement(0.9999, 0.9998, 0.99), Agreement(0.93, 0.81, 0.7)


def python(code: str, *args: str, home: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home)}
    return subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, text=True, env=env)


@pytest.fixture
def ready(embedder: Embedder, model_settings: Settings, tmp_path: Path) -> tuple[Settings, Path]:
    """A data folder with a copy of the prepared model, the weights linked; and the model's folder in it."""
    source = ir.target(model_settings.models_dir, locate(PACKAGED))
    settings = Settings(data_dir=tmp_path / "data")
    folder = settings.models_dir / source.name
    shutil.copytree(source, folder, copy_function=os.link)
    return settings, folder


def damage(folder: Path) -> None:
    graph = folder / ir.GRAPH
    data = graph.read_bytes()
    graph.unlink()
    graph.write_bytes(data[:-100])


PREPARE = """
import sys
from vouch.core.settings import Settings
from vouch.gateway.embed import prepare
print("=", prepare(Settings(data_dir=sys.argv[1]), say=print))
print(sorted({"torch", "openvino", "sentence_transformers"} & set(sys.modules)))
"""


def test_killed_then_two_at_once(ready: tuple[Settings, Path], tmp_path: Path) -> None:
    settings, folder = ready
    damage(folder)
    convert = [sys.executable, "-m", "vouch.gateway.convert", PACKAGED, str(settings.models_dir)]
    killed = subprocess.Popen(convert, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    eventually(lambda: any(settings.models_dir.glob(".partial-*")))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert ir.read(folder) is None

    home = tmp_path / "home"
    home.mkdir()
    both = [python(PREPARE, str(settings.data_dir), home=home) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert sum("converting" in output for output in outputs) == 1
    assert len({next(line for line in output.splitlines() if line.startswith("=")) for output in outputs}) == 1
    assert all(output.splitlines()[-1] == "[]" for output in outputs), "the caller stays free of both runtimes"
    assert [path.name for path in settings.models_dir.iterdir() if path.is_dir()] == [folder.name]
    prepared = ir.read(folder)
    assert prepared is not None
    assert prepared.precision == ir.fast_precision()
    assert prepared.agreement["f32"].min_cosine > 0.9999
    assert list(home.rglob("*")) == [], "nothing is written outside the data folder"


SERVE = """
import sys
from vouch.core.settings import Settings
from vouch.gateway.embed import load_embedder
print(load_embedder(Settings(data_dir=sys.argv[1])).embed(["leave"]).shape)
print(sorted(m for m in sys.modules if m in ("torch", "transformers", "sentence_transformers")))
print([m for m in sys.modules if m.startswith("openvino_telemetry") and sys.modules[m]])
"""


def test_a_service_on_openvino_stays_free_of_torch_and_of_telemetry(
    ready: tuple[Settings, Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    process = python(SERVE, str(ready[0].data_dir), home=home)
    assert process.communicate()[0].splitlines() == ["(1, 384)", "[]", "[]"]
    assert list(home.rglob("*")) == []


def test_what_is_prepared_is_not_prepared_again(ready: tuple[Settings, Path]) -> None:
    settings, folder = ready
    before = (folder / ir.RECORD).stat().st_mtime_ns
    heard: list[str] = []
    assert prepare(settings, heard.append).startswith("OpenVINO ")
    assert "already prepared" in heard[-1]
    assert (folder / ir.RECORD).stat().st_mtime_ns == before


@pytest.mark.parametrize("spoil", [damage, lambda f: (f / ir.RECORD).unlink(), lambda f: (f / "model.bin").unlink()])
def test_a_damaged_graph_is_never_loaded(ready: tuple[Settings, Path], spoil: Callable[[Path], None]) -> None:
    _, folder = ready
    assert ir.read(folder) is not None
    spoil(folder)
    assert ir.read(folder) is None


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"agreement": {"f32": {"x": 1}}}'])
def test_a_record_that_makes_no_sense_counts_as_none(ready: tuple[Settings, Path], record: str) -> None:
    _, folder = ready
    (folder / ir.RECORD).unlink()
    (folder / ir.RECORD).write_text(record)
    assert ir.read(folder) is None


def refuse(folder: Path) -> None:
    record = json.loads((folder / ir.RECORD).read_text())
    (folder / ir.RECORD).unlink()
    (folder / ir.RECORD).write_text(json.dumps({**record, "precision": None, "reason": "its vectors disagree"}))


def test_auto_falls_back_when_openvino_disagrees_and_openvino_refuses(ready: tuple[Settings, Path]) -> None:
    settings, folder = ready
    refuse(folder)
    demanding = Settings(data_dir=settings.data_dir, embed_runtime="openvino")
    for call in (load_embedder, prepare):
        with pytest.raises(ModelUnavailable, match="its vectors disagree"):
            call(demanding)
    assert prepare(settings) == "sentence-transformers f32: its vectors disagree"
    assert type(load_embedder(settings)).__name__ == "ReferenceEmbedder"


def test_auto_falls_back_when_openvino_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "find_spec", lambda name: None)
    assert prepare(Settings(data_dir=tmp_path)) == "sentence-transformers f32: openvino is not installed"
    with pytest.raises(ModelUnavailable, match="not installed"):
        load_embedder(Settings(data_dir=tmp_path, embed_runtime="openvino"))


def test_a_conversion_that_fails_is_said(tmp_path: Path, embedder: Embedder) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelUnavailable, match="conversion failed with exit status 1"):
        prepare(Settings(data_dir=tmp_path, embed_model=str(broken), embed_runtime="openvino"))
    assert not list((tmp_path / "models").glob("broken*"))


def test_the_fastest_precision_that_agrees_is_chosen() -> None:
    assert choose({"bf16": GOOD, "f32": GOOD})[0] == "bf16"
    assert choose({"bf16": POOR, "f32": GOOD})[0] == "f32"
    assert choose({"f32": GOOD})[0] == "f32"
    assert choose({"bf16": POOR, "f32": POOR})[0] is None


def test_agreement_is_measured_on_cosines_and_on_neighbours() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(40, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert compare(vectors, vectors) == Agreement(1.0, 1.0, 1.0)
    noisy = vectors + rng.normal(scale=0.02, size=vectors.shape).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
    found = compare(vectors, noisy)
    assert 0.9 < found.min_cosine <= found.mean_cosine < 0.99
    assert found.neighbours_kept < 0.95
    assert not found.holds


def test_probes_are_varied() -> None:
    texts = probes()
    assert len(texts) == len(set(texts)) >= 40
    assert "" in texts
    assert max(map(len, texts)) > 1_500


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
