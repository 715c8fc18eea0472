"""Each test of retrieval has a company of its own: a fresh database, an empty index, the real embedder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.retrieval.world import World, open_world
from vouch.catalog.database import Catalog
from vouch.gateway.embed import Embedder

PARENTAL = (
    "Parental leave at Acme is for every parent, by birth or adoption.\n\n"
    "Every parent may take 20 weeks of paid parental leave in the first two years.\n\n"
    "Requests go to the people team six weeks ahead."
)
TRAVEL = (
    "Travel at Acme is booked through the travel desk.\n\n"
    "Hotel costs are reimbursed up to 140 euros per night.\n\n"
    "Trains are preferred over flights for journeys under five hours."
)
OFFICE = (
    "The Berlin office opens at 8 in the morning and closes at 20.\n\n"
    "Visitors sign in at the front desk and wear a badge.\n\n"
    "The kitchen on the third floor is shared with our neighbours."
)


@pytest.fixture
def empty(catalog: Catalog, embedder: Embedder, tmp_path: Path) -> Iterator[World]:
    """People and a source, no documents."""
    yield from open_world(catalog, embedder, tmp_path)


@pytest.fixture
def world(empty: World) -> World:
    """Travel and office rules for everyone; parental leave for the group hr (Alice) alone."""
    empty.document("Travel", TRAVEL, project=False)
    empty.document("Office", OFFICE, project=False)
    empty.document("Parental leave", PARENTAL, allow=("group:hr",))
    return empty
