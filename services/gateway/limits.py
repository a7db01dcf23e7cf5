"""How much of a body is read: a mail by its own limit (handlers.submissions), everything else by these."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Any, Any], Awaitable[None]]

MEBIBYTE = 2**20
LIMITS = {
    "/api/v1/lists": 16 * MEBIBYTE,
    "/api/v1/lists/words": 96 * MEBIBYTE,
    "/api/v1/lists/dry-run": 96 * MEBIBYTE,
    "/api/v1/scan": 64 * MEBIBYTE,
    "/api/v1/covers": 25 * MEBIBYTE,
    "/api/v1/covers/judge": 25 * MEBIBYTE,
    "/pki/ocsp": 2**14,
}
"""By path. A million black words are 10 to 90 MB, by their script; a mail has a limit of its own besides
(SECUMAIL_MAX_MAIL_BYTES)."""
OWN = frozenset({"/api/v1/messages"})


class Measured:
    """Ends a body that goes on for too long: it would be held in memory, before it is known who sends it."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        most = LIMITS.get(scope["path"], MEBIBYTE)
        size = 0

        async def measured() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise HTTPException(413, f"The body is larger than {most // 1024} KB.")
            return message

        await self._app(scope, receive if scope["path"] in OWN else measured, send)
