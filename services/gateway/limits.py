"""How much of a request is read: a mail by its own limit (handlers.submissions), everything else by these."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Message = MutableMapping[str, Any]
Asgi = Callable[[Message, Any, Any], Awaitable[None]]

MEBIBYTE = 2**20
HEAD = MEBIBYTE
"""Bytes of a request line and header, or behind a body. Recipients stand in the address, ?to= for each."""
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


class Http(HttpToolsProtocol):
    """HTTP/1.1 whose heads end: httptools has no limit, and keeps all of one before anybody is asked who sends it."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        """Counts what has come since the last that was a body."""
        self._head += len(data)
        if self._head <= HEAD:
            super().data_received(data)
        elif not self.transport.is_closing():
            self.send_400_response(f"The header is larger than {HEAD // 1024} KB.")

    def on_message_complete(self) -> None:
        """Another request may follow."""
        self._head = 0
        super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body, which `Measured` measures."""
        self._head = 0
        super().on_body(body)
