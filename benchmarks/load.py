"""A bounded load of mails through the public door, with a client that costs little: raw HTTP/1.1 over kept TLS."""

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from secumail.installation.home import Home


@dataclass(frozen=True)
class Sent:
    """One accepted mail: its id and how long the answer took, in seconds."""

    mail: str
    took: float


@dataclass(frozen=True)
class Letter:
    """One mail to send: the sender's token and the raw bytes."""

    token: str
    raw: bytes


async def send(home: Home, letters: Sequence[Letter], connections: int, rate: float | None = None) -> list[Sent]:
    """Send every letter once over `connections` connections; `rate`: at most so many a second, evenly."""
    context = ssl.create_default_context(cafile=str(home.ca))
    queue: asyncio.Queue[Letter] = asyncio.Queue()
    for letter in letters:
        queue.put_nowait(letter)
    sent: list[Sent] = []
    began = time.perf_counter()
    taken = 0

    async def connection() -> None:
        nonlocal taken
        reader, writer = await asyncio.open_connection("localhost", home.ports.https, ssl=context)
        while not queue.empty():
            letter = queue.get_nowait()
            if rate is not None:
                due = began + taken / rate
                taken += 1
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            start = time.perf_counter()
            writer.write(_request(letter))
            mail = await _answer(reader)
            sent.append(Sent(mail, time.perf_counter() - start))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return sent


def _request(letter: Letter) -> bytes:
    head = (
        "POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {letter.token}\r\nIdempotency-Key: {uuid4().hex}\r\n"
        f"Content-Type: message/rfc822\r\nContent-Length: {len(letter.raw)}\r\n\r\n"
    )
    return head.encode() + letter.raw


async def _answer(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
    body = await reader.readexactly(length)
    if not head.startswith("HTTP/1.1 202"):
        raise RuntimeError(f"the mail was not accepted: {head.splitlines()[0]}")
    mail: str = json.loads(body)["id"]
    return mail
