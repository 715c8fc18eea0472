"""Classes of data: an installation's own names for what may be shown to whom (`public`, `internal`, …).

A source has one, or none; its documents are of that class when they are read, so another class needs no sync. Models
and routes say which they are for (`vouch/gateway/model_file.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

DataClass = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["internal"])]

UNCLASSIFIED = "unclassified"
"""What documents of a source without a class count as."""


def classes(told: Iterable[str | None]) -> frozenset[str]:
    """Of several documents, those without a class among them."""
    return frozenset(one or UNCLASSIFIED for one in told)
