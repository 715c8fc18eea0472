"""A world whose answers are written by a chat server of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.retrieval.world import World
from vouch.core.settings import Settings
from vouch.gateway.fake_chat import FakeChat
from vouch.gateway.gateway import Gateway


@contextmanager
def chatting(world: World, *behaviours: str) -> Iterator[FakeChat]:
    with FakeChat(*behaviours) as server:
        settings = Settings(
            data_dir=world.services.settings.data_dir, chat_url=server.url, chat_model="fake", chat_timeout_s=5
        )
        gateway = Gateway.open(settings)
        world.use(gateway=gateway)
        try:
            yield server
        finally:
            gateway.close()
