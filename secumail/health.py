"""Liveness and readiness over plain HTTP: /livez says the process turns, /readyz that it can do its work."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Check = Callable[[], Awaitable[bool]]
Scope = Mapping[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_PATIENCE = 3.0


async def ready(checks: Mapping[str, Check]) -> dict[str, bool]:
    """Each dependency, and whether it answers within three seconds."""

    async def one(check: Check) -> bool:
        try:
            return await asyncio.wait_for(check(), _PATIENCE)
        except Exception:  # whatever is wrong with a dependency: it is not ready
            return False

    answers = await asyncio.gather(*(one(check) for check in checks.values()))
    return dict(zip(checks, answers, strict=True))


class HealthApp:
    """The ASGI application behind a service's health port."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope["path"])
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    async def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/livez":
            return 200, {"live": True}
        if path == "/readyz":
            answers = await ready(self._checks)
            all_ready = all(answers.values())
            return 200 if all_ready else 503, {"ready": all_ready, "checks": answers}
        return 404, {"paths": ["/livez", "/readyz"]}
