"""Changes to a mail in some places, all other bytes kept. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from secumail.entity import Entity


class Edit(NamedTuple):
    """`new` instead of the bytes from `begin` to `end`."""

    begin: int
    end: int
    new: bytes


def edited(raw: bytes, edits: Iterable[Edit], begin: int = 0, end: int | None = None) -> bytes:
    """`raw[begin:end]` with the edits done. They don't overlap; those at one place happen in the order given."""
    room = memoryview(raw)
    pieces: list[bytes | memoryview] = []
    for edit in sorted(edits, key=lambda edit: edit[:2]):
        pieces += (room[begin : edit.begin], edit.new)
        begin = edit.end
    pieces.append(room[begin : len(raw) if end is None else end])
    return b"".join(pieces)


def without_parameters(part: Entity, *names: bytes) -> list[Edit]:
    """Content-Type without these parameters."""
    field = part.field(b"content-type")
    if field is None:
        return []
    at = field.value_at
    return [Edit(at + found.begin, at + found.end, b"") for found in part.type.parameters if found.name in names]


def with_parameters(part: Entity, *parameters: bytes) -> list[Edit]:
    """Content-Type with these before its own parameters: behind them, a malformed one might hide them.

    A part without a type is text/plain (RFC 2045 section 5.2), and so is one whose field names none; then it says so.
    """
    field = part.field(b"content-type")
    new = b"".join(b";\r\n " + parameter for parameter in parameters)
    if field is not None and part.type.token_end:
        at = field.value_at + part.type.token_end
        return [Edit(at, at, new)]
    new = b"Content-Type: text/plain" + new + b"\r\n"
    begin, end = (field.begin, field.end) if field else (part.header_end, part.header_end)
    return [Edit(begin, end, new)]


def with_header_ended(mail: Entity, edits: Iterable[Edit]) -> list[Edit]:
    """The edits, and a header that ends in a blank line: many end at the mail's end, or at a line that is no field."""
    at = mail.header_end
    line = b"" if not mail.fields or mail.raw[at - 1 : at] == b"\n" else b"\r\n"
    blank = b"\r\n" if mail.body == at else b""
    return [Edit(at, at, line), *edits, Edit(at, at, blank)]
