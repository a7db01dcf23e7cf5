"""What tests share beside people: a reviewer's desk, pictures to hide in, a second gateway, waiting for something."""

import asyncio
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx

from secumail.installation.home import Home, Ports
from secumail.installation.services import environment
from tests.people import Person

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], within: float = 20) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def lists(reviewer: Person, **given: Any) -> AsyncIterator[None]:
    """These lists for a while; afterwards none."""
    await put_lists(reviewer, given)
    try:
        yield
    finally:
        await put_lists(reviewer, {})


async def put_lists(reviewer: Person, given: dict[str, Any]) -> None:
    """Replace the lists, whatever their version."""
    etag = (await reviewer.get("/lists", words=False)).headers["ETag"]
    answer = await reviewer.door.put("/lists", json=given, headers={**reviewer.headers, "If-Match": etag})
    assert answer.status_code == 200, answer.text


async def held(reviewer: Person, subject: str) -> list[dict[str, Any]]:
    """The quarantine's rows of a subject, newest first."""
    page = (await reviewer.get("/quarantine", limit=200)).json()
    return [row for row in page["data"] if row["subject"] == subject]


async def decide(reviewer: Person, verdict: str, *rows: dict[str, Any]) -> list[tuple[bool, str | None]]:
    """Release or reject rows of the quarantine: (done, code) each."""
    answer = await reviewer.post(f"/quarantine/{verdict}", json={"ids": [row["id"] for row in rows], "note": "seen"})
    assert answer.status_code == 200, answer.text
    return [(decided["done"], decided["code"]) for decided in answer.json()]


async def logged(reviewer: Person, subject: str) -> list[dict[str, Any]]:
    """The sent log's rows of a subject."""
    page = (await reviewer.get("/sent-log", limit=200)).json()
    return [row for row in page["data"] if row["subject"] == subject]


async def opened(person: Person, mail: str) -> dict[str, Any]:
    """A received mail, by its sender's id of it, read."""
    shown: dict[str, Any] = (await person.get(f"/messages/{(await person.received(mail))['id']}")).json()
    return shown


@asynccontextmanager
async def second_gateway(home: Home, **settings: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another gateway of the same installation, with settings of its own."""
    ports = Ports.free()
    own = {
        **os.environ,
        **environment(home, "gateway"),
        "SECUMAIL_PORT": str(ports.https),
        "SECUMAIL_HEALTH_PORT": str(ports.health["gateway"]),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.gateway", env=own)
    base = f"https://localhost:{ports.https}"
    try:
        async with httpx.AsyncClient(
            base_url=f"{base}/api/v1", verify=ssl.create_default_context(cafile=str(home.ca)), timeout=60
        ) as door:

            async def ready() -> bool:
                try:
                    return (await door.get(f"{base}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(ready, 30)
            yield door
    finally:
        process.terminate()
        await process.wait()
