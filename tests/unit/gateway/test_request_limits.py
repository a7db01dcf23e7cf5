"""What is read of a request before it is known who sends it, over a connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from services.gateway.limits import HEAD, Http

ENDLESS = {
    "address": (b"GET /?to=", b"a"),
    "field": (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"y"),
    "fields": (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
    "blank lines": (b"", b"\r\n"),
}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with how much it was sent."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    said = b"%d" % size
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(echo, http=Http, lifespan="off", log_config=None))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.should_exit = True
            await running


@pytest.mark.parametrize("kind", ENDLESS)
async def test_a_head_that_does_not_end_is_refused(kind: str) -> None:
    begin, further = ENDLESS[kind]
    async with connected() as (reader, writer):
        writer.write(begin + further * (HEAD // len(further) + 1))
        answer = await asyncio.wait_for(reader.read(), 10)
        assert b" 400 " in answer.splitlines()[0] and b"The header is larger than 1024 KB." in answer


async def test_bodies_of_any_size_and_request_upon_request_are_read() -> None:
    size = 3 * HEAD
    head = b"POST /?to=%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (b"a" * 60_000, size)
    async with connected() as (reader, writer):
        for _ in range(4):
            writer.write(head + b"x" * size)
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            assert await reader.readexactly(len(str(size))) == b"%d" % size
