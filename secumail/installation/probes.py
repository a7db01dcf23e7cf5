"""Is somebody there? Small questions to a listening port, cheap enough to be asked twenty times a second."""

import asyncio
import contextlib
import ssl

from secumail.installation.home import HOST

_PATIENCE = 3.0


async def listens(port: int) -> bool:
    """Whether a TCP connection to the loopback port is accepted."""
    return await _ask(port, None, b"", 0) is not None


async def speaks_amqp(port: int, context: ssl.SSLContext) -> bool:
    """Whether an AMQP 0-9-1 server with a certificate that `context` accepts answers the protocol header."""
    answer = await _ask(port, context, b"AMQP\x00\x00\x09\x01", 1)
    return answer == b"\x01"  # a method frame: Connection.Start


async def http_status(port: int, path: str) -> int | None:
    """The status of GET `path` over plain HTTP, None where nobody answers."""
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    answer = await _ask(port, None, request.encode(), len("HTTP/1.1 200"))
    return int(answer[-3:]) if answer and answer[-3:].isdigit() else None


async def _ask(port: int, context: ssl.SSLContext | None, question: bytes, length: int) -> bytes | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(HOST, port, ssl=context)
            try:
                writer.write(question)
                return await reader.readexactly(length)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
