"""Rerankers: order, scores and what they are computed over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from vouch.core.errors import ModelUnavailable
from vouch.core.settings import Settings
from vouch.gateway.rerank import LexicalReranker, Readable, Reranker, load_reranker
from vouch.gateway.rerank_document import DocumentReranker
from vouch.gateway.weights import packaged_folder

QUESTION = "How many weeks of parental leave do new parents take?"
RIGHT = "The office opens at nine. New parents take twenty weeks of parental leave. The canteen closes at three."
SCATTERED = "Parents may visit. Leave the keys at the desk. The new door takes two weeks to deliver."
WRONG = "Backups run every six hours and are kept for thirty-five days."


def ranked(reranker: Reranker, question: str, texts: Sequence[str]) -> list[float]:
    return reranker.rerank(question, [Readable(text) for text in texts])


@pytest.fixture
def lexical() -> LexicalReranker:
    return LexicalReranker()


def test_the_passage_whose_sentence_answers_comes_first(lexical: LexicalReranker) -> None:
    wrong, right, scattered = ranked(lexical, QUESTION, [WRONG, RIGHT, SCATTERED])
    assert right > scattered > wrong == 0


def test_scores_keep_the_order_of_the_texts(lexical: LexicalReranker) -> None:
    texts = [WRONG, RIGHT, SCATTERED]
    scores = dict(zip(texts, ranked(lexical, QUESTION, texts), strict=True))
    turned = ranked(lexical, QUESTION, texts[::-1])
    assert turned == pytest.approx([scores[text] for text in texts[::-1]])


def test_inflected_words_meet(lexical: LexicalReranker) -> None:
    match, other = ranked(lexical, "approving travels", ["Travel is approved by the head.", "Hotels are capped."])
    assert match > other == 0


def test_a_word_that_every_candidate_holds_counts_for_less(lexical: LexicalReranker) -> None:
    texts = ["leave policy for parents", "leave policy for travel", "leave policy for hotels"]
    rare, common, other = ranked(lexical, "leave parents", texts)
    assert rare > common == pytest.approx(other)
    assert common > 0


@pytest.mark.parametrize("question", ["", "the of and", "zzz", "?!"])
def test_a_question_without_shared_words_scores_zero(lexical: LexicalReranker, question: str) -> None:
    assert ranked(lexical, question, [RIGHT, WRONG]) == [0.0, 0.0]


def test_texts_without_words_score_zero(lexical: LexicalReranker) -> None:
    assert ranked(lexical, QUESTION, []) == []
    assert ranked(lexical, QUESTION, ["", " \n", "..."]) == [0.0, 0.0, 0.0]
    assert ranked(lexical, QUESTION, ["", RIGHT])[1] > 0


def test_the_setting_chooses() -> None:
    assert load_reranker(Settings(reranker="none")) is None
    assert isinstance(load_reranker(Settings()), DocumentReranker)
    assert isinstance(load_reranker(Settings(reranker="lexical")), LexicalReranker)
    assert isinstance(load_reranker(Settings(reranker="document")), DocumentReranker)


@pytest.mark.parametrize("value", ["", "bm25", "cross-encoder:", "cross-encoder: ", "none "])
def test_other_settings_are_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="reranker"):
        Settings(reranker=value)


def cross_encoder(folder: Path, labels: int) -> Settings:
    """A small cross-encoder with random weights, saved to ``folder`` with the packaged tokeniser."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    config.num_labels = labels
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(packaged_folder()).save_pretrained(folder)
    return Settings(reranker=f"cross-encoder:{folder}")


def test_a_cross_encoder_scores_each_pair_by_itself(tmp_path: Path) -> None:
    reranker = load_reranker(cross_encoder(tmp_path / "tiny", labels=1))
    assert reranker is not None
    assert reranker.name.startswith("cross-encoder:tiny@")
    texts = [RIGHT, "", WRONG * 40, SCATTERED]
    scores = ranked(reranker, QUESTION, texts)
    assert len(set(scores)) == 4
    assert scores == pytest.approx([ranked(reranker, QUESTION, [text])[0] for text in texts], abs=1e-5)
    assert reranker.rerank(QUESTION, []) == []


def test_a_cross_encoder_with_several_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="gives 3 scores"):
        load_reranker(cross_encoder(tmp_path / "nli", labels=3))
