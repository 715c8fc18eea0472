"""What one sentence can answer is told from what has to be put together, by the question's words."""

from __future__ import annotations

import pytest

from retrieval.difficulty import difficulty


@pytest.mark.parametrize(
    "question",
    [
        "How much is reimbursed for a hotel per night?",
        "Who owns the onboarding page?",
        "parental leave weeks",
        "Wie viele Tage Urlaub habe ich?",
        "What does ERR_CONN-4521 mean?",
        "When was the travel policy of research and development changed?",
    ],
)
def test_one_fact_is_looked_up(question: str) -> None:
    assert difficulty(question) == "lookup"


@pytest.mark.parametrize(
    "question",
    [
        "Why are trains second class?",
        "Compare the leave policies of Spain and Portugal.",
        "What is the hotel limit, and who approves more?",
        "How many days may I take and when do they lapse?",
        "What is the limit? Who approves more?",
        "Was ist der Unterschied zwischen Gleitzeit und Vertrauensarbeitszeit?",
        "¿Por qué hay dos políticas de viajes?",
        "Pourquoi le train ?",
        "If somebody in the Berlin office becomes a parent in the first half of the year what can they then take?",
    ],
)
def test_what_has_to_be_put_together_is_not(question: str) -> None:
    assert difficulty(question) == "synthesis"
