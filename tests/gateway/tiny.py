"""A cross-encoder of random weights, small enough to be made for a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vouch.gateway.weights import packaged_folder


def cross_encoder(folder: Path, labels: Mapping[int, str] | None) -> None:
    """Saved to ``folder`` with the packaged tokeniser; ``labels`` None: it gives one score."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        initializer_range=0.5,
    )  # fmt: skip
    config.num_labels = len(labels or [None])
    if labels is not None:
        config.id2label, config.label2id = dict(labels), {label: at for at, label in labels.items()}
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(packaged_folder()).save_pretrained(folder)
