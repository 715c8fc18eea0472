"""Push: documents come in over the REST API, one at a time; there is nothing to scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from connectors.protocol import Membership
from vouch.core.errors import NotFound
from vouch.core.types import Body, Change, Json


class PushConfig(BaseModel):
    """Nothing to configure."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PushConnector:
    """A source whose documents are pushed. What was pushed is kept as it came, so a fetch has nowhere to look."""

    kind: ClassVar[str] = "push"
    Config: ClassVar[type[BaseModel]] = PushConfig
    lists_everything: ClassVar[bool] = False

    def __init__(self, config: PushConfig) -> None:
        self.config = config

    def scan(self, cursor: Json | None) -> Iterator[Change]:
        yield from ()

    def fetch(self, external_id: str) -> Body:
        raise NotFound("A pushed document has no other place to be fetched from.")

    def memberships(self) -> Iterator[Membership]:
        yield from ()
