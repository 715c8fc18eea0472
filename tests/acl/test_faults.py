"""The tests bite: each seeded fault in the code that decides access makes the check named beside it fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.acl.checks import CHECKS, Checks
from tests.acl.faults import FAULTS
from tests.acl.seeding import Fault
from tests.conftest import fresh_database
from tests.retrieval.world import open_world
from vouch.catalog.database import Catalog
from vouch.core.settings import Settings
from vouch.gateway.embed import Embedder


@pytest.fixture(scope="module")
def probe(
    servers: Settings, migrated: str, embedder: Embedder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Checks]:
    """One company for all faults: no check meets what another has made."""
    with fresh_database(servers, migrated) as url:
        catalog = Catalog(url, audit_key=b"of the tests")
        for world in open_world(catalog, embedder, tmp_path_factory.mktemp("probe")):
            yield Checks(world)
        catalog.close()


@pytest.mark.parametrize("check", CHECKS)
def test_without_a_fault_every_check_passes(probe: Checks, check: str) -> None:
    getattr(probe, f"check_{check}")()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_fault_is_caught(probe: Checks, fault: Fault) -> None:
    with fault.seeded(), pytest.raises(AssertionError):
        getattr(probe, f"check_{fault.check}")()


def test_there_are_enough_and_each_has_a_name_of_its_own() -> None:
    assert len(FAULTS) >= 35
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1
    assert {fault.check for fault in FAULTS} == set(CHECKS)
