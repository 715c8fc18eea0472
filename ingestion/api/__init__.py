"""The ingestion service over HTTP: sources, pushed documents, jobs, the directory, keys."""

from fastapi import APIRouter

from ingestion.api import directory, documents, jobs, keys, sources

router = APIRouter(prefix="/v1")
for part in (sources, documents, jobs, directory, keys):
    router.include_router(part.router)

__all__ = ["router"]
