"""What the stages from fetch to chunk have in common: the work on each document alone, and what is written of several.

look, one snapshot for all ─▶ make, each by itself and outside of any transaction ─▶ write, one transaction for all
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlmodel import Session

from ingestion.services import Services
from vouch.catalog.ledger import Lease


class Sized(Protocol):
    @property
    def size(self) -> int:
        """Bytes that it holds, about."""


Found = TypeVar("Found")
Made = TypeVar("Made", bound=Sized)


@dataclass(frozen=True, slots=True)
class Step(Generic[Found, Made]):
    """One stage. Its leases are always of one tenant, each for another document."""

    look: Callable[[Services, Session, Sequence[Lease]], dict[str, Found]]
    """What the catalog says, by document. One that is not there is not wanted any more."""
    make: Callable[[Services, Lease, Found], Made | None]
    """What is to be written; None for what turns out to be gone. Raises what is the matter with the document."""
    write: Callable[[Services, Session, Sequence[tuple[Lease, Made]]], list[Lease]]
    """All or nothing. Returns what is next, in hand or ready for anyone; puts away what is not wanted any more."""


AnyStep = Step[Any, Any]
