"""Atlassian's document format as HTML: every node from a list, text escaped, nothing fetched."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.atlassian.text import document
from connectors.jira.adf import html
from ingestion.parse.html import from_text
from vouch.core.errors import DocumentRejected


def node(kind: str, *inside: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "content": [t(i) if isinstance(i, str) else i for i in inside], "attrs": attrs}


def t(said: str, *marks: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, "marks": [{"type": m} if isinstance(m, str) else m for m in marks]}


def link(href: str) -> dict[str, Any]:
    return {"type": "link", "attrs": {"href": href}}


@pytest.mark.parametrize(
    ("adf", "expected"),
    [
        (node("doc", node("paragraph", "a <b> & c")), "<p>a &lt;b&gt; &amp; c</p>"),
        (t("a", "strong", "em"), "<em><strong>a</strong></em>"),
        (t("a", "code", "subsup", 7, {"type": {}}), "<code>a</code>"),
        (t("a", link("https://example.org/?a=1&b=\"")), '<a href="https://example.org/?a=1&amp;b=&quot;">a</a>'),
        (t("a", link("javascript:x")), "a"),
        (t("a\x00b\ud800\n"), "a b \n"),
        (node("heading", "a", level=1), "<h3>a</h3>"),
        (node("heading", "a", level=6), "<h6>a</h6>"),
        (node("heading", "a", level="<x>"), "<h3>a</h3>"),
        (node("bulletList", node("listItem", node("paragraph", "a"))), "<ul><li><p>a</p></li></ul>"),
        (node("codeBlock", "if a < b:\n  c", language="py"), "<pre><code>\nif a &lt; b:\n  c</code></pre>"),
        (node("table", node("tableRow", node("tableHeader", "a", colspan=2), node("tableCell", "b", rowspan="3"))),
         '<table><tr><th colspan="2">a</th><td>b</td></tr></table>'),
        (node("panel", node("paragraph", "a"), panelType="info"), "<div><p>a</p></div>"),
        (node("expand", "a", title="<More>"), "<p><strong>&lt;More&gt;</strong></p><div>a</div>"),
        (node("taskList", node("taskItem", "a", state="DONE"), node("taskItem", "b", state="TODO")),
         "<ul><li>[x] a</li><li>[ ] b</li></ul>"),
        (node("date", timestamp="1772323200000"), "2026-03-01"),
        (node("date", timestamp="9" * 30), ""),
        (node("mention", id="5b", text="@Mia <b>"), "@Mia &lt;b&gt;"),
        (node("status", text="DONE", color="green"), "DONE"),
        (node("inlineCard", url="https://example.org/x"), "https://example.org/x"),
        (node("mediaSingle", node("media", id="7", type="file")), "<div></div>"),
        (node("paragraph", t("a"), {"type": "hardBreak"}, t("b")), "<p>a<br>b</p>"),
        (node("something new", node("paragraph", "kept")), "<p>kept</p>"),
        ({"type": "paragraph", "content": "no list"}, "<p></p>"),
        ({"type": "text", "text": 7}, ""),
        ({}, ""), (None, ""), ("plain", ""), ([], ""),
    ],
)  # fmt: skip
def test_it_says_what_the_issue_shows(adf: Any, expected: str) -> None:
    assert html(adf) == expected


def test_what_is_nested_too_deep_is_refused() -> None:
    deep = node("paragraph", "a")
    for _ in range(140):
        deep = node("blockquote", deep)
    assert html(deep).count("<blockquote>") == 140
    for _ in range(100):
        deep = node("blockquote", deep)
    with pytest.raises(DocumentRejected) as refused:
        html(deep)
    assert refused.value.reason == "too_deep"


def test_the_platforms_reader_of_html_reads_it() -> None:
    rows = [("Pump", "Pressure"), ("North", "7 bar"), ("South", "9 bar")]
    cells = [
        [node("tableHeader" if n == 0 else "tableCell", node("paragraph", c)) for c in row]
        for n, row in enumerate(rows)
    ]
    table = node("table", *(node("tableRow", *row) for row in cells))
    draft = from_text(document("OPS-7 Pumps", html(node("doc", node("heading", "Figures", level=2), table))))
    assert draft.title == "OPS-7 Pumps"
    assert [block.rows for block in draft.blocks if block.kind == "table"] == [tuple(rows)]
