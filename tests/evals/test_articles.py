"""How articles are measured: shares of what was to be read, by layout."""

from __future__ import annotations

import pytest

from evals import articles
from evals.web_pages import LAYOUTS, pages


def test_shares_are_of_what_a_page_says_of_itself() -> None:
    page = next(page for page in pages() if page.name == "flat/table")
    every = (*page.article.said, *page.article.facts, *page.around)
    assert articles.shares([page], lambda _: "\n ".join(every)) == articles.Shares(1.0, 1.0, 1.0)
    assert articles.shares([page], lambda _: "") == articles.Shares(0.0, 0.0, 0.0)
    half = articles.shares([page], lambda page: page.article.said[0])
    assert half == articles.Shares(0.5, 0.0, 0.0)


def test_a_run_prints_a_line_for_each_layout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(articles, "_ROUNDS", 1)
    articles.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [*LAYOUTS, "all"]
    assert lines[-1].startswith("CPU ms a page")
