"""Web pages made for measuring how an article is told from what stands around it: five articles in ten layouts.

Every sentence, cell and line of code is said once, so each can be looked for in what was read. Nothing here was taken
from a site; the layouts are those that sites have: their tags, roles and names of classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Article:
    """``html``: what stands below its heading. ``facts``: cells, code, definitions; ``said``: all its other text."""

    name: str
    title: str
    html: str
    said: tuple[str, ...]
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """``around``: what is no part of the article, and is there to be left out."""

    name: str
    html: str
    article: Article
    around: tuple[str, ...]


def _p(*sentences: str) -> str:
    return "".join(f"<p>{sentence}</p>" for sentence in sentences)


_PROSE = (
    "The ferry to the island leaves from the north pier and takes nine minutes when the tide is with it.",
    "Cargo is weighed before it is loaded, because the deck was built for carts and not for lorries.",
    "In winter the last crossing is at five, and whoever misses it sleeps in the harbour master's spare room.",
    "The pilot is allowed to refuse anybody, and is asked to write down why in the book at the landing stage.",
    "Dogs travel free of charge, horses pay as much as two people, and bees are taken on the first boat alone.",
    "Repairs of the hull are made each March on the slipway, which the village keeps clear of nets for that week.",
)
_RATES = (
    ("Parcel", "4 crowns", "same day"),
    ("Crate", "11 crowns", "next day"),
    ("Piano", "90 crowns", "by arrangement"),
)
_RATES_SAID = (
    "What a shipment costs depends on what it is and not on how far it goes, since there is only the one crossing.",
    "Prices hold until the council meets in autumn; a shipment handed in before that day pays the old price.",
)
_CODE = ('tide = read_gauge("north-pier")', "if tide.metres < 0.8:", "hold_departure(minutes=20)")
_TERMS = (
    ("gauge", "the brass scale at the pier, read by hand at six each morning"),
    ("slack", "the quarter of an hour in which the water does not move"),
)
_CODE_SAID = (
    "The signal at the pier is set by a program of three lines that the harbour master wrote in one evening.",
    "Whoever changes it tells the pilot first, for the lamp is what the pilot looks at and not the clock.",
)
_STEPS = (
    "Ask for the blue form at the window and fill in both sides",
    "Have it signed by whoever owns the mooring next to yours",
    "Hand it in before noon, with the fee in coins",
)
_FORMS = ("Blue form for a mooring", "Green form for a second boat", "List of owners by pier")
_STEPS_SAID = (
    "A mooring is granted for ten years, and it is the village and not the harbour that grants it.",
    "The forms are kept here as well, so that nobody has to come to the window twice for them.",
)
_NOTICE = (
    "The pier is closed on Thursday from seven until noon while the diver looks at the piles.",
    "Boats that have to land use the beach, where two people will stand with a plank.",
    "Questions go to the harbour master, who is at the window on Wednesday all day.",
)


def _table(rows: tuple[tuple[str, ...], ...]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr><th>What</th><th>Price</th><th>Arrives</th></tr></thead><tbody>{body}</tbody></table>"


ARTICLES = (
    Article("prose", "Crossing to the island", _p(*_PROSE[:3]) + "<h2>Who decides</h2>" + _p(*_PROSE[3:]), _PROSE),
    Article(
        "table",
        "Rates for shipments",
        _p(_RATES_SAID[0]) + _table(_RATES) + _p(_RATES_SAID[1]),
        _RATES_SAID,
        tuple(cell for row in _RATES for cell in row),
    ),
    Article(
        "code",
        "The signal at the pier",
        _p(_CODE_SAID[0])
        + f"<pre><code>{_CODE[0]}\n{_CODE[1]}\n    {_CODE[2]}</code></pre>"
        + "<h2>Words used here</h2><dl>"
        + "".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in _TERMS)
        + "</dl>"
        + _p(_CODE_SAID[1]),
        _CODE_SAID,
        (*_CODE, *(text for pair in _TERMS for text in pair)),
    ),
    Article(
        "lists",
        "How to get a mooring",
        _p(_STEPS_SAID[0])
        + "<ol>"
        + "".join(f"<li>{step}</li>" for step in _STEPS)
        + "</ol>"
        + _p(_STEPS_SAID[1])
        + "<ul>"
        + "".join(f'<li><a href="/forms/{n}.pdf">{form}</a></li>' for n, form in enumerate(_FORMS))
        + "</ul>",
        (*_STEPS_SAID, *_STEPS, *_FORMS),
    ),
    Article("notice", "Pier closed on Thursday", _p(*_NOTICE), _NOTICE),
)

_MENU = ("Timetables", "Fares and tickets", "Weather at sea", "Lost property", "Working with us")
_BANNER = "This site stores cookies on your device so that it can remember which pages were of interest to you."
_FOOTER = ("Harbour Board of Tern Island, founded 1871", "Imprint and data protection", "Accessibility statement")
_RELATED = (
    "Ten walks that begin at the landing",
    "Why the lighthouse was moved twice",
    "A season with the oyster boats",
)
_COMMENTS = (
    "Wonderful piece, my grandmother used to tell us the same story about the plank.",
    "I disagree with the writer entirely and have said so at the window more than once.",
    "Does anybody know whether the kiosk at the end of the road has opened again?",
)
_LETTER = "Enter your address and receive our monthly letter with offers from the shops at the quay."


def _links(texts: tuple[str, ...], tag: str = "ul") -> str:
    items = "".join(f'<li><a href="/{n}/{len(text)}">{text}</a></li>' for n, text in enumerate(texts))
    return f"<{tag}>{items}</{tag}>"


def _html(body: str, title: str, more: str = "") -> str:
    head = f"<title>{title} | Tern Island</title>{more}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def _semantic(a: Article) -> str:
    return (
        f"<header><a href='/'>Tern Island</a><nav>{_links(_MENU)}</nav></header>"
        f"<div class='cookie-banner' role='dialog'><p>{_BANNER}</p><button>Accept</button></div>"
        f"<main><article><h1>{a.title}</h1>{a.html}</article>"
        f"<section class='comments' id='comments'><h2>Readers say</h2>{_p(*_COMMENTS)}</section></main>"
        f"<aside><h2>Read on</h2>{_links(_RELATED)}</aside>"
        f"<footer>{_p(*_FOOTER)}</footer>"
    )


def _blog(a: Article) -> str:
    return (
        f"<div id='page'><div id='masthead' class='site-header'><div class='main-menu'>{_links(_MENU)}</div></div>"
        f"<div id='content'><div class='post hentry'><div class='entry-header'><h1>{a.title}</h1></div>"
        f"<div class='entry-content'>{a.html}</div>"
        f"<div class='sharedaddy social'><p>{_LETTER}</p></div></div>"
        f"<div class='related-posts'><h3>You may like</h3>{_links(_RELATED)}</div>"
        f"<div id='comments' class='comments-area'><ol class='comment-list'>"
        + "".join(f"<li class='comment'><p>{text}</p></li>" for text in _COMMENTS)
        + f"</ol></div></div><div id='secondary' class='sidebar widget-area'><p>{_LETTER}</p></div>"
        f"<div id='colophon' class='site-footer'>{_p(*_FOOTER)}</div></div><div id='cookie-notice'>{_BANNER}</div>"
    )


def _flat(a: Article) -> str:
    return (
        f"<div class='menu'>{_links(_MENU)}</div><h1>{a.title}</h1>{a.html}"
        f"<div class='related'>{_links(_RELATED)}</div><div class='footer'>{_p(*_FOOTER)}</div>"
    )


def _tables(a: Article) -> str:
    return (
        f"<table width='100%'><tr><td colspan='2'>Tern Island</td></tr><tr><td width='160'>{_links(_MENU)}</td>"
        f"<td><h1>{a.title}</h1>{a.html}</td></tr></table><center class='footer'>{' | '.join(_FOOTER)}</center>"
    )


def _manual(a: Article) -> str:
    return (
        f"<div class='related' role='navigation'>{_links(_MENU)}</div>"
        f"<div class='document'><div class='documentwrapper'><div class='bodywrapper'>"
        f"<div class='body' role='main'><section id='page'><h1>{a.title}"
        f"<a class='headerlink' href='#page'>¶</a></h1>{a.html}</section></div></div></div>"
        f"<div class='sphinxsidebar' role='navigation'><h3>Contents</h3>{_links(_RELATED)}</div></div>"
        f"<div class='footer' role='contentinfo'>{_p(*_FOOTER)}</div>"
    )


def _wiki(a: Article) -> str:
    return (
        f"<div id='mw-navigation'><div id='mw-panel'>{_links(_MENU)}</div></div>"
        f"<div id='content' class='mw-body' role='main'><h1 id='firstHeading'>{a.title}</h1><div id='bodyContent'>"
        f"<div class='mw-parser-output'>{a.html}</div><div id='catlinks'>{_links(_RELATED)}</div></div></div>"
        f"<div id='footer' role='contentinfo'>{_p(*_FOOTER)}</div>"
    )


def _nameless(a: Article) -> str:
    return (
        f"<div class='x1a'><div class='x2b'>{_links(_MENU)}</div><div class='x3c'><div class='x4d'><h1>{a.title}</h1>"
        f"<div class='x5e'>{a.html}</div></div><div class='x6f'><h4>More</h4>{_links(_RELATED)}</div></div>"
        f"<div class='x7g'>{_p(*_FOOTER)}</div></div>"
    )


def _cards(a: Article) -> str:
    """A page builder's: each part of the article in a box of its own."""
    parts = a.html.replace("</p>", "</p></div></div><div class='row'><div class='col'>")
    return (
        f"<div class='navbar'>{_links(_MENU)}</div><div class='hero'><h1>{a.title}</h1></div>"
        f"<div class='row'><div class='col'>{parts}</div></div><div class='newsletter-signup'><p>{_LETTER}</p></div>"
        f"<div class='site-footer'>{_p(*_FOOTER)}</div>"
    )


def _portal(a: Article) -> str:
    """An intranet's: all in one form, the heading in a band of its own."""
    return (
        f"<form id='aspnetForm'><div id='s4-ribbonrow' role='banner'>{_links(_MENU)}</div>"
        f"<div id='s4-titlerow'><h1>{a.title}</h1></div><div id='s4-bodyContainer'><div id='MSO_ContentTable'>"
        f"<div class='ms-rtestate-field'>{a.html}</div></div></div><div class='ms-social'>{_links(_RELATED)}</div>"
        f"<div id='s4-footer' class='page-footer'>{_p(*_FOOTER)}</div></form>"
    )


def _beside(a: Article) -> str:
    """Other articles' beginnings, in the same dress, below the one."""
    teasers = "".join(f"<article class='teaser'><h3><a href='/r'>{text}</a></h3></article>" for text in _RELATED)
    return (
        f"<div class='top-nav'>{_links(_MENU)}</div><div class='page'><article><h1>{a.title}</h1>{a.html}</article>"
        f"<div class='recommended'>{teasers}</div></div><footer>{_p(*_FOOTER)}</footer>"
    )


_ALWAYS = (*_MENU, *_FOOTER)
LAYOUTS: Mapping[str, tuple[Callable[[Article], str], tuple[str, ...]]] = MappingProxyType({
    "semantic": (_semantic, (*_ALWAYS, _BANNER, *_COMMENTS, *_RELATED)),
    "blog": (_blog, (*_ALWAYS, _BANNER, _LETTER, *_COMMENTS, *_RELATED)),
    "flat": (_flat, (*_ALWAYS, *_RELATED)),
    "tables": (_tables, _ALWAYS),
    "manual": (_manual, (*_ALWAYS, *_RELATED)),
    "wiki": (_wiki, (*_ALWAYS, *_RELATED)),
    "nameless": (_nameless, (*_ALWAYS, *_RELATED)),
    "cards": (_cards, (*_ALWAYS, _LETTER)),
    "portal": (_portal, (*_ALWAYS, *_RELATED)),
    "beside": (_beside, (*_ALWAYS, *_RELATED)),
})  # fmt: skip


def pages() -> tuple[Page, ...]:
    return tuple(
        Page(f"{layout}/{article.name}", _html(make(article), article.title), article, around)
        for layout, (make, around) in LAYOUTS.items()
        for article in ARTICLES
    )
