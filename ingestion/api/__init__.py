"""The ingestion service over HTTP: sources, pushed documents, jobs, the directory, keys, reports, mail, webhooks, index
generations, evaluation sets."""

from fastapi import APIRouter

from ingestion.api import (
    audit,
    bulk,
    directory,
    documents,
    evals,
    generations,
    group_report,
    issuers,
    jobs,
    keys,
    links,
    mail,
    reports,
    scim,
    sources,
    webhooks,
)

router = APIRouter(prefix="/v1")
for part in (
    sources,
    bulk,
    documents,
    jobs,
    directory,
    keys,
    issuers,
    audit,
    reports,
    group_report,
    mail,
    webhooks,
    generations,
    evals,
):
    router.include_router(part.router)
router.include_router(documents.folders)

provisioning = scim.router
"""SCIM, which has a prefix of its own."""

from_mail = links.router
"""Where links in mail lead, without a login."""

__all__ = ["from_mail", "provisioning", "router"]
