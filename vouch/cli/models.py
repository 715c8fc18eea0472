"""`vouch models`: the chat models that the settings name, and whether each answers and quotes as it must."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from vouch.cli import output
from vouch.cli.output import AsJson
from vouch.core.settings import Settings

if TYPE_CHECKING:
    from vouch.core.types import Json
    from vouch.gateway.chat import ChatReply, DraftRequest
    from vouch.gateway.gateway import Gateway
    from vouch.gateway.model_file import ModelFile

_QUESTION = "How many days may a bicycle be borrowed?"
_PASSAGES = (
    ("Bicycles", "A bicycle may be borrowed for up to 14 days. The lock comes with it."),
    ("Tents", "A tent may be borrowed for a weekend."),
)
_LONGEST_S = 120.0


def models(
    try_: Annotated[bool, typer.Option("--try", help="Put a question to each model, which may cost money.")] = False,
    json: AsJson = False,
) -> None:
    """List the chat models of the settings and their routes; with --try, see which of them answer. Needs no
    platform."""
    from vouch.gateway.gateway import Gateway
    from vouch.gateway.model_file import read_models

    settings = Settings()
    file = read_models(settings)
    gateway = Gateway.open(settings)
    try:
        tried = {name: _try(gateway, name) for name in gateway.models} if try_ else {}
    finally:
        gateway.close()
    found = list(_listed(file, tried)) if file else []
    if json:
        routes = [route.model_dump(mode="json") for route in file.routes] if file else []
        output.as_json({"currency": file.currency if file else None, "models": found, "routes": routes})
    elif not found:
        output.note("No chat model is set: answers are the documents' own sentences.")
    else:
        columns = ("name", "provider", "model", "input", "output", *(("outcome", "ms", "cost") if try_ else ()))
        output.table([column.upper() for column in columns], [[one[column] for column in columns] for one in found])
    if any(one["outcome"] != "answered" for one in tried.values()):
        raise typer.Exit(1)


def _listed(file: ModelFile, tried: dict[str, Json]) -> Iterator[Json]:
    for name, spec in file.models.items():
        price = {"input": f"{spec.price.input:f}", "output": f"{spec.price.output:f}"}
        yield {"name": name, "provider": spec.provider, "model": spec.model, **price, **tried.get(name, {})}


def _try(gateway: Gateway, name: str) -> Json:
    from vouch.core.deadline import Deadline
    from vouch.core.errors import ModelUnavailable

    began = time.perf_counter()
    request = _request()
    try:
        reply = gateway.write(name, request, Deadline.of(_LONGEST_S))
    except ModelUnavailable as error:
        return {"outcome": error.extra["reason"], "ms": _ms(began), "cost": None}
    cost = gateway.cost(name, reply.usage.input_tokens, reply.usage.output_tokens)
    return {
        "outcome": "answered" if _quotes_hold(reply, request) else "misquoted",
        "ms": _ms(began),
        "cost": f"{cost.normalize():f}",
    }


def _request() -> DraftRequest:
    from retrieval.prompts import ANSWER, prompt
    from vouch.gateway.chat import DraftRequest, PassageText

    passages = tuple(PassageText(str(n), title, text) for n, (title, text) in enumerate(_PASSAGES, 1))
    # The passages are nobody's documents: whatever a model may be shown, it may be shown these.
    return DraftRequest(_QUESTION, passages, prompt(ANSWER), data_classes=frozenset())


def _quotes_hold(reply: ChatReply, request: DraftRequest) -> bool:
    """At least one, and each in the passage that it is said to be from."""
    texts = {passage.id: passage.text for passage in request.passages}
    quoted = [one for claim in reply.draft.claims for one in claim.citations]
    return bool(quoted) and all(one.quote in texts.get(one.passage, "") for one in quoted)


def _ms(began: float) -> int:
    return round(1000 * (time.perf_counter() - began))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(models)
