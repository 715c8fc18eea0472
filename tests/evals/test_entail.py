"""What the entailer learns from and is judged by: claims made wrong by rule, pairs, evidence cut from long texts."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from evals.datasets import data_folder
from evals.entail_copied import copied
from evals.entail_edits import RULES, Rule, edited, joined, put_in, reworded, shortened
from evals.entail_groups import kept_apart
from evals.entail_pairs import differences, made, told, written
from evals.entail_shapes import QUOTE, Item, shapes
from evals.entail_words import Words, replacements, with_replaced
from evals.groundedness import overlap, quality, run, support
from tests.evals import data
from vouch.core.errors import InvalidInput
from vouch.gateway.entail import Judged, Stated

CLAIM = "In March 2014 the first office of Acme Corp in Berlin was opened by Jane Roe, and more than 40 people came."
AT_HAND = "Acme Corp opened in Munich, near Potsdam Lake. John Doe and 75 others were there, with music from noon on."
NOISE = "It rains. The canteen serves lunch. Visitors wear a badge. A stolen laptop is reported."


@pytest.mark.parametrize("rule", sorted({*RULES, put_in}, key=lambda rule: rule.__name__))
def test_a_rule_changes_the_claim_and_says_where(rule: Rule) -> None:
    for seed in range(30):
        change = rule(CLAIM, AT_HAND, random.Random(seed))
        assert change is not None and change.text != CLAIM
        assert change.wrong and all(span.of(change.text).strip() for span in change.wrong)
        if change.was is not None:
            (wrong,) = change.wrong
            back = change.text[: wrong.start] + change.was.of(CLAIM) + change.text[wrong.end :]
            assert back == CLAIM


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_finds_nothing_to_change_says_so(rule: Rule) -> None:
    assert rule("snow falls softly", "snow falls softly", random.Random(1)) is None


def test_by_some_rule_nearly_every_claim_is_made_wrong() -> None:
    found = [edited(CLAIM, AT_HAND, NOISE, random.Random(seed)) for seed in range(40)]
    assert all(change is not None and change.text != CLAIM for change in found)
    assert len({change.text for change in found if change}) > 12
    assert edited("snow falls", "snow falls", "", random.Random(1)) is None


def test_a_shortened_claim_says_no_more() -> None:
    long = "In May, the board (all nine of it) met in Rome, which it likes, and the chair was elected by acclamation."
    for seed in range(20):
        short = shortened(long, random.Random(seed))
        assert len(short) < len(long)
        assert set(short.lower().replace(",", "").replace(".", "").split()) <= set(
            long.lower().replace(",", "").replace(".", "").split()
        )
    assert shortened("It rains.", random.Random(1)) == "It rains."


def test_a_word_may_be_replaced_in_the_evidence_too() -> None:
    claim, evidence = "It has 40 seats.", "The hall has 40 seats in rows."
    labels = set()
    for seed in range(60):
        rng = random.Random(seed)
        change = edited(claim, evidence, "", rng)
        assert change is not None
        if change.was is None or change.was.of(claim) != "40":
            continue
        beside, text, label, wrong = told(evidence, claim, change, rng)
        labels.add(label)
        assert (label == "supported") == (not wrong)
        number = next(word for word in text.split() if word[0].isdigit())
        assert (number in beside) == (label == "supported")
    assert labels == {"contradicted"}  # a number of two digits is too short to be replaced elsewhere


def test_a_name_that_is_replaced_on_both_sides_is_supported() -> None:
    claim, evidence = "The plan of Acme was bold.", "Nobody doubts that Acme had a plan, and so had Initech."
    found = set()
    for seed in range(80):
        rng = random.Random(seed)
        change = edited(claim, evidence, "", rng)
        assert change is not None
        if change.was is not None and change.was.of(claim) == "Acme":
            beside, text, label, _ = told(evidence, claim, change, rng)
            found.add(label)
            assert ("Acme" in text) == ("Acme" in beside) or label != "supported"
    assert found == {"supported", "not_supported"}


def test_what_differs_is_told_by_words() -> None:
    before, after = "The app is banned on all phones today.", "The app is allowed on all work phones."
    assert [span.of(after) for span in differences(before, after)] == ["allowed", "work phones."]
    assert [span.of("It is so.") for span in differences("It is not so.", "It is so.")] == ["is"]
    assert differences(before, before) == []


@pytest.mark.parametrize(
    ("claim", "others"),
    [
        ("The shop was shut.", {"The store was shut."}),
        ("Jane Roe founded it.", {"Roe founded it."}),
        ("It has three rooms.", {"It has 3 rooms."}),
        ("It has 3 rooms.", {"It has three rooms."}),
        ("It grew by 12.5 percent.", {"It grew by 12.5%."}),
        ("It grew by 12.5%.", {"It grew by 12.5 percent."}),
        ("Some 12,000 came.", {"Some 12000 came."}),
    ],
)
def test_a_claim_in_other_words_says_the_same(claim: str, others: set[str]) -> None:
    words = Words.of([("shop", "store")], [])
    assert {reworded(claim, random.Random(seed), words) for seed in range(40)} == {claim, *others}


def test_two_sentences_in_one() -> None:
    text, second = joined("Lunch is at noon.", "The office opens at nine.", random.Random(1))
    assert second.of(text) == "the office opens at nine."
    assert text.startswith("Lunch is at noon") and ". " not in text


def test_what_editors_replaced_is_told_from_what_else_they_did() -> None:
    before = "Ann asked Bob to buy butter, and he agreed."
    assert replacements(before, "Ann told Bob to purchase butter, and he agreed.") == (
        [("asked", "told"), ("buy", "purchase")], 0,
    )  # fmt: skip
    assert replacements(before, "Ann asked Bob to buy cold butter, and he agreed.") == ([], 1)
    assert replacements("It is of note.", "It is with note.") == ([], 1)  # stop words alone are no replacement


@pytest.mark.data
def test_words_are_learnt_of_what_is_not_held_out() -> None:
    words = with_replaced(data_folder())
    assert "fetch" in words.alike["bring"]
    assert "thursday" in words.unlike["friday"]
    assert words.alike["companies"]  # the lists are in it as well


@pytest.mark.data
def test_pairs_of_one_group_are_on_one_side_and_none_is_of_an_evaluation_set() -> None:
    pairs = written(data_folder())
    assert 0.08 < sum(pair.held_out for pair in pairs) / len(pairs) < 0.2
    assert all(pair.held_out == kept_apart(pair.group) for pair in pairs)
    for pair in pairs:
        assert all(0 <= span.start < span.end <= len(pair.claim) for span in pair.wrong or ())
    again = [*made(pairs[:50], random.Random(3)), *copied(data_folder(), random.Random(3), 50)]
    assert again == [*made(pairs[:50], random.Random(3)), *copied(data_folder(), random.Random(3), 50)]


@pytest.mark.data
def test_shapes_are_of_what_is_held_out_and_have_both_answers() -> None:
    found = shapes(data_folder(), 1)
    assert {"wice", "summedits", "scifact", "fool-me-twice", "claim", "summary", "conclusion", QUOTE} == found.keys()
    for items in found.values():
        assert 0.2 < sum(item.supported for item in items) / len(items) < 0.7
    trained = {pair.claim for pair in written(data_folder()) if not pair.held_out}
    assert not any(item.claim in trained for shape in ("fool-me-twice", "scifact") for item in found[shape])


class Overlap:
    """Judges by shared words."""

    name, threshold, floor = "overlap@0", 0.8, 0.5
    let_through: Mapping[float, tuple[float, float]] = MappingProxyType({0.8: (0.9, 0.4)})

    def __init__(self) -> None:
        self.asked: list[Stated] = []

    def entail(self, pairs: Sequence[Stated]) -> list[Judged]:
        self.asked += pairs
        shares = [overlap(Item((pair.evidence,), pair.claim, True)) for pair in pairs]
        return [Judged(share, 0.0, 1 - share) for share in shares]


def test_a_claim_is_judged_beside_the_whole_text() -> None:
    lines = ("Lunch is served at noon.", *(f"Filler {n} " * 40 for n in range(9)), "Visitors wear a badge.")
    items = [Item(lines, "Lunch is at noon.", True), Item(lines, "Dinner is free.", False)]
    entailer = Overlap()
    assert support(entailer, items).tolist() == [1.0, 0.0]
    assert entailer.asked[0] == Stated("\n".join(lines), "Lunch is at noon.")
    assert support(entailer, []).tolist() == []


def test_the_report_has_figures_and_the_trade_off(tmp_path: Path) -> None:
    data.claims(tmp_path / "wice")
    report = run("wice", tmp_path, Overlap())
    assert (report.items, report.supported) == (2 * len(data.TOPICS), len(data.TOPICS))
    assert report.figures()["groundedness.wice.balanced_accuracy"] == 1 == report.overlap.auc
    assert "  0.80  supported 1.000  others 0.000  threshold\n" in report.remarks()
    with pytest.raises(InvalidInput):
        run("wikipedia", tmp_path, Overlap())


def test_quality_at_a_threshold_and_at_the_best() -> None:
    import numpy as np

    truth, scores = np.array([True, True, False, False]), np.array([0.9, 0.6, 0.7, 0.1])
    found = quality(truth, scores, 0.5)
    assert (found.balanced_accuracy, found.best_balanced_accuracy, found.auc) == (0.75, 0.75, 0.75)
    assert quality(truth, scores, 0.95).balanced_accuracy == 0.5
    assert quality(truth, scores, None).balanced_accuracy == 0.75
