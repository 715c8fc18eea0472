"""Every error leaves as RFC 9457 problem+json with a stable code."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vouch.core.errors import InvalidInput, MethodNotAllowed, NotFound, UnknownField, VouchError

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
WHOLE_BODY = "body"
"""The field that is named when the fault lies in no single one."""


def problem_response(error: VouchError) -> JSONResponse:
    headers = {"Cache-Control": "no-store"}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if error.retryable:
        headers["Retry-After"] = "1"
    return JSONResponse(error.problem(), error.status, headers, media_type=MEDIA_TYPE)


def invalid(faults: Sequence[Any]) -> VouchError:
    """The first fault that pydantic found, in the request's own words."""
    first: dict[str, Any] = faults[0]
    if first["type"] == "json_invalid":
        said = first.get("ctx", {}).get("error", "it ends too early")
        return InvalidInput(f"The body is not JSON: {said}", field=WHOLE_BODY)
    field = ".".join(map(str, first["loc"])) or WHOLE_BODY
    if first["type"] == "extra_forbidden":
        return UnknownField(f"{field} is not a field here", field=field)
    if field == WHOLE_BODY and first["type"] in ("model_type", "model_attributes_type", "dict_type", "missing"):
        return InvalidInput("The body has to be JSON of the documented shape, sent as application/json", field=field)
    return InvalidInput(str(first["msg"]).removeprefix("Value error, "), field=field)


async def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VouchError)
    if error.status >= 500:
        log.warning("%s: %s", error.code, error.detail, exc_info=error)
    return problem_response(error)


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Each path begins with where the input came in: body, query, path or header. People know that.
    return problem_response(invalid([{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]))


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem_response(NotFound())
    if error.status_code == 405:
        return problem_response(MethodNotAllowed())
    return problem_response(InvalidInput(str(error.detail), field=WHOLE_BODY))


async def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    log.error("unforeseen", exc_info=error)
    return problem_response(VouchError("The platform failed in a way it did not foresee; the log has it."))


def install_problems(app: FastAPI) -> None:
    """Route every exception of ``app`` to problem+json."""
    app.add_exception_handler(VouchError, _ours)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
