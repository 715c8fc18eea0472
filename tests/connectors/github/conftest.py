"""A GitHub whose time passes only by being slept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.github.hub import Hub, hub
from tests.connectors.seen import unhurried


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    return unhurried(monkeypatch)


@pytest.fixture
def github(slept: list[float]) -> Iterator[Hub]:
    with hub() as found:
        yield found
