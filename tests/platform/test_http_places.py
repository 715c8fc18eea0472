"""The place of each citation, from the file to the answer over HTTP and to the answer read again."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.ingestion import made
from tests.platform.conftest import Platform, acting

COMPANY = Path(__file__).parents[2] / "samples" / "company"
EVERYONE = [{"allow": ["authenticated"]}]


@pytest.fixture(scope="module")
def source(platform: Platform) -> str:
    """The files of each format, read and found."""
    source = platform.source("places")
    files = {
        name: (COMPANY / name).read_bytes()
        for name in (
            "finance/budget-2026.xlsx",
            "finance/software-spend-2026.csv",
            "product/larkspur-ls-400-datasheet.pdf",
            "engineering/platform-onboarding.pptx",
            "people/performance-review-guide.docx",
            "engineering/meridian-api.html",
            "handbook/remote-work.md",
        )
    } | {"mail/closing.eml": made.eml_file(("costs.xlsx", made.xlsx_file()))}
    jobs = []
    for name, content in files.items():
        body = {"content_base64": base64.b64encode(content).decode(), "mime": None, "access": EVERYONE}
        pushed = platform.ok("PUT", f"/v1/sources/{source}/documents/{name}", json=body)
        jobs.append(pushed["job_id"])
    for job in jobs:
        assert platform.ended(job)["state"] == "succeeded"
    return source


def _cited(platform: Platform, question: str, words: str) -> Any:
    """The citation whose quote holds the words; read again, each citation has the same place."""
    answer = platform.ask("bob", question)
    again = platform.ok("GET", f"/v1/answers/{answer['answer_id']}", headers=acting("bob"))
    assert [one["place"] for one in again["citations"]] == [one["place"] for one in answer["citations"]]
    quotes = {one["quote"]: one for one in answer["citations"]}
    found = next((one for quote, one in quotes.items() if words in quote), None)
    assert found is not None, (answer["text"], list(quotes))
    return found


@pytest.mark.parametrize(
    ("question", "words", "place"),
    [
        ("What is the annual cost of Quillstone Accounts?", "Quillstone Accounts", "row 3"),
        ("What is the actual 2025 of cloud hosting and data links?", "Cloud hosting", "sheet Summary, row 7"),
        ("What is the amount of Power?", "Power", "attachment costs.xlsx, sheet Costs, row 5"),
        ("When does the office close on Friday?", "closes at 15:00", "mail body"),
        ("What is the accuracy of PM10?", "Quantity: PM10", "p. 1, table 1, row 5"),
        ("Who is the first contact for the device registry?", "Device registry", "slide 4, table 1, row 5"),
        ("When are the calibration meetings?", "Calibration meetings", "The calendar, table 1, row 6"),
        ("What is the rate limit of the Meridian API?", "600 requests a minute", "Rate limits"),
        ("When are core hours?", "10:00 to 15:30", "Core hours"),
    ],
)
def test_a_citation_shows_where_its_own_words_stand(
    platform: Platform, source: str, question: str, words: str, place: str
) -> None:
    assert _cited(platform, question, words)["place"] == place
