"""Who may call each route of both services: one table, and no application starts with a route that is not in it.

A kind says what a route may do for its caller, a scope what the credential has to carry:

    public       anyone; nothing of any tenant is in the answer
    key          a credential alone; the answer holds ids, states and counts, never content
    counts       as ``key``; for a request that acts for a user also content, by their access of today
    user         the request acts for a user, by whose access of today everything in the answer is decided
    own_or_admin as ``user`` for what is one's own; with ``admin`` that it is there, without content
    own_or_counts  as ``user`` for what one owns; with ``reports`` as ``counts``
    admin        a credential alone, of an administrator; never content
    admin_as     as ``admin``, and has questions asked as any user: takes the scope ``act_as`` besides
    break_glass  acts for a user who reads one document that is not theirs, in an emergency that they account for
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from vouch.core.errors import StartFailed

Kind = Literal["public", "key", "counts", "user", "own_or_admin", "own_or_counts", "admin", "admin_as", "break_glass"]


@dataclass(frozen=True, slots=True)
class Rule:
    """``scopes``: each of them opens the route; none on a public one."""

    kind: Kind
    scopes: tuple[str, ...] = ()


PUBLIC = Rule("public")
SOURCES = Rule("key", ("sources",))
DIRECTORY = Rule("key", ("directory",))
USER = Rule("user", ("ask",))
REPORTS = Rule("counts", ("reports",))
OWN_REPORT = Rule("own_or_counts", ("ask", "reports"))
TRACES = Rule("own_or_admin", ("ask", "admin"))
GRANTS = Rule("own_or_admin", ("break_glass", "admin"))
ADMIN = Rule("admin", ("admin",))
ADMIN_AS = Rule("admin_as", ("admin",))
BREAK_GLASS = Rule("break_glass", ("break_glass",))
REVIEWS = Rule("user", ("review",))

ROUTES: dict[str, Rule] = {
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /metrics": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /docs/oauth2-redirect": PUBLIC,
    # sources, documents, jobs
    "GET /v1/connectors": SOURCES,
    "POST /v1/sources": SOURCES,
    "GET /v1/sources": SOURCES,
    "GET /v1/sources/{source_id}": SOURCES,
    "PATCH /v1/sources/{source_id}": SOURCES,
    "DELETE /v1/sources/{source_id}": SOURCES,
    "PUT /v1/sources/{source_id}/access": SOURCES,
    "POST /v1/sources/{source_id}/syncs": SOURCES,
    "GET /v1/sources/{source_id}/documents": SOURCES,
    "POST /v1/sources/{source_id}/documents": SOURCES,
    "PUT /v1/sources/{source_id}/documents/{external_id}": SOURCES,
    "PUT /v1/sources/{source_id}/documents/{external_id}/access": SOURCES,
    "DELETE /v1/sources/{source_id}/documents/{external_id}": SOURCES,
    "GET /v1/jobs": SOURCES,
    "GET /v1/jobs/{job_id}": SOURCES,
    "GET /v1/jobs/{job_id}/events": SOURCES,
    "POST /v1/jobs/{job_id}/cancel": SOURCES,
    "POST /v1/jobs/{job_id}/retry": SOURCES,
    # webhooks
    "POST /v1/webhooks": SOURCES,
    "GET /v1/webhooks": SOURCES,
    "GET /v1/webhooks/{webhook_id}": SOURCES,
    "PATCH /v1/webhooks/{webhook_id}": SOURCES,
    "DELETE /v1/webhooks/{webhook_id}": SOURCES,
    "POST /v1/webhooks/{webhook_id}/secret": SOURCES,
    "POST /v1/webhooks/{webhook_id}/test": SOURCES,
    "GET /v1/webhooks/{webhook_id}/deliveries": SOURCES,
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver": SOURCES,
    # reports
    "GET /v1/reports/staleness": OWN_REPORT,
    "GET /v1/reports/staleness/group": REPORTS,
    "GET /v1/reports/schedule": ADMIN,
    "PUT /v1/reports/schedule": ADMIN,
    "GET /v1/reports/deliveries": ADMIN,
    "POST /v1/reports/deliveries": ADMIN,
    "POST /v1/reports/deliveries/retry": ADMIN,
    # mail; what is public is opened by a token that is good for this alone
    "GET /v1/mail": USER,
    "PUT /v1/mail/address": USER,
    "DELETE /v1/mail/address": USER,
    "PUT /v1/mail/subscription": USER,
    "GET /mail/confirm": PUBLIC,
    "POST /mail/confirm": PUBLIC,
    "GET /mail/unsubscribe": PUBLIC,
    "POST /mail/unsubscribe": PUBLIC,
    # the directory
    "PUT /v1/directory/users/{user_id}": DIRECTORY,
    "DELETE /v1/directory/users/{user_id}": DIRECTORY,
    "PUT /v1/directory/groups/{group_id}": DIRECTORY,
    "DELETE /v1/directory/groups/{group_id}": DIRECTORY,
    "POST /v1/directory/groups/{group_id}/members": DIRECTORY,
    "GET /v1/directory/groups/{group_id}/managers": DIRECTORY,
    "POST /v1/directory/groups/{group_id}/managers": DIRECTORY,
    "GET /v1/directory/users/{user_id}/mail": DIRECTORY,
    "POST /v1/directory/users/{user_id}/mail": DIRECTORY,
    "GET /scim/v2/{issuer}/ServiceProviderConfig": DIRECTORY,
    "GET /scim/v2/{issuer}/ResourceTypes": DIRECTORY,
    "GET /scim/v2/{issuer}/Schemas": DIRECTORY,
    "GET /scim/v2/{issuer}/Users": DIRECTORY,
    "POST /scim/v2/{issuer}/Users": DIRECTORY,
    "GET /scim/v2/{issuer}/Users/{resource_id}": DIRECTORY,
    "PUT /scim/v2/{issuer}/Users/{resource_id}": DIRECTORY,
    "PATCH /scim/v2/{issuer}/Users/{resource_id}": DIRECTORY,
    "DELETE /scim/v2/{issuer}/Users/{resource_id}": DIRECTORY,
    "GET /scim/v2/{issuer}/Groups": DIRECTORY,
    "POST /scim/v2/{issuer}/Groups": DIRECTORY,
    "GET /scim/v2/{issuer}/Groups/{resource_id}": DIRECTORY,
    "PUT /scim/v2/{issuer}/Groups/{resource_id}": DIRECTORY,
    "PATCH /scim/v2/{issuer}/Groups/{resource_id}": DIRECTORY,
    "DELETE /scim/v2/{issuer}/Groups/{resource_id}": DIRECTORY,
    # what is asked and read
    "POST /v1/search": USER,
    "POST /v1/ask": USER,
    "GET /v1/answers/{answer_id}": USER,
    "GET /v1/answers/{answer_id}/citations": USER,
    "POST /v1/answers/{answer_id}/feedback": USER,
    "GET /v1/conversations/{conversation_id}": USER,
    "GET /v1/documents/{document_id}": USER,
    "GET /v1/documents/{document_id}/text": USER,
    "GET /v1/documents/{document_id}/similar": USER,
    "POST /v1/documents/{document_id}/review": USER,
    "GET /v1/notifications": USER,
    "POST /v1/notifications/{notification_id}/seen": USER,
    "GET /v1/traces/{trace_id}": TRACES,
    "GET /v1/evals/proposals": USER,
    # administration
    "POST /v1/keys": ADMIN,
    "GET /v1/keys": ADMIN,
    "DELETE /v1/keys/{key_id}": ADMIN,
    "GET /v1/issuers": ADMIN,
    "GET /v1/issuers/{issuer_id}": ADMIN,
    "PUT /v1/issuers/{issuer_id}": ADMIN,
    "DELETE /v1/issuers/{issuer_id}": ADMIN,
    "GET /v1/access/explain": ADMIN,
    "GET /v1/access/readers": ADMIN,
    "GET /v1/access/readable": ADMIN,
    "GET /v1/access/changes": ADMIN,
    "GET /v1/answers/{answer_id}/replay": ADMIN,
    "GET /v1/audit": ADMIN,
    "GET /v1/audit/head": ADMIN,
    "GET /v1/audit/verify": ADMIN,
    "POST /v1/audit/verify": ADMIN,
    "GET /v1/index/generations": ADMIN,
    "POST /v1/index/generations": ADMIN,
    "GET /v1/index/generations/{generation_id}": ADMIN,
    "DELETE /v1/index/generations/{generation_id}": ADMIN,
    "POST /v1/index/generations/{generation_id}/swap": ADMIN,
    "POST /v1/index/generations/{generation_id}/compare": ADMIN,
    # spending
    "GET /v1/usage": ADMIN,
    "GET /v1/budgets": ADMIN,
    "PUT /v1/budgets": ADMIN,
    "DELETE /v1/budgets/{budget_id}": ADMIN,
    # releases of profiles
    "GET /v1/releases": ADMIN,
    "PUT /v1/releases": ADMIN,
    "POST /v1/releases/rollback": ADMIN,
    "GET /v1/releases/history": ADMIN,
    "GET /v1/releases/comparison": ADMIN,
    # evaluation sets
    "POST /v1/evals/sets": ADMIN_AS,
    "GET /v1/evals/sets": ADMIN,
    "GET /v1/evals/sets/{set_id}": ADMIN,
    "PATCH /v1/evals/sets/{set_id}": ADMIN_AS,
    "DELETE /v1/evals/sets/{set_id}": ADMIN,
    "POST /v1/evals/sets/{set_id}/runs": ADMIN_AS,
    "GET /v1/evals/sets/{set_id}/runs": ADMIN,
    "GET /v1/evals/sets/{set_id}/runs/{run_id}": ADMIN,
    # answers that a person approves; by what the reviewer may read, and never one's own
    "GET /v1/approvals": REVIEWS,
    "GET /v1/approvals/{approval_id}": REVIEWS,
    "POST /v1/approvals/{approval_id}/claim": REVIEWS,
    "POST /v1/approvals/{approval_id}/edit": REVIEWS,
    "POST /v1/approvals/{approval_id}/release": REVIEWS,
    "POST /v1/approvals/{approval_id}/reject": REVIEWS,
    # reading in an emergency
    "POST /v1/break-glass": BREAK_GLASS,
    "GET /v1/break-glass": GRANTS,
    "DELETE /v1/break-glass/{grant_id}": GRANTS,
    "GET /v1/break-glass/{grant_id}/document": BREAK_GLASS,
    "GET /v1/break-glass/{grant_id}/text": BREAK_GLASS,
}


def names(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """``METHOD /path/{id}`` of each route, as the table writes it. HEAD goes with its GET."""
    for route in iter_route_contexts(routes):
        methods = route.methods or {"*"}  # a socket or a mounted application: never in the table
        yield from (f"{method} {route.path_format or route.path}" for method in methods - {"HEAD"})


def require_classified(routes: Sequence[BaseRoute]) -> None:
    """Raises :class:`StartFailed` for a route that nobody has decided about."""
    unknown = sorted(set(names(routes)) - ROUTES.keys())
    if unknown:
        raise StartFailed(f"The table of routes does not say who may call {', '.join(unknown)}.")
