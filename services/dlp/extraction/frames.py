"""The speech between the service and the process that reads files: frames of JSON, each behind its length.

No pickles: what comes from that process may come from whoever took it over by a file it read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO, Any

from services.dlp.attachments import Attachment
from services.dlp.findings import Hit
from services.dlp.message import File, Found, Passage

MAX_FRAME = 1 << 30
_LENGTH = struct.Struct(">I")
_KINDS: dict[str, type[Passage] | type[Attachment] | type[Hit]] = {
    kind.__name__: kind for kind in (Passage, Attachment, Hit)
}


class Broken(Exception):
    """The other side ended, or says what is no frame."""


def write(stream: IO[bytes], body: bytes) -> None:
    stream.write(_LENGTH.pack(len(body)))
    stream.write(body)


def read(stream: IO[bytes]) -> bytes:
    length = _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]
    if length > MAX_FRAME:
        raise Broken
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    data = stream.read(length)
    if len(data) != length:
        raise Broken
    return data


def write_files(stream: IO[bytes], files: Sequence[File]) -> None:
    """A frame that tells of the files, then one of bytes for each."""
    told = [
        [f.index, f.where, f.name, f.media_type, f.known, list(f.alternative) if f.alternative else None] for f in files
    ]
    write(stream, json.dumps(told).encode())
    for file in files:
        write(stream, file.data)
    stream.flush()


def read_files(stream: IO[bytes]) -> list[File]:
    told = json.loads(read(stream))
    return [
        File(index, where, name, media_type, read(stream), known, _pair(alternative))
        for index, where, name, media_type, known, alternative in told
    ]


def write_found(stream: IO[bytes], found: Found) -> None:
    """Unescaped, as most of it is text. Strings are free of lone surrogates by then."""
    body = {"kind": type(found).__name__, **asdict(found)}
    write(stream, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))


def write_end(stream: IO[bytes]) -> None:
    write(stream, b"")
    stream.flush()


def read_found(stream: IO[bytes]) -> Found | None:
    """The next of what was found; None at the end of the job."""
    body = read(stream)
    if not body:
        return None
    try:
        told: dict[str, Any] = json.loads(body)
        kind = _KINDS[told.pop("kind")]
        for pair in ("alternative", "span"):
            if pair in told:
                told[pair] = _pair(told[pair])
        return kind(**told)
    except (ValueError, KeyError, TypeError) as error:
        raise Broken from error


def _pair(value: list[int] | None) -> tuple[int, int] | None:
    return (int(value[0]), int(value[1])) if value else None
