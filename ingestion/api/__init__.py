"""The ingestion service over HTTP: sources, pushed documents, jobs, the directory, keys, reports."""

from fastapi import APIRouter

from ingestion.api import audit, bulk, directory, documents, issuers, jobs, keys, reports, scim, sources

router = APIRouter(prefix="/v1")
for part in (sources, bulk, documents, jobs, directory, keys, issuers, audit, reports):
    router.include_router(part.router)
router.include_router(documents.folders)

provisioning = scim.router
"""SCIM, which has a prefix of its own."""

__all__ = ["provisioning", "router"]
