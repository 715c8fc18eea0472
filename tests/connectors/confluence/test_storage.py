"""Confluence's storage format as HTML: what a reader of the page sees, and nothing that could be run or fetched."""

from __future__ import annotations

import pytest
from lxml import html as lxml_html

from connectors.atlassian.text import document
from connectors.confluence.storage import html
from ingestion.parse.html import from_text
from vouch.core.errors import DocumentRejected

PAGE = '<ri:page ri:content-title="Pay bands"/>'
FALLBACK = "<ac:adf-fallback><p>b</p></ac:adf-fallback>"


def macro(name: str, inside: str, **parameters: str) -> str:
    said = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1">{said}{inside}</ac:structured-macro>'


def rich(inside: str) -> str:
    return f"<ac:rich-text-body>{inside}</ac:rich-text-body>"


def plain(inside: str) -> str:
    return f"<ac:plain-text-body><![CDATA[{inside}]]></ac:plain-text-body>"


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("<p>a&nbsp;&auml;&rarr;&amp;&lt;b&gt;&#228;</p>", "<p>a\xa0ä→&amp;&lt;b&gt;ä</p>"),
        ("<p>&nosuch;&amp;nbsp;</p>", "<p>&amp;nosuch;&amp;nbsp;</p>"),
        ("<h1>a</h1><h5>b</h5><h6>c</h6>", "<h2>a</h2><h6>b</h6><h6>c</h6>"),
        ("a<br/>b<hr/>c", "a<br>b<hr>c"),
        ('<p onclick="x()" class="y" style="display: none">a</p>', '<p style="display: none">a</p>'),
        ('<td colspan="2" rowspan="&quot;3">a</td>', '<td colspan="2" rowspan="&quot;3">a</td>'),
        ("<u>a</u><font>b</font><script>c</script><svg><text>d</text></svg>e", "<u>a</u>be"),
        ('<a href="https://example.org/?a=1&amp;b=2">x</a>', '<a href="https://example.org/?a=1&amp;b=2">x</a>'),
        ('<a href="java&#10;script:x">x</a><a href="JavaScript:x">y</a><a href="data:,x">z</a>', "xyz"),
        ('<time datetime="2026-03-01" />', "2026-03-01"),
        (macro("info", rich("<p>a</p>"), title="Mind <!-- --> &lt;b&gt;"),
         "<p><strong>Mind  &lt;b&gt;</strong></p><div><p>a</p></div>"),
        (macro("expand", rich(macro("warning", rich("<p>a</p>"))), title="More"),
         "<p><strong>More</strong></p><div><div><p>a</p></div></div>"),
        (macro("code", plain("if a < b && c: &nbsp;</code>"), language="python", title="T"),
         "<p><strong>T</strong></p><pre><code>\nif a &lt; b &amp;&amp; c: &amp;nbsp;&lt;/code&gt;</code></pre>"),
        (macro("code", "<ac:plain-text-body><![CDATA[a]]]]><![CDATA[>b]]></ac:plain-text-body>"),
         "<pre><code>\na]]&gt;b</code></pre>"),
        (macro("status", "", title="DONE", colour="Green"), "DONE"),
        (macro("jira", "", key="OPS-7", server="x"), "OPS-7"),
        (macro("toc", "", maxLevel="3") + macro("children", "") + macro("html", plain("<script>x</script>")), ""),
        (macro("include", f'<ac:parameter ac:name=""><ac:link>{PAGE}</ac:link></ac:parameter>'), ""),
        (macro("excerpt", rich("<p>unseen</p>"), hidden="true"), ""),
        (macro("a plugin's", rich("<p>kept</p>")), "<div><p>kept</p></div>"),
        ('<ac:link><ri:page ri:space-key="HR" ri:content-title="A &amp; B"/></ac:link>', "A &amp; B"),
        (f"<ac:link>{PAGE}<ac:link-body>the <em>rules</em></ac:link-body></ac:link>", "the <em>rules</em>"),
        (f"<ac:link>{PAGE}<ac:plain-text-link-body><![CDATA[<b>]]></ac:plain-text-link-body></ac:link>", "&lt;b&gt;"),
        ('<ac:link><ri:attachment ri:filename="x.pdf"/></ac:link>', "x.pdf"),
        ('<ac:link><ri:user ri:account-id="5b"/></ac:link>', ""),
        ('<ac:image ac:alt="A crane"><ri:url ri:value="http://evil.example.org/x.png"/></ac:image>', "A crane"),
        ("<ac:image><ac:caption><p>Fig. 1</p></ac:caption></ac:image>", "<p>Fig. 1</p>"),
        ("<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status>"
         "<ac:task-body>a</ac:task-body></ac:task><ac:task><ac:task-status>incomplete</ac:task-status>"
         "<ac:task-body>b</ac:task-body></ac:task></ac:task-list>", "<ul><li>[x] a</li><li>[ ] b</li></ul>"),
        ('<ac:emoticon ac:emoji-fallback="🙂" ac:name="smile"/><ac:emoticon ac:emoji-fallback=":x:"/>', "🙂"),
        ('<ac:layout><ac:layout-section ac:type="two_equal"><ac:layout-cell><p>a</p></ac:layout-cell>'
         "</ac:layout-section></ac:layout>", "<div><div><div><p>a</p></div></div></div>"),
        ('<p>a<ac:inline-comment-marker ac:ref="7">b</ac:inline-comment-marker>c</p>', "<p>abc</p>"),
        ('<ac:adf-extension><ac:adf-node type="panel"><ac:adf-attribute key="k">v</ac:adf-attribute><ac:adf-content>'
         f"<p>a</p></ac:adf-content></ac:adf-node>{FALLBACK}</ac:adf-extension>", "<div><p>a</p></div>"),
        (f'<ac:adf-extension><ac:adf-node type="x"/>{FALLBACK}</ac:adf-extension>', "<p>b</p>"),
        ("<ac:placeholder>type here</ac:placeholder>", ""),
        ("<x:y>other</x:y> 10:30 http://example.org", "other 10:30 http://example.org"),
        ("a\x00b\x0c\ud800c", "a b  c"),
        ("<?php x ?><!-- y -->z", "z"),
    ],
)  # fmt: skip
def test_it_says_what_the_page_shows(storage: str, expected: str) -> None:
    assert html(storage) == expected


@pytest.mark.parametrize(
    "storage",
    [
        "<p>", "</body><script>x</script><body>", "a]]>b", "<p a=1>", "<p a='1' a='2'/>", "&#0;", "<![CDATA[",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p>',
        "<p>" * 300 + "</p>" * 300,
        '<ac:link xmlns:ac="http://example.org/ac">x</ac:link>',
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused(storage: str) -> None:
    with pytest.raises(DocumentRejected) as refused:
        html(storage)
    assert refused.value.reason == "unreadable"


def test_deep_and_long_bodies_are_read() -> None:
    assert html("<div>" * 250 + "a" + "</div>" * 250).count("<div>") == 250
    deep = "a"
    for _ in range(120):
        deep = macro("panel", rich(deep))
    assert html(deep).count("<div>") == 120
    assert html("<![CDATA[x" * 20_000 + "]]>").count("x") == 20_000
    assert html("&nbsp;<p>b</p>" * 50_000).count("<p>") == 50_000


def test_nothing_of_the_text_becomes_markup() -> None:
    hostile = ["<script>x</script>", "</pre><img src=x onerror=y>", '"><b>', "&lt;script&gt;", "]]&gt;"]
    for text in hostile:
        said = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
        storage = f'<p>{said}</p><td style="{said}">a</td>{macro("code", plain(text), title=said)}'
        storage += f'<ac:link><ri:page ri:content-title="{said}"/></ac:link><a href="https://example.org/{said}">b</a>'
        root = lxml_html.document_fromstring(document(text, html(storage)))
        tags = {element.tag for element in root.iter() if isinstance(element.tag, str)}
        assert not tags & {"script", "img", "b"}
        assert root.findtext(".//title") == text and root.findtext(".//h1") == text


def test_the_platforms_reader_of_html_reads_it() -> None:
    table = "<table><tbody><tr><th>Zone</th><th>Hotel</th></tr><tr><td><p>North</p></td><td>120 EUR</td></tr>"
    table += "<tr><td>South</td><td>90 EUR</td></tr></tbody></table>"
    storage = f"<h1>Prices</h1>{table}" + macro("code", plain("a <b>\n  c")) + macro("info", rich("<p>Mind it.</p>"))
    draft = from_text(document("Travel", html(storage)))
    assert draft.title == "Travel"
    kinds = [(block.kind, block.level) for block in draft.blocks if block.kind == "heading"]
    assert kinds == [("heading", 1), ("heading", 2)]
    tables = [block for block in draft.blocks if block.kind == "table"]
    assert tables[0].rows == (("Zone", "Hotel"), ("North", "120 EUR"), ("South", "90 EUR"))
    text = " ".join(block.text for block in draft.blocks)
    assert "a <b>" in text and "Mind it." in text
