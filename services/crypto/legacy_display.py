"""The hidden Subject shown in a mail's text, for readers that know nothing of RFC 9788 (its section 5.2.2). Pure.

What is written here is marked, so that readers which know it take it away again (section 4.5.3).
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from secumail.entity import Entity
from services.crypto.editing import Edit, with_parameters, without_parameters
from services.crypto.transfer import base64_lines, quoted_printable

MARK = b"hp-legacy-display"

_CLASS = b"header-protection-legacy-display"
_DEPTH = 10
_TEXT_LIMIT = 1 << 20
"""Octets of a text that is decoded and encoded anew; a larger one does without."""
_LINE_LIMIT = 900
_BODY = re.compile(rb"<body\b[^>]{0,1000}>", re.IGNORECASE)
_PSEUDO_HEADER = re.compile(rb"(?:[A-Za-z][A-Za-z-]*:[^\n]*\n(?:[ \t]+[^\s][^\n]*\n)*)+\r?\n")
_ASCII = (b"", b"us-ascii", b"ascii")
_AS_IT_IS = (b"", b"7bit", b"8bit", b"binary")


@dataclass
class Written:
    """What shows a Subject: `parameters` for the mail's own Content-Type, and all other changes."""

    parameters: list[bytes] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


def written(mail: Entity, subject: str) -> Written:
    """What shows `subject` at the top of each main text of `mail`; nothing where a text can't show it."""
    written = Written()
    for part in _main_texts(mail):
        parameters, edits = _shown(part, subject)
        written.edits += edits
        if part is mail:
            written.parameters += parameters
        elif parameters:
            written.edits += with_parameters(part, *parameters)
    return written


def removed(mail: Entity) -> list[Edit]:
    """What takes it away from the marked texts, marks included."""
    return [edit for part in _main_texts(mail) for edit in _hidden(part)]


def _main_texts(part: Entity, depth: int = 0) -> Iterator[Entity]:
    """The texts a reader shows as the mail itself: RFC 9788 section 1.1.2 calls them main body parts."""
    kind = part.type.token
    if kind in (b"text/plain", b"text/html"):
        # A part whose header no blank line ends has no text that a line could be put before.
        if part.disposition.token != b"attachment" and (depth == 0 or part.body > part.header_end):
            yield part
    elif depth < _DEPTH and kind in (b"multipart/alternative", b"multipart/mixed", b"multipart/related"):
        for child in part.parts():
            yield from _main_texts(child, depth + 1)
            if kind != b"multipart/alternative":
                return


def _shown(part: Entity, subject: str) -> tuple[list[bytes], list[Edit]]:
    is_html = part.type.token == b"text/html"
    charset = part.type.get(b"charset").lower()
    # In a text that is all ASCII, another Subject makes it UTF-8. What is not ASCII without a charset may be in any.
    to_utf8 = charset in _ASCII and not is_html and not subject.isascii()
    line = _encoded(subject, "utf-8" if to_utf8 else charset.decode("latin-1") or "us-ascii", is_html)
    if line is None or part.end - part.body > _TEXT_LIMIT or (to_utf8 and not part.raw[part.body : part.end].isascii()):
        return [], []
    text = _changed(part, (lambda content: _in_html(content, line)) if is_html else (lambda content: line + content))
    if text is None:
        return [], []
    if to_utf8:
        edits = [text, *without_parameters(part, b"charset"), *_eight_bit(part)]
        return [b'charset="utf-8"', MARK + b'="1"'], edits
    return [MARK + b'="1"'], [text]


def _encoded(subject: str, charset: str, is_html: bool) -> bytes | None:
    """What is put into the text; None where its charset can't say it."""
    line = f"Subject: {subject}\r\n\r\n"
    if is_html:
        shown = html.escape(f"Subject: {subject}", quote=False).encode("ascii", "xmlcharrefreplace").decode()
        line = f'<div class="{_CLASS.decode()}"><pre>{shown}</pre></div>'
    try:
        encoded = line.encode(charset)
    except (LookupError, ValueError):
        return None
    # In UTF-16 and the like the text's own markup could not be found either.
    is_readable = encoded.startswith(line[:5].encode("ascii")) and len(encoded) <= _LINE_LIMIT
    return encoded if is_readable else None


def _in_html(content: bytes, line: bytes) -> bytes:
    found = _BODY.search(content)
    at = found.end() if found else 0
    return content[:at] + line + content[at:]


def _changed(part: Entity, change: Callable[[bytes], bytes]) -> Edit | None:
    """The part's body with its content changed, in the transfer encoding it had; None where that doesn't work."""
    new: bytes | None = None
    if part.encoding in _AS_IT_IS:
        new = change(part.raw[part.body : part.end])
    elif part.encoding == b"quoted-printable":
        new = quoted_printable(change(part.content()))
    elif part.encoding == b"base64":
        new = base64_lines(change(part.content()))
    return None if new is None else Edit(part.body, part.end, new)


def _eight_bit(part: Entity) -> list[Edit]:
    if part.encoding not in (b"", b"7bit"):
        return []
    found = part.field(b"content-transfer-encoding")
    begin, end = (found.begin, found.end) if found else (part.header_end, part.header_end)
    return [Edit(begin, end, b"Content-Transfer-Encoding: 8bit\r\n")]


def _hidden(part: Entity) -> list[Edit]:
    if not part.type.get(MARK) or part.end - part.body > 2 * _TEXT_LIMIT:
        return []
    marks = without_parameters(part, MARK)
    text = _changed(part, _without_div if part.type.token == b"text/html" else _without_lines)
    return [*marks, text] if text else marks


def _without_lines(content: bytes) -> bytes:
    found = _PSEUDO_HEADER.match(content)
    return content[found.end() :] if found else content


def _without_div(content: bytes) -> bytes:
    at = content.find(_CLASS)
    begin, end = content.rfind(b"<", 0, max(at, 0)), content.find(b"</div>", at)
    if at < 0 or end < 0 or content[begin : begin + 4].lower() != b"<div":
        return content
    return content[:begin] + content[end + len(b"</div>") :]
