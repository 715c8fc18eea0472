"""The other end of a response: what a server would have been given to send, and a client that may stop reading."""

from __future__ import annotations

import json
from typing import Any

import anyio
from starlette.types import Message


class Connection:
    """``send`` and ``receive`` of ASGI. While ``room`` is not set the client does not read."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.heard = anyio.Event()
        self.room = anyio.Event()
        self.room.set()

    async def send(self, message: Message) -> None:
        await self.room.wait()  # as uvicorn does: before it writes, not after
        self.sent.append(message)
        if message.get("body"):
            self.heard.set()

    async def receive(self) -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    @property
    def told(self) -> list[tuple[str, Any]]:
        """Name and data of each event."""
        blocks = b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body").decode().split("\n\n")
        lines = [block.split("\n") for block in blocks if block]
        return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in lines]

    @property
    def events(self) -> list[tuple[str, str | None]]:
        """Name of each event, and the code where it has one."""
        return [(name, data.get("code")) for name, data in self.told]

    @property
    def whole(self) -> bool:
        return self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body", False)
