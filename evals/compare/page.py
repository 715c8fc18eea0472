"""The comparison as one page for a browser: nothing fetched, no script, light and dark.

Questions and names of documents are data and escaped, and the page's own policy forbids whatever would slip through.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from evals.compare.charts import bars, histogram
from evals.compare.compared import Comparison, Difference, Pair
from evals.ranked import Asked
from evals.runs import Run
from evals.spans import overlaps

SHOWN = 10
"""Documents of each ranking."""
_STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --quiet: #59636e; --page: #fff; --edge: #d8dee4;
  --a: #8a94a0; --b: #1f6feb; --good: #1a7f37; --bad: #b3261e; --mark: #d6f5dd; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --quiet: #9aa4af; --page: #0d1117; --edge: #30363d;
  --a: #6e7783; --b: #58a6ff; --good: #56d364; --bad: #ff7b72; --mark: #12361f; } }
body { font: 14px/1.5 -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; color: var(--text);
  background: var(--page); margin: 0 auto; padding: 24px; max-width: 1100px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 32px; } h3 { font-size: 14px; margin: 24px 0 4px; }
.quiet { color: var(--quiet); } .better { color: var(--good); } .worse { color: var(--bad); }
table { border-collapse: collapse; } th, td { padding: 3px 12px 3px 0; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid var(--edge); }
.wide { overflow-x: auto; } svg { max-width: 100%; height: auto; display: block; }
svg text { fill: var(--text); font-size: 12px; }
.a { fill: var(--a); } .b { fill: var(--b); } .lost { fill: var(--bad); }
.axis, .whisker { stroke: var(--text); } .grid { stroke: var(--edge); }
.spread { display: flex; flex-wrap: wrap; gap: 24px; } figure { margin: 0; } figcaption { font-size: 13px; }
.sides { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; }
ol { margin: 4px 0; padding-left: 28px; overflow-wrap: anywhere; } li.hit { background: var(--mark); }
.key::before { content: ''; display: inline-block; width: 10px; height: 10px; margin-right: 4px; }
.key.of-a::before { background: var(--a); } .key.of-b::before { background: var(--b); }
"""


def page(found: Comparison, rule: str) -> str:
    """The whole page; ``rule`` says when B counts as worse."""
    verdict = ", ".join(f"{one.set} ({one.difference:+.3f})" for one in found.worse)
    judged = f"B is worse on {verdict}." if verdict else "B is significantly worse on no set."
    parts = [
        f'<h1>{escape(found.b.name)} against {escape(found.a.name)}</h1><p class="{"worse" if verdict else "better"}">'
        f'{escape(judged)}</p><p class="quiet">{escape(rule)}</p>',
        f"<p>{_about('A', found.a)}<br>{_about('B', found.b)}</p>",
        _remarks(found),
        "<h2>Deciding figures</h2>" + _bars(found),
        "<h2>Every figure</h2>" + _table(found),
        "<h2>Gains of single questions</h2>"
        f'<p class="quiet">B less A on the deciding figure; questions that are even are left out.</p>{_spread(found)}',
        _worst(found),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(found.b.name)} against {escape(found.a.name)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _about(letter: str, run: Run) -> str:
    git = run.about.get("git") or {}
    commit = f", commit {git['commit'][:12]}{' with changes' if git['changed'] else ''}" if git else ""
    said = f"{run.name}, {run.about['began']}{commit}, settings {run.about['fingerprint'][:12]}"
    return f'<span class="key of-{letter.lower()}"><b>{letter}</b> {escape(said)}</span>'


def _remarks(found: Comparison) -> str:
    alone = f"Only in one of them: {', '.join(found.alone)}." if found.alone else ""
    moved = f"The same questions, of other texts: {', '.join(found.moved)}." if found.moved else ""
    return "".join(f'<p class="quiet">{escape(text)}</p>' for text in (alone, moved) if text)


def _bars(found: Comparison) -> str:
    rows = [(f"{one.set}, {one.measure}", [_figure(run, one) for run in (found.a, found.b)]) for one in found.deciding]
    return f'<div class="wide">{bars(rows)}</div>'


def _figure(run: Run, one: Difference) -> tuple[float, float, float]:
    row = next(row for row in run.about["sets"] if row["name"] == one.set)["figures"][one.measure]
    return row["mean"], row["low"], row["high"]


def _table(found: Comparison) -> str:
    heads = ("figure", "questions", "A", "B", "B - A", "95 % interval", "p", "p of all sets", "won", "lost", "even")
    head = "".join(f"<th>{one}</th>" for one in heads)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(map(_line, found.differences))}</table></div>'


def _line(one: Difference) -> str:
    of_all = "" if one.p_of_all is None else f"{one.p_of_all:.4f}"
    cells = (
        f"{one.set} {one.measure}",
        one.queries,
        f"{one.a:.3f}",
        f"{one.b:.3f}",
        f"{one.difference:+.3f}",
        f"{one.low:+.3f} to {one.high:+.3f}",
        f"{one.p:.4f}",
        of_all,
        one.wins,
        one.losses,
        one.ties,
    )
    return f'<tr class="{one.verdict}">' + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _spread(found: Comparison) -> str:
    def figure(one: Difference) -> str:
        said = f"{one.set}: {one.wins} won, {one.losses} lost, {one.ties} even"
        chart = histogram(one, [pair.gain for pair in found.pairs[one.set]])
        return f"<figure>{chart}<figcaption>{escape(said)}</figcaption></figure>"

    return f'<div class="spread">{"".join(map(figure, found.deciding))}</div>'


def _worst(found: Comparison) -> str:
    if not found.worst:
        return "<h2>Questions that lost</h2><p>None.</p>"
    return "<h2>Questions that lost most</h2>" + "".join(map(_pair, found.worst))


def _pair(pair: Pair) -> str:
    relevant = ", ".join(f"{name} ({grade})" if grade != 1 else name for name, grade in pair.b.relevant.items())
    return (
        f'<h3>{escape(pair.b.text)}</h3><p class="quiet">{escape(pair.set)}, question {escape(pair.b.query)}, '
        f"{pair.gain:+.3f}; relevant: {escape(relevant)}</p>"
        f'<div class="sides"><div><b>A</b>{_said(pair.a)}</div><div><b>B</b>{_said(pair.b)}</div></div>'
    )


def _said(asked: Asked) -> str:
    """The answer, where it is one, over what it cites, or what was found."""
    if asked.answerable is None:
        return _ranking(asked)
    said = f"<p>{escape(asked.said)}</p>" if asked.said else '<p class="quiet">no answer</p>'
    return said + _ranking(asked)


def _ranking(asked: Asked) -> str:
    """The first documents, or passages where the set knows evidence, with those marked that are right."""
    shown = list(_passages(asked) if asked.evidence else _documents(asked))
    items = "".join(
        f'<li class="hit"><b>{escape(text)}</b> &#10003;</li>' if right else f"<li>{escape(text)}</li>"
        for text, right in shown
    )
    return f"<ol>{items}</ol>" if shown else "<p>nothing</p>"


def _documents(asked: Asked) -> Iterator[tuple[str, bool]]:
    for document, score in asked.ranking[:SHOWN]:
        yield f"{document} {score:.4g}", document in asked.relevant


def _passages(asked: Asked) -> Iterator[tuple[str, bool]]:
    for passage, score in asked.passages:
        said = f"{passage.document}, {passage.span.start} to {passage.span.end}, {score:.4g}"
        yield said, overlaps(passage, asked.evidence)
