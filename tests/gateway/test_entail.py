"""The embedded entailer: its graph, its weights, and what it does where a runtime does not agree."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file

from tests.gateway.tiny import cross_encoder
from vouch.core.errors import ModelUnavailable, WrongWeights
from vouch.core.settings import Settings
from vouch.gateway import entail_embedded as embedded
from vouch.gateway import ir
from vouch.gateway.bert import Rows, graph, states
from vouch.gateway.entail import Stated, load_entailer
from vouch.gateway.entail_cross import outcomes
from vouch.gateway.weights import packaged_folder

HERE = Path(embedded.__file__).parent


def some_rows() -> Rows:
    rng = np.random.default_rng(3)
    ids, mask = rng.integers(1000, 20_000, (3, 32)), np.ones((3, 32), np.int64)
    mask[1, 20:] = 0
    types = rng.integers(0, 2, (3, 32))
    return Rows(ids, mask, types)


def test_the_encoder_computes_what_the_model_s_own_code_computes() -> None:
    import torch
    from transformers import AutoModel

    rows = some_rows()
    model = AutoModel.from_pretrained(packaged_folder()).eval()
    with torch.no_grad():
        expected = model(
            input_ids=torch.tensor(rows.ids),
            attention_mask=torch.tensor(rows.mask),
            token_type_ids=torch.tensor(rows.types),
        ).last_hidden_state.numpy()
    read = rows.mask.astype(bool)
    weights = load_file(packaged_folder() / "model.safetensors")
    assert np.abs(states(weights, embedded.SHAPE, rows) - expected)[read].max() < 1e-4
    request = ir.compile_graph(graph(weights, embedded.SHAPE), "f32", 1).create_infer_request()
    request.infer({"ids": rows.ids, "mask": rows.mask, "types": rows.types})
    assert np.abs(request.get_output_tensor(0).data - expected)[read].max() < 1e-4


def test_word_pieces_are_told_apart_by_where_they_are_found() -> None:
    assert embedded.kinds([101, 7, 8, 102], [8, 9, 102]) == [
        embedded.REST, embedded.REST, embedded.SHARED, embedded.SHARED, embedded.FOUND, embedded.NEW, embedded.FOUND,
    ]  # fmt: skip


def test_pairs_of_different_lengths_stand_in_rows_of_one() -> None:
    rows = embedded.together([([101, 5, 102], [101, 6, 7, 102]), ([101, 5, 5, 5, 102], [101, 6, 102])])
    assert rows.ids.shape == (2, 16)
    assert rows.ids[0, :6].tolist() == [101, 5, 102, 6, 7, 102]
    assert rows.mask.sum(axis=1).tolist() == [6, 7]
    assert rows.ids[rows.mask == 0].sum() == 0


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for suffix in ("json", "safetensors"):
        shutil.copy(HERE / f"{embedded.VERSION}.{suffix}", tmp_path)
    return tmp_path


def test_a_changed_adapter_is_refused(copy: Path) -> None:
    adapter = copy / f"{embedded.VERSION}.safetensors"
    whole = bytearray(adapter.read_bytes())
    whole[-1] ^= 1
    adapter.write_bytes(whole)
    with pytest.raises(WrongWeights, match="is expected"):
        embedded.read(copy)


def test_an_adapter_for_other_weights_is_refused(copy: Path) -> None:
    record = copy / f"{embedded.VERSION}.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "packaged": "0" * 64}))
    with pytest.raises(WrongWeights, match="other weights"):
        embedded.read(copy)


def test_a_runtime_that_does_not_agree_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "off", lambda *_: (0.2, 0.1))
    with caplog.at_level(logging.WARNING):
        entailer = embedded.load_embedded(Settings())
    assert "in numpy, which is slow: f32 is 0.2000 from float32" in caplog.text
    (found,) = entailer.entail([Stated("The office opens at nine.", "The office opens at nine.")])
    assert 0 < found.supported < 1
    with pytest.raises(ModelUnavailable, match="OpenVINO cannot serve"):
        embedded.load_embedded(Settings(embed_runtime="openvino"))


def test_every_runtime_is_held_against_recorded_probabilities() -> None:
    _, measured, weights, head = embedded.read(HERE)
    right = embedded.EmbeddedEntailer("x", measured, lambda rows: states(weights, embedded.SHAPE, rows), head)
    few = measured.probes[:4]
    assert embedded.off(right, few)[0] < 0.001
    wrong = embedded.EmbeddedEntailer("x", measured, lambda rows: 0.5 * states(weights, embedded.SHAPE, rows), head)
    assert embedded.off(wrong, few)[0] > embedded.OFF_BY


def test_the_record_says_what_the_adapter_is_worth() -> None:
    measured = json.loads((HERE / f"{embedded.VERSION}.json").read_text(encoding="utf-8"))
    assert {"fool-me-twice", "scifact", "summedits", "all"} <= measured["trained"]["held_out"].keys()
    assert 0 < measured["floor"] <= measured["threshold"] < 1
    kept, wrong = measured["trained"]["let_through"][str(measured["threshold"])]
    assert kept > wrong


def test_what_says_otherwise_is_less_supported() -> None:
    entailer = load_entailer(Settings())
    assert entailer is not None
    evidence = "Every new parent may take 20 weeks of paid leave. Leave is agreed with the manager beforehand."
    right, number, denied, added = (
        one.supported
        for one in entailer.entail(
            [
                Stated(evidence, "New parents may take 20 weeks of paid leave."),
                Stated(evidence, "New parents may take 30 weeks of paid leave."),
                Stated(evidence, "New parents may never take 20 weeks of paid leave."),
                Stated(evidence, "New parents may take 20 weeks of paid leave in Portugal and Spain."),
            ]
        )
    )
    assert right > max(number, denied, added)


def test_the_setting_chooses(tmp_path: Path) -> None:
    assert load_entailer(Settings(entailment="none")) is None
    found = load_entailer(Settings())
    assert found is not None and found.name.startswith(embedded.VERSION)


@pytest.mark.parametrize("value", ["", "minilm", "cross-encoder:", "cross-encoder: ", "none "])
def test_other_settings_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="entailment"):
        Settings(entailment=value)


def test_support_is_found_by_its_name() -> None:
    assert outcomes({0: "contradiction", 1: "entailment", 2: "neutral"}, "m") == (1, 0)
    assert outcomes({0: "NOT_ENTAILMENT", 1: "ENTAILMENT"}, "m") == (1, None)


def test_a_cross_encoder_that_names_no_support_is_refused(tmp_path: Path) -> None:
    cross_encoder(tmp_path / "tiny", {0: "LABEL_0", 1: "LABEL_1"})
    with pytest.raises(ModelUnavailable, match="which of LABEL_0, LABEL_1 is support"):
        load_entailer(Settings(entailment=f"cross-encoder:{tmp_path / 'tiny'}"))
