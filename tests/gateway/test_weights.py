"""Weights that are not the expected ones are refused, whichever file differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vouch.core.errors import ModelUnavailable, WrongWeights
from vouch.core.settings import Settings
from vouch.gateway import weights
from vouch.gateway.embed import embedder_name, load_embedder, prepare
from vouch.gateway.weights import PACKAGED, PINS, file_digest, locate, packaged_folder, verify


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packaged model with every file linked, ready for one to be replaced."""
    for name in PINS:
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(packaged_folder() / name)
    return tmp_path / "model"


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    replace(path, bytes(data))


def test_the_packaged_model_is_the_expected_one() -> None:
    found = locate(PACKAGED)
    assert found == locate("sentence-transformers/all-MiniLM-L6-v2")
    assert found.pinned
    assert verify(found.folder, PINS) == found.digest


@pytest.mark.parametrize("name", sorted(PINS))
def test_one_flipped_bit_in_any_file_is_refused(copy: Path, name: str) -> None:
    flip(copy / name, (copy / name).stat().st_size // 2)
    with pytest.raises(WrongWeights, match=name) as refused:
        verify(copy, PINS)
    assert PINS[name] in refused.value.detail


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "1_Pooling" / "config.json").unlink()
    with pytest.raises(WrongWeights, match="missing"):
        verify(copy, PINS)


def test_wrong_weights_reach_neither_embedder_nor_preparation(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(copy / "model.safetensors", 1_000_000)
    monkeypatch.setattr(weights, "packaged_folder", lambda: copy)
    for runtime in ("auto", "openvino", "sentence-transformers"):
        settings = Settings.model_validate({"data_dir": tmp_path, "embed_runtime": runtime})
        with pytest.raises(WrongWeights):
            load_embedder(settings)
        with pytest.raises(WrongWeights):
            prepare(settings)
    assert not (tmp_path / "models").exists()


def test_a_digest_is_taken_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    before = file_digest(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000))
    assert file_digest(path) != before


def test_another_folder_is_named_by_its_content_and_not_pinned(copy: Path) -> None:
    before = locate(str(copy))
    assert not before.pinned
    assert before.id == "model"
    flip(copy / "tokenizer.json", 5_000)
    assert embedder_name(locate(str(copy))) != embedder_name(before)


def test_weights_that_run_code_when_loaded_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelUnavailable, match="safetensors"):
        locate(str(copy))


@pytest.mark.parametrize("name", ["nobody/no-such-model", "not a model name"])
def test_a_model_that_is_not_here_and_cannot_be_fetched(name: str) -> None:
    with pytest.raises(ModelUnavailable, match=name):
        locate(name)
