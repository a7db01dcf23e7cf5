"""Work on a large mail beside the event loop, so that other mails (and the broker's heartbeat) needn't wait for it."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes from which on a thread is worth its cost: less is worked on in a few milliseconds."""


async def apart(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` gives; in a thread where the mail's `size` is large."""
    return await asyncio.to_thread(work, *args, **kwargs) if size > LARGE else work(*args, **kwargs)
