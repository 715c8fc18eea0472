"""The sentence splitter: what it cuts, what it does not, and that it loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vouch.core.sentences import sentences


def split(text: str) -> list[str]:
    return [span.of(text) for span in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It works. It really does! Does it? Yes.", ["It works.", "It really does!", "Does it?", "Yes."]),
        ("Dr. Smith paid $3.50 for v1.2.3 of it.", ["Dr. Smith paid $3.50 for v1.2.3 of it."]),
        ("Use a tool, e.g. Foo. See Fig. 3 for more.", ["Use a tool, e.g. Foo.", "See Fig. 3 for more."]),
        ("J. K. Rowling wrote it. She did.", ["J. K. Rowling wrote it.", "She did."]),
        ("Acme Inc. Terms apply. Acme Inc. The refund.", ["Acme Inc. Terms apply.", "Acme Inc.", "The refund."]),
        ("We close at 5 p.m. The desk stays. Open 9 a.m. to 5 p.m. daily.",
         ["We close at 5 p.m.", "The desk stays.", "Open 9 a.m. to 5 p.m. daily."]),
        ("It is no. 5. Say no. Go on.", ["It is no. 5.", "Say no.", "Go on."]),
        ("Go to https://a.example/b.html. Then stop.", ["Go to https://a.example/b.html.", "Then stop."]),
        ("See [Foo. Bar](http://x/y z). And `a. B` here.", ["See [Foo. Bar](http://x/y z).", "And `a. B` here."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("你好。今天天气好！再见", ["你好。", "今天天气好！", "再见"]),
        ("- First. Second.\n- Third\n1. Fourth", ["First.", "Second.", "Third", "Fourth"]),
        ("A heading\n\nA sentence\nthat was wrapped. Next", ["A heading", "A sentence\nthat was wrapped.", "Next"]),
        ("Plan: Gold. Best | Price: 20", ["Plan: Gold. Best | Price: 20"]),
        ("Und z.B. Hunde. Vgl. Abschnitt 3.", ["Und z.B. Hunde.", "Vgl. Abschnitt 3."]),
        ("  \n \n", []),
    ],
)  # fmt: skip
def test_splits(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@given(st.text(alphabet=st.sampled_from("aB .!?。\n-1)|`[]()\"'…\té"), max_size=200))
def test_spans_ascend_and_lose_nothing_but_list_markers(text: str) -> None:
    end = 0
    lost = ""
    for span in sentences(text):
        assert span.start >= end
        piece = span.of(text)
        assert piece and piece == piece.strip()
        lost += text[end : span.start]
        end = span.end
    lost += text[end:]
    assert set(lost) <= set(" \n\t-1)(.aB")


@pytest.mark.parametrize("text", ["." * 200_000, "[" * 100_000 + "](", "`" * 200_000, "a. " * 50_000, '."' * 100_000])
def test_text_made_to_be_slow_is_not(text: str) -> None:
    """Each of these took a quadratic splitter minutes; here they end with the test run."""
    assert sentences(text)
