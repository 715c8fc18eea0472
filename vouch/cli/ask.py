"""`vouch ask` and `vouch search`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import typer

from vouch.cli import output
from vouch.cli.connection import AsUser, connect
from vouch.cli.output import AsJson, line
from vouch.client import Answer, Citation, Client, Hit, Notice, SearchResult, Step
from vouch.core.errors import Forbidden

FACETS = ("source", "type", "owner", "language", "year", "freshness")
_SPACES = re.compile(r"\s+")

Only = Annotated[list[str] | None, typer.Option("--source", help="Only this source, by name or id; may be repeated.")]


def ask(
    question: Annotated[str, typer.Argument(help="Up to 4,000 characters.")],
    as_user: AsUser = None,
    source: Only = None,
    conversation: Annotated[
        str | None, typer.Option(help="An id of your own for questions that belong together.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Written anew, whatever was answered before.")] = False,
    json: AsJson = False,
) -> None:
    """Ask a question. Exit status 1 when there is no answer, or none yet."""
    with connect(as_user) as vouch:
        options: dict[str, Any] = {"filter": _filter(vouch, source), "conversation_id": conversation}
        options |= {"fresh": True} if fresh else {}
        answer = _watched(vouch, question, options) if output.on_terminal() else vouch.ask(question, **options)
    if json:
        output.as_json(answer)
    else:
        print_answer(answer)
    if answer.kind == "abstention" or answer.status != "released":
        raise typer.Exit(1)


def answer(
    answer_id: Annotated[str, typer.Argument(metavar="ANSWER_ID", help="The answer's id.")],
    as_user: AsUser = None,
    json: AsJson = False,
) -> None:
    """Print an answer of yours again, such as one that a person had to approve. Exit status 1 when there is none."""
    with connect(as_user) as vouch:
        found = vouch.answer(answer_id)
    if json:
        output.as_json(found)
    else:
        print_answer(found)
    if found.kind == "abstention" or found.status != "released":
        raise typer.Exit(1)


def _watched(vouch: Client, question: str, options: dict[str, Any]) -> Answer:
    """The steps are shown while they last. What is printed stays, so it is printed when the whole is released."""
    with output.console().status("…") as status:
        for event in vouch.ask_stream(question, **options):
            if isinstance(event, Step):
                status.update(f"{event.name} …")
            if isinstance(event, Answer):
                return event
    raise AssertionError("a stream ends with its answer or raises")


def print_answer(answer: Answer, *, indent: str = "") -> None:
    """The text, then numbered citations with title, place and quote, then what the reader should know of them."""
    if answer.status == "awaiting_review":
        line(
            f"{indent}A person has to approve the answer first. Read it then: vouch answer {answer.answer_id}", "yellow"
        )
    elif answer.status == "rejected":
        line(f"{indent}A reviewer rejected the answer: {answer.reason}", "yellow")
    elif answer.abstention is not None:
        line(f"{indent}No answer ({answer.abstention.reason}): {answer.abstention.missing or answer.text}", "yellow")
        if answer.abstention.ask:
            line(f"{indent}The nearest documents are owned by {', '.join(answer.abstention.ask)}.", "yellow")
    else:
        line(textwrap.indent(answer.text, indent), "bold")
    print_citations(answer.citations, answer.notices, indent=indent)


def print_citations(citations: Iterable[Citation], notices: Iterable[Notice], *, indent: str = "") -> None:
    """Numbered, with title, place and quote; then what the reader should know of them."""
    for citation in citations:
        _print_citation(citation, indent)
    for notice in notices:
        line(f"{indent}Note ({notice.kind}): {notice.text}", "yellow")


def _print_citation(citation: Citation, indent: str) -> None:
    line()
    place = citation.place or f"characters {citation.span.start}–{citation.span.end}"
    line(f"{indent}[{citation.n}] {citation.title}, {place}", "cyan")
    quote = f"\n{indent}     ".join(citation.quote.splitlines())
    line(f"{indent}    “{quote}”")
    line(f"{indent}    {citation.uri or citation.external_id}", "dim")


def search(
    query: Annotated[
        str, typer.Argument(help='Words, "phrases", -words left out, filters such as type:pdf; up to 4,000 characters.')
    ] = "",
    as_user: AsUser = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Passages to show.")] = 10,
    mode: Annotated[Literal["hybrid", "dense", "lexical"], typer.Option(help="Which index to search.")] = "hybrid",
    rerank: Annotated[bool, typer.Option(help="Rank the candidates again.")] = True,
    source: Only = None,
    facets: Annotated[bool, typer.Option("--facets", help="Count the documents that fit, too.")] = False,
    like: Annotated[str | None, typer.Option(metavar="DOCUMENT_ID", help="What is like this document.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="The query is words alone, whatever stands in it.")] = False,
    json: AsJson = False,
) -> None:
    """Find passages. Exit status 1 when there are none."""
    more: dict[str, Any] = {"facets": list(FACETS)} if facets else {}
    more |= {"like": like} if like else {}
    more |= {"syntax": "plain"} if plain else {}
    with connect(as_user) as vouch:
        found = vouch.search(query, limit=limit, mode=mode, rerank=rerank, filter=_filter(vouch, source), **more)
    if json:
        output.as_json(found)
    else:
        for one in found.read_as:
            output.note(f"Searched for “{one.instead}” instead of “{one.typed}”.")
        for n, hit in enumerate(found.hits, 1):
            _print_hit(n, hit)
        _print_facets(found)
    if not found.hits:
        if not json:
            output.note("Nothing that you may read fits.")
        raise typer.Exit(1)


def _print_hit(n: int, hit: Hit) -> None:
    place = hit.place or f"characters {hit.span.start}–{hit.span.end}"
    line(f"{n}. {hit.title}, {place}  ({hit.score:.3f})", "cyan")
    output.pieces([("   ", ""), *_shown(hit)])
    line(f"   {hit.uri or hit.external_id}", "dim")


def _shown(hit: Hit) -> Iterator[tuple[str, str]]:
    """The snippet on one line, in pieces; what is highlighted in bold."""
    start, end = (hit.snippet.start, hit.snippet.end) if hit.snippet else (0, min(300, len(hit.text)))
    if start > 0:
        yield "…", ""
    at = start
    for mark in hit.highlights:
        if mark.start >= at and mark.end <= end:
            yield _SPACES.sub(" ", hit.text[at : mark.start]), ""
            yield _SPACES.sub(" ", hit.text[mark.start : mark.end]), "bold"
            at = mark.end
    yield _SPACES.sub(" ", hit.text[at:end]), ""
    if end < len(hit.text):
        yield "…", ""


def _print_facets(found: SearchResult) -> None:
    if found.matched is None or found.facets is None:
        return
    line()
    fit = "1 document fits" if found.matched.documents == 1 else f"{found.matched.documents} documents fit"
    line(f"{fit}." if found.matched.exact else f"{fit}, at least.")
    rows = [(facet, one.name or one.value, one.documents) for facet, values in found.facets.items() for one in values]
    output.table(("facet", "value", "documents"), rows)


def _filter(vouch: Client, sources: list[str] | None) -> dict[str, Any]:
    return {} if not sources else {"source": [_source_id(vouch, source) for source in sources]}


def _source_id(vouch: Client, source: str) -> str:
    """The platform filters by id, people know names. Only a key with the scope `sources` can look one up."""
    try:
        return vouch.sources.get(source).id
    except Forbidden:
        return source


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(ask)
    app.command()(answer)
    app.command()(search)
