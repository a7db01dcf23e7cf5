"""A MIME entity (RFC 2045) as the bytes it is: where its fields and its parts lie. Nothing is written anew.

For what must keep every byte, as signatures want it, and for mails too large to be made a tree of objects. What a
reader is shown goes through `mailbox.mime`. Any bytes will do: nothing here raises, and all of it takes linear time.
"""

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

PART_LIMIT = 100
FIELDS_LIMIT = 100_000
"""Fields that are read; what comes behind them counts as body."""
FIELD_LIMIT = 16_384
"""Octets of a Content-Type or Content-Disposition that are looked at."""

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
_MBOX_LINE = re.compile(rb">?From [^\n]*\n")
_BLANK_LINE = re.compile(rb"\r?\n")
_TOKEN = re.compile(rb"\s*([^\s;]+)\s*")
_PARAMETER = re.compile(rb'(?:;\s*)+([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)\s*', re.DOTALL)
_AFTER_BOUNDARY = re.compile(rb"(?:--)?[ \t]*(?:\r?\n|\Z)")


class Field(NamedTuple):
    """A header field: its name in lower case, its value as it is (folded, without the last line end), its place."""

    name: bytes
    value: bytes
    begin: int
    value_at: int
    end: int


class Parameter(NamedTuple):
    """A parameter of a field (RFC 2045 section 5.1), unquoted; its place in the field's value, `;` included."""

    name: bytes
    value: bytes
    begin: int
    end: int


class Structured(NamedTuple):
    """A field like Content-Type: its token in lower case, where that ends in the value, and its parameters."""

    token: bytes
    token_end: int
    parameters: tuple[Parameter, ...]

    def get(self, name: bytes) -> bytes:
        """The first parameter of that name; empty without one."""
        return next((found.value for found in self.parameters if found.name == name), b"")


@dataclass(frozen=True)
class Entity:
    """`raw[begin:end]`: its header fields, and its body from `body` on."""

    raw: bytes
    fields: tuple[Field, ...]
    begin: int
    header_end: int
    body: int
    end: int

    def field(self, name: bytes) -> Field | None:
        """The first field of a name (lower case)."""
        return next((found for found in self.fields if found.name == name), None)

    def value(self, name: bytes) -> bytes:
        """The first field's value; empty without one."""
        found = self.field(name)
        return found.value if found else b""

    def line(self, field: Field) -> bytes:
        """A field as it is, its last line ended."""
        line = self.raw[field.begin : field.end]
        return line if line.endswith(b"\n") else line + b"\r\n"

    @cached_property
    def type(self) -> Structured:
        """Content-Type; text/plain where there is none (RFC 2045 section 5.2)."""
        found = structured(self.value(b"content-type"))
        return found if b"/" in found.token else Structured(b"text/plain", 0, ())

    @cached_property
    def disposition(self) -> Structured:
        """Content-Disposition; an empty token where there is none."""
        return structured(self.value(b"content-disposition"))

    @property
    def encoding(self) -> bytes:
        """Content-Transfer-Encoding."""
        return structured(self.value(b"content-transfer-encoding")).token

    @property
    def file_name(self) -> bytes:
        """The name the entity gives itself, as it stands there."""
        return self.disposition.get(b"filename") or self.type.get(b"name")

    def parts(self) -> Iterator["Entity"]:
        """The parts of a multipart, at most PART_LIMIT; nothing where there is no boundary."""
        marks = delimiters(self.raw, self.type.get(b"boundary"), self.body, self.end)
        last = next(marks, None)
        for _ in range(PART_LIMIT):
            if last is None or last.closes:
                return
            mark = next(marks, None)
            yield read(self.raw, last.end, max(last.end, mark.begin) if mark else self.end)
            last = mark

    def whole(self) -> bytes:
        """The entity as it is."""
        return self.raw[self.begin : self.end]

    def content(self) -> bytes:
        """The body without its transfer encoding; what is no base64 in base64 is passed over."""
        match self.encoding:
            case b"base64":
                try:
                    return binascii.a2b_base64(memoryview(self.raw)[self.body : self.end])
                except binascii.Error:
                    return b""
            case b"quoted-printable":
                return quopri.decodestring(self.raw[self.body : self.end])
        return self.raw[self.body : self.end]


def read(raw: bytes, begin: int = 0, end: int | None = None) -> Entity:
    """The entity at `raw[begin:end]`.

    As in every mail reader, the first line that is no field ends the header, whether it is blank or not.
    """
    end = len(raw) if end is None else end
    mbox_line = None if begin else _MBOX_LINE.match(raw, begin, end)
    at = begin = mbox_line.end() if mbox_line else begin
    fields: list[Field] = []
    while len(fields) < FIELDS_LIMIT and (field := _FIELD.match(raw, at, end)):
        fields.append(Field(field[1].lower(), field[2].removesuffix(b"\r"), at, field.start(2), field.end()))
        at = field.end()
    blank = _BLANK_LINE.match(raw, at, end)
    return Entity(raw, tuple(fields), begin, at, blank.end() if blank else at, end)


def structured(value: bytes) -> Structured:
    """A field's value as a token and parameters; what comes behind a malformed parameter is not seen."""
    value = value[:FIELD_LIMIT]
    token = _TOKEN.match(value)
    if token is None:
        return Structured(b"", 0, ())
    parameters = []
    at = token.end()
    while found := _PARAMETER.match(value, at):
        text = found[2]
        if text.startswith(b'"'):
            text = re.sub(rb"\\(.)", rb"\1", text[1:-1], flags=re.DOTALL)
        parameters.append(Parameter(found[1].lower(), text, found.start(), found.end()))
        at = found.end()
    return Structured(token[1].lower(), token.end(1), tuple(parameters))


class Delimiter(NamedTuple):
    """A delimiter line with the line break before it (RFC 2046 section 5.1.1)."""

    begin: int
    end: int
    closes: bool


def delimiters(raw: bytes, boundary: bytes, begin: int, end: int) -> Iterator[Delimiter]:
    """The delimiter lines of `boundary` in the body `raw[begin:end]`."""
    line = b"\n--" + boundary
    # The first may stand right at the beginning: the line break before it is the header's then.
    at = begin - 1
    while boundary and (at := raw.find(line, at, end)) >= 0:
        if after := _AFTER_BOUNDARY.match(raw, at + len(line), end):
            yield Delimiter(at - 1 if raw[at - 1 : at] == b"\r" else at, after.end(), after[0].startswith(b"--"))
            at = after.end() - 1
        else:
            at += 1
