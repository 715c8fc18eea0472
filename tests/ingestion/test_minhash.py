"""Shingles and signatures: near the truth, the same everywhere and always, and enough to find what is alike."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.twins.minhash import BANDS, PERMUTATIONS, bands, estimate, pack, signature, unpack
from ingestion.twins.shingles import FEWEST_WORDS, LENGTH, containment, jaccard, shingles, words
from vouch.core.ids import sha256
from vouch.core.series import named, related, series

WORDS = [f"{first}{second}" for first in ("ka", "lo", "mi", "nu", "pe", "ro", "su", "ti") for second in "bdfglmnprst"]
FIXED = " ".join(f"{WORDS[n * 7 % 88]} {WORDS[n * 31 % 88]}, {n}" for n in range(200))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A text and a copy of it with anything from nothing to everything changed."""
    drawn = draw(st.randoms(use_true_random=False))
    text = [drawn.choice(WORDS) + str(drawn.randrange(30)) for _ in range(draw(st.integers(60, 800)))]
    rate = draw(st.floats(0, 1)) ** 2
    return " ".join(text), " ".join("changed" + str(drawn.random()) if drawn.random() < rate else word for word in text)


@settings(max_examples=150, deadline=None)
@given(pairs())
def test_the_estimate_is_near_the_exact_similarity(pair: tuple[str, str]) -> None:
    """Within five standard deviations of a binomial of 120: one example in two million would lie outside by chance."""
    a, b = (shingles(text) for text in pair)
    assert a is not None and b is not None
    exact, estimated = jaccard(a, b), estimate(signature(a), signature(b))
    assert abs(estimated - exact) <= 5 * max(np.sqrt(exact * (1 - exact) / PERMUTATIONS), 0.01)
    assert exact <= containment(a, b) <= 1
    assert (exact == 1) == (words(pair[0]) == words(pair[1])) or set(a) == set(b)


def test_what_is_alike_shares_a_band_and_what_is_not_does_not() -> None:
    drawn = np.random.default_rng(5)
    found = {0.3: 0, 0.7: 0, 0.9: 0}
    for wanted in found:
        for _ in range(200):
            shared = drawn.integers(0, 2**63, 1000, dtype=np.uint64)
            own = round(1000 * (1 - wanted) / (1 + wanted))
            a, b = (np.unique(np.r_[shared[own:], drawn.integers(0, 2**63, own, dtype=np.uint64)]) for _ in range(2))
            found[wanted] += bool(set(bands(signature(a))) & set(bands(signature(b))))
    assert found[0.9] == 200 and found[0.7] > 170 and found[0.3] < 20


def test_a_signature_never_changes() -> None:
    """It is kept for years, and compared with those of other processes and machines."""
    made = shingles(FIXED)
    assert made is not None
    digest = sha256(pack(signature(made)) + repr(bands(signature(made))).encode())
    assert digest == GOLDEN
    script = "from tests.ingestion.test_minhash import *; print(sha256(pack(signature(shingles(FIXED)))))"
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert told.stdout.strip() == sha256(pack(signature(made)))
    assert (unpack(pack(signature(made))) == signature(made)).all()
    assert len(set(bands(signature(made)))) == BANDS


GOLDEN = "f12197d595e42a1289212efb1227b9abd07ab8afe8170beaf980a8d8d3c09161"


def test_a_text_is_words_in_any_script() -> None:
    assert words("Der Weg, naïve_Café 3,5 %") == ["der", "weg", "naïve_café", "3", "5"]
    assert words("休暇は年間 25日") == ["休", "暇", "は", "年", "間", "25", "日"]
    assert shingles("word " * (FEWEST_WORDS - 1)) is None
    (same,) = shingles("word " * FEWEST_WORDS) or ()
    assert same
    told = shingles(" ".join(map(str, range(FEWEST_WORDS))))
    assert told is not None and len(told) == FEWEST_WORDS - LENGTH + 1
    punctuated = shingles("; ".join(map(str, range(FEWEST_WORDS))).upper())
    assert punctuated is not None and (punctuated == told).all()


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        (("Travel policy 2023", "a"), ("Travel policy 2026", "b"), "version"),
        (("Travel policy", "x/travel-2023.docx"), ("Travel policy", "y/travel_2026.md"), "version"),
        (("Travel policy v1.2", "a"), ("Travel policy (final)", "b"), "version"),
        (("Minutes 3 May 2024", "a"), ("Minutes 7 June 2024", "b"), "version"),
        (("Travel policy", "hr/travel.md"), ("Travel policy", "wiki/travel.md"), "near"),
        (("Travel policy 2023", "a"), ("Expense policy 2026", "b"), "near"),
        (("v1", "2023-01.md"), ("v2", "2024-01.md"), "near"),
    ],
)
def test_names_tell_versions(a: tuple[str, str], b: tuple[str, str], relation: str) -> None:
    for one, other in ((a, b), (b, a)):
        assert related(one, other, similarity=0.8, containment=0.9) == relation


def test_a_text_that_holds_the_other_is_a_version_of_it() -> None:
    assert related(("A", "a"), ("B", "b"), similarity=0.5, containment=0.97) == "version"
    assert related(("A", "a"), ("B", "b"), similarity=0.95, containment=0.97) == "near"


def test_a_series_is_a_name_without_dates_and_versions() -> None:
    assert (
        series("Anything", "hr/travel-policy-2023.docx")
        == series("", "old/Travel_Policy_v2 (final).md")
        == "travel policy"
    )
    assert series("Travel policy 2026", "0199c0de-7a51") == "travel policy"
    assert series("", "2024/05.md") == ""
    assert named("May and June").marks == ()
