"""What is embedded with a chunk, besides the chunk."""

from __future__ import annotations

from vouch.core.context import in_context


def test_the_embedded_text_says_title_and_headings_once_and_shortly() -> None:
    assert in_context("Leave", ("Sick leave",), "Stay home.") == "Leave › Sick leave\nStay home."
    assert in_context("Leave", ("Sick leave",), "Sick leave\n\nStay home.") == "Leave\nSick leave\n\nStay home."
    assert in_context("Leave", ("Leave",), "Leave\n\nx") == "Leave\n\nx"
    assert in_context("", (), "x") == "x"
    long = in_context("T" * 500, tuple(f"{i}" * 100 for i in range(5)), "x")
    assert long.startswith("T" * 80 + " › 44") and len(long) < 200
