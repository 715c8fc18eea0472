"""A GitLab whose time passes only by being slept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.connectors.gitlab.lab import Lab, lab
from tests.connectors.seen import unhurried


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    return unhurried(monkeypatch)


@pytest.fixture
def gitlab(slept: list[float]) -> Iterator[Lab]:
    with lab() as found:
        yield found
