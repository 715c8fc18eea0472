"""How a claim and a long text are read for entailment, what is counted, and how it is weighed."""

from __future__ import annotations

import pytest

from vouch.gateway.entail import Judged
from vouch.gateway.entail_reading import PARTS, WORDS, Counted, Text, parts
from vouch.gateway.entail_weighing import Calibration, traits

COUNTED = Counted(0.5, 0.5, 0.5, 0.0, 0.0, 2.0, 5.0)
SURE, UNSURE = Judged(0.9, 0.05, 0.05), Judged(0.3, 0.5, 0.2)


def test_a_sentence_is_read_beside_what_it_is_about_in_order() -> None:
    lines = [f"Filler number {n} says nothing of note." for n in range(80)]
    lines[20], lines[60] = "Lunch is served at noon.", "Badges are worn by visitors."
    found = Text.of(lines).beside("Visitors wear badges and lunch is at noon.")
    assert found.index(lines[20]) < found.index(lines[60])
    assert len(found.split()) <= WORDS
    assert lines[21] in found  # with what stands beside it
    assert Text.of(["One.", "Two."]).beside("Nothing shared here") == "One. Two."
    assert Text.of([]).beside("Nothing") == ""


def test_a_claim_is_read_by_its_sentences() -> None:
    assert parts("It rains here. Nobody minds that at all.") == ["It rains here.", "Nobody minds that at all."]
    assert parts("It rains here a lot. So what?") == ["It rains here a lot. So what?"]
    assert parts(" ") == []
    many = parts("The canteen serves lunch. " * 9)
    assert len(many) == PARTS and "".join(many).count("lunch") == 9


def test_what_the_text_has_not_is_counted_over_all_of_it() -> None:
    text = Text.of(["Acme opened in Rome in 1999.", *["Filler."] * 90, "It has 1,200 seats."])
    right = text.counted("Since 1999 it has 1200 seats in Rome.")
    assert (right.numbers, right.names) == (0, 0)
    assert right.found == right.least > 0.5
    assert 0 < right.together < 1
    wrong = text.counted("Since 1999 it has 1300 seats in Rome. The roof of Berlin leaks.")
    assert (wrong.numbers, wrong.names) == (0.5, 0.5)
    assert wrong.least == 0 < wrong.found < right.found
    assert Text.of([]).counted("").found == 0


def test_the_worst_sentence_decides_without_a_calibration() -> None:
    found = Calibration()([SURE, UNSURE, SURE], COUNTED)
    assert (found.supported, found.contradicted, found.not_enough) == pytest.approx((0.3, 0.5, 0.2))


def test_a_calibrated_judgement_is_still_one() -> None:
    found = Calibration(-0.5, {"worst": 1.4, "mean": 0.1, "found": 2.0})([UNSURE], COUNTED)
    assert found.supported + found.contradicted + found.not_enough == pytest.approx(1)
    assert found.contradicted / found.not_enough == pytest.approx(2.5)
    nothing, all_of_it = (Counted(share, share, share, 0, 0, 2, 5) for share in (0.0, 1.0))
    by_words = Calibration(0, {"found": 3.0})
    assert by_words([SURE], all_of_it).supported > by_words([SURE], nothing).supported
    for sure in (Judged(1.0, 0.0, 0.0), Judged(0.0, 0.5, 0.5)):
        assert 0 <= Calibration(900, {"worst": 99.0})([sure], COUNTED).supported <= 1


def test_traits_are_told_by_name() -> None:
    told = traits([SURE, UNSURE], COUNTED)
    assert told["worst"] < 0 < told["mean"]
    assert told["evidence_length"] == 5.0
