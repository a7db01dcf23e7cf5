"""Takes texts apart: HTML, XML, calendars, cards; and files written into a text as base64 or uuencode.

XML is read by expat, which is told to refuse entities of the document's own: what declares them is read as source.
"""

from __future__ import annotations

import binascii
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from urllib.parse import unquote
from xml.parsers import expat

from services.dlp import markup
from services.dlp.charsets import decode, readings
from services.dlp.extraction.pieces import SEEN, Budget, Inner, Piece, Text, Trouble
from services.dlp.files.inflating import inflated
from services.dlp.files.types import is_text, text_of
from services.dlp.sealed import is_sealed, is_written_out

_DECLARED = re.compile(rb"(?:charset|encoding)\s{0,4}=\s{0,4}[\"']?([A-Za-z0-9._:-]{2,40})")
_HTML = ("html", "htm", "xhtml", "shtml", "hta")
_FOLD = re.compile(r"\r?\n[ \t]")
_LETTERS = "A-Za-z0-9+/=\r\n \t"
_BASE64 = re.compile(
    rf"(?:base64|ENCODING=b)\b[^:,<>\"'\r\n]{{0,200}}[:,][ \r\n]{{0,4}}([{_LETTERS}]{{16,}}+)", re.IGNORECASE
)
_DIAGRAM = re.compile(r"<diagram[^>]{0,500}>([A-Za-z0-9+/=\s]{16,}+)</diagram>")
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_RUN = re.compile(rb"[\t\r\n\x20-\x7e\xc0-\xfe]{4,}+")
_WORD = re.compile(r"\w+")
_PLAIN_RUN = re.compile(rb"[\x20-\x7e]{8,}+")
_WIDE_RUN = re.compile(
    r"[\t\r\n\x20-\x7e\xa0-\u06ff\u0e00-\u0e7f\u1e00-\u206f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]{4,}+"
)
_ASCII = re.compile(r"[\x20-\x7e]")

# Elements that stand within a line. Those without any text in them (properties of a run) end no line either.
_INLINE = frozenset(
    [
        *("r", "t", "delText", "instrText", "delInstrText", "ins", "del", "moveFrom", "moveTo"),
        *("hyperlink", "smartTag", "sdt", "sdtContent", "fldSimple", "span", "a", "b", "i"),
        *("u", "em", "strong", "s", "font", "tspan", "textPath", "sub", "sup"),
        *("small", "rt", "ruby", "rubyBase", "customXml"),
    ]
)
_BREAKS = frozenset(["br", "cr", "tab", "line-break", "s", "ptab"])
# A part of a label that stands elsewhere: drawings wrap no lines.
_PLACED = frozenset(["x", "y", "dy"])
_SYMBOL = frozenset({"sym"})
# Text that a reader sees nothing of in its place, or sees beside it: it may stand in the middle of a word. (A run may
# not be seen for its properties.)
_ASIDE = frozenset(
    [
        *("del", "delText", "delInstrText", "instrText", "moveFrom", "txbxContent", "rt"),
        *("annotation", "note", "tracked-changes"),
    ]
)
_RUN_ELEMENT = "r"
_TINY = ("1", "2", "3", "4")
"""Half points."""
# Characters as Office Open XML writes those that XML has no room for (ECMA-376 part 1, 22.9.2.19).
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
# What a workbook puts together as it is opened: "fal"&CHAR(99)&"on".
_CHARACTER = re.compile(r"\b(?:UNI)?CHAR\((\d{1,7})\)", re.IGNORECASE)
_JOINED = re.compile(r'"\s?&\s?"')


def read_text(
    data: bytes, budget: Budget, name: str = "", media_type: str = "", known: bool = False
) -> Iterator[Piece]:
    """A text of any kind, and the files in it. `known`: the text itself has been read elsewhere."""
    text = text_of(data)
    head = text[:1024].lstrip("\ufeff \t\r\n").lower()
    suffix = name.rpartition(".")[2].lower()
    declared = _declared(data, head)
    if declared:
        text = decode(data, declared)
    if not known:
        html = "html" in media_type or suffix in _HTML or head.startswith(("<!doctype html", "<html"))
        if html:
            yield from _split(text)
        elif head.startswith("<"):
            yield from read_xml(data, text)
        elif head.startswith(("begin:vc", "begin:ic")):
            text = _FOLD.sub("", text)
            yield Text("", text)
        else:
            further = readings(data, declared)
            yield Text("", text, rendering=bool(further))
            yield from (Text(f"as {codec}", reading, rendering=True) for codec, reading in further)
    elif head.startswith("<") and "html" not in media_type:
        # A page and XML are read differently: what is quoted in XML is text, and it may declare entities.
        told = [piece.text for piece in _split(text)]
        for piece in read_xml(data, text):
            yield Text(piece.name, unsaid(piece.text, told)) if isinstance(piece, Text) else piece
    if head.startswith("%!ps") or ("<svg" in head and "<path" in text):
        yield Trouble("drawing", score=SEEN)  # of letters, perhaps
    if is_written_out(text):
        yield Trouble("packed-text")
    if is_sealed(text):
        yield Trouble("encrypted")
    budget.check()
    yield from _files(text)
    for diagram in _DIAGRAM.finditer(text) if "<mxfile" in head else ():
        with contextlib.suppress(binascii.Error):
            # As draw.io writes it: escaped, deflated, base64.
            deflated = binascii.a2b_base64(diagram[1] + "==")
            yield Text("diagram", unescape(unquote(decode(inflated(deflated, 0, budget.limits.text, raw=True)))))


def _split(source: str) -> Iterator[Text]:
    page = markup.split(source)
    yield Text("", page.shown, rendering=bool(page.seen))
    if page.seen:
        yield Text("as it is seen", page.seen, rendering=True)
    yield Text("markup", page.hidden)


def _declared(data: bytes, head: str) -> str:
    """The charset an HTML or XML text declares for itself, where it matters."""
    if not head.startswith("<") or data.isascii() or data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data[:64]:
        return ""
    found = _DECLARED.search(data[:1024])
    return found[1].decode("ascii") if found else ""


def _files(text: str) -> Iterator[Inner | Trouble]:
    """Files in the text that are no text themselves: those the filter's views decode."""
    seen: set[bytes] = set()
    # A browser undoes the escapes of a page before it reads an address, and those of an address before its data.
    for source in dict.fromkeys((text, unquote(unescape(text)))):
        for found in _BASE64.finditer(source):
            try:
                data = binascii.a2b_base64(found[1] + "==")
            except binascii.Error:
                continue
            if data and not is_text(data) and data not in seen:
                seen.add(data)
                yield Inner(f"data {len(seen)}", data)
    for found in _UUENCODED.finditer(text):
        yield Inner(found[1], _uudecoded(text, found.end()))


def _uudecoded(text: str, start: int) -> bytes:
    lines = []
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip("\r")
        start = end + 1
        if line in ("end", "`", " ", ""):
            break
        try:
            lines.append(binascii.a2b_uu(line.encode("ascii", "replace")))
        except binascii.Error:
            # Writers pad the last triple in several ways.
            wanted = (((ord(line[0]) - 32) & 63) * 4 + 5) // 3
            try:
                lines.append(binascii.a2b_uu(line[:wanted].encode("ascii", "replace")))
            except binascii.Error:
                break
    return b"".join(lines)


def read_xml(data: bytes, source: str) -> Iterator[Piece]:
    """The text between the tags, and apart from it what attributes, comments and instructions say."""
    reading = _Xml()
    try:
        reading.parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError, _EntitiesError) as error:
        yield from _split(source)
        if isinstance(error, _EntitiesError):
            yield Trouble("entities")
        return
    said = ("".join(reading.shown), "".join(reading.seen), "\n".join(dict.fromkeys(reading.hidden)))
    shown, seen, hidden = (_ESCAPED.sub(lambda code: chr(int(code[1], 16)), one) for one in said)
    yield from as_seen(shown, seen)
    yield Text("markup", hidden)
    computed = _JOINED.sub("", _CHARACTER.sub(lambda code: f'"{chr(min(int(code[1]), 0xD7FF))}"', shown))
    if computed != shown:
        yield Text("computed", unsaid(computed, (shown,)))


def as_seen(text: str, seen: str) -> Iterator[Text]:
    """A text, and once more as a reader sees it where other words come of that: around what is hidden in it."""
    other = seen != text and bool(unsaid(seen, (text,)))
    yield Text("", text, rendering=other)
    if other:
        yield Text("as it is seen", seen, rendering=True)


class _EntitiesError(Exception):
    pass


class _Xml:
    """One pass of expat. A line of text ends where an element with text in it ends, unless it stands in a line."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.seen: list[str] = []
        self.hidden: list[str] = []
        self.aside = 0
        self.runs = 0
        self.vanished = False
        self.parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.say
        parser.CommentHandler = self.hidden.append
        parser.ProcessingInstructionHandler = lambda target, told: self.hidden.append(f"{target} {told}")
        parser.EntityDeclHandler = self.refuse
        self.apart = False
        self.marks: list[tuple[int, int, bool]] = []

    def say(self, text: str) -> None:
        self.shown.append(text)
        if not (self.aside or self.vanished):
            if self.apart:
                self.seen.append("\n")
            self.apart = False
            self.seen.append(text)

    def start(self, tag: str, attributes: list[str]) -> None:
        name = tag.rpartition(":")[2]
        self.hidden.extend(attributes[1::2])
        self.aside += name in _ASIDE
        self.runs += name == _RUN_ELEMENT
        if self.runs and name in _UNSEEN:
            named = zip(attributes[::2], attributes[1::2], strict=True)
            value = next((value for attribute, value in named if attribute.rpartition(":")[2] == "val"), "")
            self.vanished = self.vanished or _UNSEEN[name](value)
        if name in _SYMBOL:
            self.symbol(attributes)
        self.marks.append((len(self.shown), len(self.seen), self.apart))
        # An element that nobody here knows may begin a line, and may stand in one: the text is read both ways.
        self.apart = self.apart or name not in _INLINE
        if name in _BREAKS or (name == "tspan" and not _PLACED.isdisjoint(attributes[::2])):
            self.say("\n")

    def end(self, tag: str) -> None:
        shown, seen, apart = self.marks.pop()
        name = tag.rpartition(":")[2]
        if len(self.shown) > shown and name not in _INLINE and self.shown[-1] != "\n":
            self.shown.append("\n")
        self.apart = name not in _INLINE or self.apart if len(self.seen) > seen else apart
        self.aside -= name in _ASIDE
        if name == _RUN_ELEMENT:
            self.runs -= 1
            self.vanished = False

    def symbol(self, attributes: list[str]) -> None:
        """A letter of a symbol font, written as its number (ECMA-376 part 1, 17.3.3.30)."""
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if name.endswith("char"):
                try:
                    code = int(value[:8], 16)
                except ValueError:
                    continue
                self.say(chr(code & 0xFF if 0xF000 <= code <= 0xF0FF else min(code, 0xD7FF)))

    def refuse(self, *_declaration: object) -> None:
        raise _EntitiesError


_UNSEEN: dict[str, Callable[[str], bool]] = {
    "vanish": lambda value: value not in ("0", "false", "off"),
    "webHidden": lambda value: value not in ("0", "false", "off"),
    "color": lambda value: value.upper() == "FFFFFF",
    "sz": lambda value: value in _TINY,
}
"""The properties of a run that hide it, by their value."""


def runs(data: bytes) -> str:
    """Whatever looks like text among bytes that are none, 8-bit and UTF-16: one run to a line."""
    found = [run.decode("latin-1") for run in _RUN.findall(data)]
    for start in (0, 1) if b"\x00" in data else ():
        wide = data[start : start + (len(data) - start) // 2 * 2].decode("utf-16-le", "replace")
        found.extend(run for run in _WIDE_RUN.findall(wide) if start == 0 or _ASCII.search(run))
    return "\n".join(found)


def likely(text: str) -> str:
    """Of runs those that are long enough not to come of packed bytes, pictures and sounds by chance."""
    return "\n".join(line for line in text.split("\n") if len(line) >= 8)


def plain(data: bytes) -> str:
    """Runs of at least eight printable ASCII characters, as they hardly come about by chance: one to a line."""
    return "\n".join(run.decode("ascii") for run in _PLAIN_RUN.findall(data))


def unsaid(text: str, said: Iterable[str]) -> str:
    """A text's words that are in none of the others: what is looked at in two ways must not be counted twice."""
    known = {word for one in said for word in _WORD.findall(one.lower())}
    lines = (
        " ".join(w for w in line.split() if not known.issuperset(_WORD.findall(w.lower()))) for line in text.split("\n")
    )
    return "\n".join(filter(None, lines))
