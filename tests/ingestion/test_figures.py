"""What counts as a contradiction between two near-duplicates, to the character, and what only looks like one."""

from __future__ import annotations

import random

import pytest

from ingestion.twins.conflicts import LONGEST, conflicts
from ingestion.twins.figures import figures

CONTRADICT = [
    ("Hotels are reimbursed up to 165 euros a night.", "Hotels are reimbursed up to €150 a night.", "amount"),
    ("Everyone has 27 days of leave each year.", "Everyone has 28 days of leave each year.", "amount"),
    ("The fee is 5.5 % of what is owed.", "The fee is 6 percent of what is owed.", "percent"),
    ("The new rules apply from 3 May 2024 on.", "The new rules apply from 2024-05-04 on.", "date"),
    ("The desk is open until 17:30 on weekdays.", "The desk is open until 6 pm on weekdays.", "time"),
    ("The canteen seats at most 1,200 people.", "The canteen seats at most 1 300 people.", "number"),
    ("Answers come within 24 hours of a report.", "Answers come within two days of a report.", "amount"),
    ("The budget for it is 1.5 million dollars.", "The budget for it is $1,600,000.", "amount"),
    ("- Deposit for bicycles: 40 EUR", "- Deposit for bicycles: 40 USD", "amount"),
    ("Brussels | hotel | 165", "Brussels | hotel | 150", "number"),
    ("Das Hotel darf höchstens 165 Euro kosten.", "Das Hotel darf höchstens 150 Euro kosten.", "amount"),
]
AGREE = [
    ("The canteen seats at most 1,000 people.", "The canteen seats at most 1000 people."),
    ("The canteen seats at most 1.000 people.", "The canteen seats at most 1,000 people."),
    ("The new rules apply from 3 May 2024 on.", "The new rules apply from 2024-05-03 on."),
    ("The new rules apply from May 3, 2024 on.", "The new rules apply from 03/05/2024 on."),
    ("The new rules apply from May 2024 on.", "The new rules apply from 3 May 2024 on."),
    ("Answers come within 24 hours of a report.", "Answers come within 1 day of a report."),
    ("The lease runs for twelve months at least.", "The lease runs for 1 year at least."),
    ("The desk is open until 17:30 on weekdays.", "The desk is open until 5.30 p.m. on weekdays."),
    ("The budget for it is 1.5 million dollars.", "The budget for it is $1,500,000."),
    ("The fee is 5.50 % of what is owed.", "The fee is 5.5 per cent of what is owed."),
    ("What to pack is said on page 4 of 12.", "What to pack is said on page 5 of 14."),
    ("What to pack is said in section 3.2.", "What to pack is said in section 4.1."),
    ("3. The committee meets on 12 days a year.", "4. The committee meets on 12 days a year."),
    ("Expense and travel rules of the company 2024", "Expense and travel rules of the company 2025"),
    ("Last updated: 3 May 2024 by the front desk.", "Last updated: 9 June 2025 by the front desk."),
    ("Phase 2 of the move takes three weeks.", "Phase 3 of the move takes four weeks."),
    ("Windows 10 machines are replaced after 4 years.", "Windows 11 machines are replaced after 5 years."),
    ("In 2023 the turnover was 5 million euros.", "In 2024 the turnover was 6 million euros."),
    ("Employees pay 5 euros for a warm lunch.", "Visitors pay 9 euros for a warm lunch."),
    ("See https://example.org/r/12/index for 3 more rules.", "See https://example.org/r/14/index for 3 more rules."),
    ("7,066 | 3,827 | 1,100 | 900", "8,309 | 4,121 | 1,200 | 950"),
    ("Total costs of the year | 7,066 | 3,827 | 1,100", "Total costs of the year | 8,309 | 4,121 | 1,200"),
]  # fmt: skip
AROUND = (
    "# Rules of the house\n\nThe house belongs to everybody who works in it, and is looked after by the front desk."
    "\n\n{}\n\nWhoever has a question asks at the front desk, where somebody is there on every weekday."
)


@pytest.mark.parametrize(("a", "b", "kind"), CONTRADICT)
def test_a_contradiction_is_found_with_exact_spans(a: str, b: str, kind: str) -> None:
    one, other = AROUND.format(a), AROUND.format(b)
    (found,) = conflicts(one, other)
    assert found.kind == kind
    for side, text, said in ((found.a, one, a), (found.b, other, b)):
        assert side.span.of(text) == side.quote == said.removeprefix("- ")
        assert side.figure.of(text) == side.said and side.said in said
    (back,) = conflicts(other, one)
    assert (back.a, back.b) == (found.b, found.a)


@pytest.mark.parametrize(("a", "b"), AGREE)
def test_what_only_looks_like_one_is_none(a: str, b: str) -> None:
    assert conflicts(AROUND.format(a), AROUND.format(b)) == ()


def test_a_sentence_that_comes_twice_tells_nothing() -> None:
    """Which of the two is the other's counterpart is not known: under another heading it says something else."""
    one = AROUND.format("# Ghent\n\nRooms cost at most 120 euros.\n\n# Bristol\n\nRooms cost at most 150 euros.")
    other = AROUND.format("# Bristol\n\nRooms cost at most 150 euros.\n\n# Ghent\n\nRooms cost at most 130 euros.")
    assert conflicts(one, other) == ()


def test_a_form_filled_in_twice_contradicts_nothing() -> None:
    names = ("rent", "heating", "water", "cleaning", "insurance", "repairs")
    one, other = (
        "\n".join(f"The {n} came to {base + 7 * at * base} euros." for at, n in enumerate(names)) for base in (3, 5)
    )
    assert conflicts(AROUND.format(one), AROUND.format(other)) == ()
    mended = other.replace("insurance came to 145", "insurance came to 144")
    (found,) = conflicts(AROUND.format(other), AROUND.format(mended))
    assert (found.a.said, found.b.said) == ("145 euros", "144 euros")


def test_page_numbers_that_have_moved_are_no_contradictions() -> None:
    chapters = ("Leave and holidays", "Travel and hotels", "Sickness and care", "Training and books")
    rules = "\n".join(
        f"Rule about {name} number of days at most: {10 + at} days." for at, name in enumerate("abcdefghij")
    )
    one, other = ("\n".join(f"{name} | {page + moved}" for page, name in enumerate(chapters, 3)) for moved in (0, 2))
    assert conflicts(AROUND.format(f"{one}\n\n{rules}"), AROUND.format(f"{other}\n\n{rules}")) == ()


def test_reading_figures_takes_no_longer_on_text_made_to_be_slow() -> None:
    """No pattern runs off, whatever is repeated in a sentence of the longest kind: it would take hours otherwise."""
    drawn = random.Random(7)
    pieces = ("1,", "1.1.", "999", "12 ", "€", "3 May ", "a/", "/", "1:2", "-1", "page 1-", "٣", "section 1.", "1 000 ")
    for piece in (*pieces, "".join(drawn.choices("0123456789.,:/-€ %aMay", k=500))):
        figures(piece * (LONGEST // len(piece)))
        figures(piece * (LONGEST // len(piece)) + "/")
