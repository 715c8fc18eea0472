"""What every runtime of an embedder promises, and that the runtimes are interchangeable."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from vouch.core.settings import Settings
from vouch.core.types import Matrix
from vouch.gateway.convert import compare, probes
from vouch.gateway.embed import Embedder, load_embedder
from vouch.gateway.weights import packaged_folder

Load = Callable[[str], Embedder]
RUNTIMES = ("openvino", "sentence-transformers")
WORD = "policy"  # one word piece, so word counts are token counts


@pytest.fixture(scope="session")
def load(model_settings: Settings) -> Load:
    loaded: dict[str, Embedder] = {}

    def load(runtime: str) -> Embedder:
        if runtime not in loaded:
            wanted = {**model_settings.model_dump(), "embed_runtime": runtime}
            loaded[runtime] = load_embedder(Settings.model_validate(wanted))
        return loaded[runtime]

    return load


@pytest.fixture(params=RUNTIMES)
def embedder(request: pytest.FixtureRequest, load: Load) -> Embedder:
    return load(request.param)


def words(count: int) -> str:
    return " ".join(["policy", "notice", "leave", "travel", "report"][n % 5] for n in range(count))


def cosines(a: Matrix, b: Matrix) -> list[float]:
    return [float(x) for x in np.sum(a * b, axis=1)]


def test_the_shape_is_texts_by_dimensions_and_rows_are_unit(embedder: Embedder) -> None:
    vectors = embedder.embed(["one", words(300), "", "three words here"])
    assert vectors.shape == (4, embedder.dimensions) == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_nothing_gives_an_empty_matrix(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)
    assert embedder.count_tokens([]) == []


def test_sorting_by_length_restores_the_order(embedder: Embedder) -> None:
    rng = np.random.default_rng(7)
    texts = [f"{words(int(n))} {at}" for at, n in enumerate(rng.integers(1, 120, 40))]
    together = embedder.embed(texts)
    alone = np.vstack([embedder.embed([text]) for text in texts])
    assert min(cosines(together, alone)) > 0.999
    assert (np.argmax(together @ alone.T, axis=1) == np.arange(40)).all()


def test_the_same_text_gives_the_same_vector_in_any_company(embedder: Embedder) -> None:
    alone = embedder.embed(["parental leave"])
    among = embedder.embed([words(250), "parental leave", "x"])
    assert cosines(alone, among[1:2])[0] > 0.9995


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n\t ",
        "\x00\x07",
        "🙂",
        "休暇の申請",
        "يجب تقديم",
        "Ａｂｃ½№",
        "e\u0301" * 50,
        "a" * 200_000,
        "\ufffd\u200b\u202e",
    ],
    ids=["empty", "blank", "controls", "emoji", "cjk", "arabic", "compatibility", "combining", "one word", "invisible"],
)
def test_odd_texts_are_embedded(embedder: Embedder, text: str) -> None:
    vectors = embedder.embed([text])
    assert np.isfinite(vectors).all()
    assert abs(float(np.linalg.norm(vectors)) - 1) < 1e-5


def test_a_text_is_read_up_to_max_tokens_and_no_further(embedder: Embedder) -> None:
    assert embedder.max_tokens == 256
    within = embedder.max_tokens - 2  # the model's two special tokens
    full, longer, half = embedder.embed([words(within), words(within) + " invoice" * 5_000, words(126)])
    assert float(full @ longer) > 0.9999
    # tokenizer.json itself would cut at 128, where the last of these texts ends
    other = embedder.embed([words(126) + " invoice" * 128])[0]
    assert float(half @ other) < 0.98


def test_tokens_are_counted_whole(embedder: Embedder) -> None:
    assert embedder.count_tokens(["", WORD, f"{WORD} {WORD}"]) == [2, 3, 4]
    assert embedder.count_tokens([words(1_000)]) == [1_002]
    counts = embedder.count_tokens([words(n) for n in range(1, 60)])
    assert all(b == a + 1 for a, b in pairwise(counts))


def test_threads_share_an_embedder(embedder: Embedder) -> None:
    texts = [words(n) for n in range(1, 41)]
    expected = embedder.embed(texts)
    with ThreadPoolExecutor(8) as pool:
        found = np.vstack(list(pool.map(lambda text: embedder.embed([text])[0], texts)))
        counted = list(pool.map(lambda text: embedder.count_tokens([text])[0], texts))
    assert min(cosines(expected, found)) > 0.999
    assert counted == [n + 2 for n in range(1, 41)]


def test_close_meanings_are_close(embedder: Embedder) -> None:
    question, answer, other = embedder.embed(
        ["How long is parental leave?", "New parents take twenty weeks of leave.", "The proxy certificate expired."]
    )
    assert float(question @ answer) > float(question @ other) + 0.3


def test_runtimes_are_interchangeable(load: Load) -> None:
    fast, reference = (load(runtime) for runtime in RUNTIMES)
    assert fast.name == reference.name
    assert (fast.dimensions, fast.max_tokens) == (reference.dimensions, reference.max_tokens)
    vocabulary = [w for w in (packaged_folder() / "vocab.txt").read_text("utf-8").split("\n") if w.isalpha()]
    rng = np.random.default_rng(3)
    unseen = [" ".join(rng.choice(vocabulary, int(n))) for n in rng.integers(3, 200, 24)]
    texts = [*unseen, *probes()]
    agreement = compare(reference.embed(texts), fast.embed(texts))
    assert agreement.holds, agreement
    assert fast.count_tokens(texts) == reference.count_tokens(texts)


def test_the_packaged_tokeniser_would_cut_at_128() -> None:
    """The trap that the tests above stand on: were the file to change, they would prove nothing."""
    tokenizer = json.loads((packaged_folder() / "tokenizer.json").read_text("utf-8"))
    assert tokenizer["truncation"]["max_length"] == 128
    assert tokenizer["padding"]["strategy"] == {"Fixed": 128}
