"""Somebody's objects of every kind that a request can name, made over HTTP by who they belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from acl.keys import SCOPES, create_key
from tests.platform.conftest import Platform, acting
from vouch.catalog.database import ACROSS_TENANTS, Catalog
from vouch.catalog.tables import Tenant
from vouch.core.ids import new_id
from vouch.embedded.addresses import database_url


@dataclass(frozen=True)
class Objects:
    """``ids`` by what a request calls them; ``marks``: words that stand in the content and nowhere else."""

    owner: str
    ids: dict[str, str]
    marks: tuple[str, ...]


def key(platform: Platform, *scopes: str, tenant: str | None = None, **given: Any) -> str:
    """A new key's secret, written straight into the catalog; of the platform's own tenant unless another is named."""
    settings = platform.settings
    assert settings.secret_key is not None
    catalog = Catalog(database_url(settings), audit_key=settings.audit_key)
    tenant = tenant or settings.tenant
    try:
        with catalog.transaction(tenant) as session:
            return create_key(
                session, settings.secret_key.get_secret_value(), tenant, name="test", scopes=scopes, actor="test",
                **given,
            ).secret  # fmt: skip
    finally:
        catalog.close()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@contextmanager
def holding(platform: Platform, secret: str) -> Iterator[Platform]:
    """The same platform, for who holds another key."""
    with httpx.Client(base_url=platform.http.base_url, headers=bearer(secret), timeout=30) as http:
        yield Platform(platform.running, http, platform.tenant)


@contextmanager
def everything(platform: Platform, tenant: str | None = None) -> Iterator[Platform]:
    """For a key with every scope, of a second tenant where one is named; it is made if it is not there."""
    if tenant is not None:
        catalog = Catalog(database_url(platform.settings))
        with catalog.transaction(ACROSS_TENANTS) as session:
            if session.get(Tenant, tenant) is None:
                session.add(Tenant(id=tenant, name=tenant))
        catalog.close()
    with holding(platform, key(platform, *SCOPES, tenant=tenant)) as held:
        yield held


def make(platform: Platform, owner: str) -> Objects:
    """A user, and one object of each kind that is theirs alone. ``platform`` holds a key with every scope."""
    mark, salt = f"quokka{new_id()[-6:]}", new_id()[-8:]
    group, source_name, external = f"group-{salt}", f"source-{salt}", f"paper-{salt}"
    user = f"user:{owner}"
    for name in (owner, f"{owner}-watch"):
        platform.ok("PUT", f"/v1/directory/users/{name}", json={"name": name})
    platform.ok("PUT", f"/v1/directory/groups/{group}", json={"name": group, "members": [user]})
    source = platform.source(source_name)
    body = {
        "text": f"# Census\n\nThe colony of the {mark} counts 412 breeding pairs this year.\n",
        "title": f"Census {salt}",
        "owner": user,
        "access": [{"allow": [user]}],
    }
    job = platform.ok("PUT", f"/v1/sources/{source}/documents/{external}", json=body)["job_id"]
    assert platform.ended(job)["state"] == "succeeded"
    question = f"How many breeding pairs does the colony of the {mark} count?"
    conversation = f"talk-{salt}"
    answer = platform.ask(owner, question, conversation_id=conversation)
    assert answer["kind"] == "answer", answer
    document = answer["citations"][0]["document_id"]
    asked = {"document_id": document, "reason": "Nobody else can be reached.", "minutes": 30}
    grant = platform.ok("POST", "/v1/break-glass", headers=acting(f"{owner}-watch"), json=asked)
    notices = platform.ok("GET", "/v1/notifications", headers=acting(owner))["notifications"]
    issuer, person = f"issuer-{salt}", f"person-{salt}"
    platform.ok("PUT", f"/v1/issuers/{issuer}", json={})
    scim = f"/scim/v2/{issuer}"
    scim_user = platform.ok("POST", f"{scim}/Users", json={"userName": person})["id"]
    members = [{"value": scim_user}]
    scim_group = platform.ok("POST", f"{scim}/Groups", json={"displayName": f"team-{salt}", "members": members})["id"]
    told = {"url": "https://hooks.invalid/vouch", "events": ["job.ended"]}  # a name that leads nowhere
    webhook = platform.ok("POST", "/v1/webhooks", json=told)["id"]
    question = {"id": "q", "text": mark, "documents": [{"source_id": source, "external_id": external}]}
    measured = {"name": f"evals-{salt}", "user": user, "questions": [question]}
    eval_set = platform.ok("POST", "/v1/evals/sets", json=measured)["id"]
    shared = {**body, "text": f"# Nests\n\nThe {mark} builds 97 nests a year.\n", "title": f"Nests {salt}",
              "access": [{"allow": [user, f"{user}-watch"]}]}  # fmt: skip
    pushed = platform.ok("PUT", f"/v1/sources/{source}/documents/nests-{salt}", json=shared)["job_id"]
    assert platform.ended(pushed)["state"] == "succeeded"
    waiting = platform.ask(f"{owner}-watch", f"How many nests does the {mark} build a year?", workflow="reviewed")
    assert waiting["status"] == "awaiting_review", waiting
    ids = {
        "approval_id": waiting["answer_id"],
        "budget_id": platform.ok("PUT", "/v1/budgets", json={"scope": "user", "subject": user, "tokens": 10})["id"],
        "set_id": eval_set, "run_id": platform.ok("POST", f"/v1/evals/sets/{eval_set}/runs")["id"],
        "webhook_id": webhook, "delivery_id": platform.ok("POST", f"/v1/webhooks/{webhook}/test")["id"],
        "issuer_id": issuer, "scim_user_id": scim_user, "scim_group_id": scim_group, "person": person,
        "source_id": source, "source_name": source_name, "external_id": external, "job_id": job, "user_id": owner,
        "user": user, "group_id": group, "group": f"group:{group}", "document_id": document,
        "answer_id": answer["answer_id"], "trace_id": answer["trace_id"], "conversation_id": conversation,
        "grant_id": grant["id"], "notification_id": notices[0]["id"],
        "key_id": platform.ok("POST", "/v1/keys", json={"name": f"key-{salt}", "scopes": ["ask"], "user": user})["id"],
    }  # fmt: skip
    return Objects(owner, ids, (mark, "breeding pairs"))
