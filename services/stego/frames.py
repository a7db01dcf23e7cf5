"""What goes through the pipes to a working process and back: a line of JSON, and files after it. No pickles: what
comes back may come from whoever a picture has taken the process over for."""

import json
from collections.abc import Sequence
from typing import IO, Any

_LENGTH = 8
LIMIT = 256 * 2**20  # bytes of a frame


class Broken(Exception):
    """The other side has ended, or says what no process of ours says."""


def write(stream: IO[bytes], head: dict[str, Any], files: Sequence[bytes] = ()) -> None:
    """One frame."""
    line = json.dumps({**head, "files": [len(file) for file in files]}).encode()
    for data in (len(line).to_bytes(_LENGTH), line, *files):
        stream.write(data)
    stream.flush()


def read(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """One frame: its head and its files. Raises Broken."""
    size = int.from_bytes(_exactly(stream, _LENGTH))
    if size > LIMIT:
        raise Broken
    try:
        head = json.loads(_exactly(stream, size))
        sizes = [int(length) for length in head.pop("files")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Broken from error
    if sum(sizes) > LIMIT or any(length < 0 for length in sizes):
        raise Broken
    return head, [_exactly(stream, length) for length in sizes]


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise Broken
    return data
