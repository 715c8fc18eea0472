"""``python -m evals.articles``: what is read of a web page's article and of what stands around it, three ways.

*whole*: the page as other HTML is read. *article*: as pages of a `web` source are. *trafilatura*: its own text, for
comparison. Over :mod:`evals.web_pages`: the shares of the article's text, of its facts (cells, code, definitions) and
of what is around that the text has, and CPU time of the best of some rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from trafilatura import extract

from evals.web_pages import LAYOUTS, Page, pages
from ingestion.parse import parse

_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the article's text, of its facts, of what is around: how much of each was read, 0 to 1."""

    said: float
    facts: float
    around: float


def whole(page: Page) -> str:
    return parse(page.html.encode(), "page.html").text


def article(page: Page) -> str:
    return parse(page.html.encode(), "page.html", article=True).text


def trafilatura(page: Page) -> str:
    return extract(page.html, include_comments=False, include_tables=True) or ""


WAYS: tuple[Callable[[Page], str], ...] = (whole, article, trafilatura)


def shares(some: Sequence[Page], read: Callable[[Page], str]) -> Shares:
    said, facts, around = [], [], []
    for page in some:
        text = _plain(read(page))
        said += [_plain(one) in text for one in page.article.said]
        facts += [_plain(one) in text for one in page.article.facts]
        around += [_plain(one) in text for one in page.around]
    return Shares(_mean(said), _mean(facts), _mean(around))


def _plain(text: str) -> str:
    return " ".join(text.split())


def _mean(found: Sequence[bool]) -> float:
    return sum(found) / max(len(found), 1)


def cpu_ms(some: Iterable[Page], read: Callable[[Page], str]) -> float:
    """Milliseconds of CPU time a page."""
    made = list(some)
    times = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for page in made:
            read(page)
        times.append(time.process_time() - began)
    return 1000 * min(times) / len(made)


def main() -> None:
    made = pages()
    print(f"{len(made)} pages         " + "".join(f"{read.__name__:>28}" for read in WAYS))
    for layout in (*LAYOUTS, ""):
        some = [page for page in made if page.name.startswith(layout)]
        found = [shares(some, read) for read in WAYS]
        print(f"{layout or 'all':16}" + "".join(f"   {s.said:.3f}  {s.facts:.3f}  {s.around:.3f}" for s in found))
    print("CPU ms a page   " + "".join(f"{cpu_ms(made, read):28.1f}" for read in WAYS))


if __name__ == "__main__":
    main()
