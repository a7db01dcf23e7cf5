"""A raw mail as a tree of MIME parts (RFC 2045), by the standard library's parser and within bounds.

That parser recurses with the nesting, keeps an object of a kilobyte for a part of two bytes, and reads the parameters
of a field in time (length x semicolons). Here a mail beyond the bounds is refused while it is being parsed, not after.
"""

from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from enum import StrEnum
from itertools import count
from typing import Any, TypeAlias

Mime: TypeAlias = Message

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_FIELDS = 5000
"""Header fields of all parts together."""
MAX_MIME_FIELD = 16_384
MAX_PARAMETERS = 64

MIME_FIELDS = ("content-type", "content-disposition", "content-transfer-encoding")
ODD = (LookupError, TypeError, ValueError)
"""What the standard library raises on odd charsets and parameters."""


class Bound(StrEnum):
    """What a mail has too much of."""

    DEPTH = "too-deep"
    PARTS = "too-many-parts"
    FIELDS = "too-many-headers"
    PARAMETERS = "damaged"
    """A field that describes a part is out of proportion."""


class BeyondBoundsError(Exception):
    """The mail was not taken apart."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(bound)
        self.bound = bound


class Policy(Compat32):
    """The parser's policy for one mail: it counts, leaves header values raw, and writes an attached mail as it came.

    The stock policy turns 8-bit bytes into question marks.
    """

    _parts: Iterator[int]
    _fields: Iterator[int]

    def __init__(self) -> None:
        super().__init__(linesep="\r\n", mangle_from_=False)
        object.__setattr__(self, "_parts", count(2))  # policies are immutable but for this
        object.__setattr__(self, "_fields", count(1))

    def part(self) -> None:
        """There is one more. Raises BeyondBoundsError."""
        if next(self._parts) > MAX_PARTS:
            raise BeyondBoundsError(Bound.PARTS)

    def field(self) -> None:
        """There is one more. Raises BeyondBoundsError."""
        if next(self._fields) > MAX_FIELDS:
            raise BeyondBoundsError(Bound.FIELDS)

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        self.field()
        name, value = super().header_source_parse(sourcelines)
        too_long = len(value) > MAX_MIME_FIELD or value.count(";") > MAX_PARAMETERS
        if too_long and name.lower() in MIME_FIELDS:
            raise BeyondBoundsError(Bound.PARAMETERS)
        return name, value

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}{self.linesep}".encode("ascii", "surrogateescape")


class _Part(Message):
    depth = 0

    def attach(self, payload: Message | str) -> None:
        if isinstance(payload, _Part) and isinstance(self.policy, Policy):
            payload.depth = self.depth + 1
            if payload.depth > MAX_DEPTH:
                raise BeyondBoundsError(Bound.DEPTH)
            # A delivery report names each recipient in a block of fields, which the parser takes for a part.
            if self.get_content_type() == "message/delivery-status":
                self.policy.field()
            else:
                self.policy.part()
        super().attach(payload)

    def get_payload(self, *which: Any, **how: Any) -> Any:
        """A text as it came: the standard library reads it in its charset, even where it is only to be measured or
        written out again, which raises where the charset is odd or the text 8-bit."""
        raw = vars(self)["_payload"]
        return raw if isinstance(raw, str) and not (which or how) else super().get_payload(*which, **how)


def parse(raw: bytes, policy: Policy) -> Mime:
    """The mail's tree. `policy` is new for each mail.

    Raises BeyondBoundsError, and of ODD and others what the standard library raises on rubbish: it documents none.
    """
    return BytesParser(_Part, policy=policy).parsebytes(raw)


def children(part: Mime) -> list[Mime]:
    """The parts right in a part."""
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []
