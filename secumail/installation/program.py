"""A program that an installation runs, as data."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Ready = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Program:
    """What to run, as data. `ready` is asked until it says yes; a stop may take `grace` seconds."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    ready: Ready
    grace: float = 20.0
