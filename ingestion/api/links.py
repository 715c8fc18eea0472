"""`/mail/…`: where links in mail lead. No login is asked for: a signed token says which message it was.

A link is looked at by programs that guard mailboxes before a person does, so GET changes nothing and looks nothing
up: it shows a button. The button, and a mail program's own (RFC 8058), POST.
"""

from __future__ import annotations

from html import escape
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

from ingestion.api.requests import ServicesDep
from ingestion.mail.links import opened
from ingestion.mail.recipients import confirm, unsubscribe
from ingestion.reports.html import page
from ingestion.services import Services
from vouch.catalog import audit
from vouch.core.errors import NotFound
from vouch.serving.problems import problem_response
from vouch.serving.responses import problems

router = APIRouter(prefix="/mail", tags=["mail"], default_response_class=HTMLResponse)
Purpose = Literal["confirm", "unsubscribe"]
Token = Annotated[str, Query(max_length=400, description="As it stands in the mail.")]
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: told for status, told in problems(NotFound).items() if status in (404, 422, 503)
}
"""Nobody signs in here, so nothing is said of that."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is worth something
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
}
_BUTTON = {"confirm": "Yes, this is my address", "unsubscribe": "Send me no more reports"}
_DONE = {
    "confirm": "Reports will come to this address from now on.",
    "unsubscribe": "You will get no more reports. You can have them again whenever you like.",
}
_OVER = "This link is over, or not whole. If you meant to use it, ask for another one."
_ASKED = {"confirm": "Is this your address?", "unsubscribe": "No more reports?"}
assert set(_BUTTON) == set(get_args(Purpose))


@router.get("/confirm", responses=_ERRORS)
def show_confirm(token: Token = "") -> Response:
    """A page with a button that confirms an address. It looks nothing up."""
    return _asking("confirm", token)


@router.post("/confirm", responses=_ERRORS)
def post_confirm(request: Request, services: ServicesDep, token: Token = "") -> Response:
    """Confirm an address: reports may be sent there. The token is good once, for two days."""
    return _done(request, services, "confirm", token)


@router.get("/unsubscribe", responses=_ERRORS)
def show_unsubscribe(token: Token = "") -> Response:
    """A page with a button that ends reports. It looks nothing up."""
    return _asking("unsubscribe", token)


@router.post("/unsubscribe", responses=_ERRORS)
def post_unsubscribe(request: Request, services: ServicesDep, token: Token = "") -> Response:
    """End the reports of whom a mail was sent to (RFC 8058, one click); nothing else. Whatever the body says."""
    return _done(request, services, "unsubscribe", token)


def _asking(purpose: Purpose, token: str) -> Response:
    button = (
        f'<form method="post" action="?token={escape(token)}"><button style="font-size:16px;padding:10px 18px">'
        f"{_BUTTON[purpose]}</button></form>"
    )
    return HTMLResponse(page(_ASKED[purpose], f"<h1>{_ASKED[purpose]}</h1>{button}"), headers=_HEADERS)


def _done(request: Request, services: Services, purpose: Purpose, token: str) -> Response:
    try:
        tenant, delivery_id = opened(services.settings.mail_keys, purpose, token)
        with services.catalog.transaction(tenant) as session:
            user = (confirm if purpose == "confirm" else unsubscribe)(session, tenant, delivery_id)
            action = "mail.address" if purpose == "confirm" else "mail.subscription"
            said = {"set": True} if purpose == "confirm" else {"subscribed": False}
            audit.append(
                session, tenant, chain="use", actor=f"{user} via mail", action=action, subject=user,
                detail={**said, "delivery": delivery_id},
            )  # fmt: skip
    except NotFound as error:
        if "text/html" not in request.headers.get("accept", ""):
            return problem_response(error)
        return HTMLResponse(page("Over", f"<p>{_OVER}</p>"), NotFound.status, _HEADERS)
    return HTMLResponse(page("Done", f"<p>{_DONE[purpose]}</p>"), headers=_HEADERS)
