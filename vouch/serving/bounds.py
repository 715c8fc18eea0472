"""What is refused before anything reads a body: one that is too large, one from nobody."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vouch.core.errors import PayloadTooLarge, Unauthenticated
from vouch.serving.problems import problem_response


class _TooLarge(Exception):
    pass


class BoundedBodies:
    """ASGI middleware: answers 413 for a body over ``limit`` bytes, declared or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, counting what comes in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        received, answered = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            declared = dict(scope["headers"]).get(b"content-length", b"0")
            if declared.isdigit() and int(declared) > self.limit:
                raise _TooLarge
            await self.app(scope, counted, watched)
        except _TooLarge:
            if answered:
                raise
            response = problem_response(PayloadTooLarge(f"At most {self.limit} bytes are accepted."))
            await response(scope, receive, send)


class CredentialFirst:
    """ASGI middleware: a request below ``prefixes`` without any credential is refused before its body is read."""

    def __init__(self, app: ASGIApp, prefixes: tuple[str, ...]) -> None:
        self.app, self.prefixes = app, prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on: whether the credential is any good is decided by the route's own dependency."""
        bare = scope["type"] == "http" and scope["path"].startswith(self.prefixes)
        if bare and not any(name == b"authorization" for name, _ in scope["headers"]):
            response = problem_response(Unauthenticated())
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)
