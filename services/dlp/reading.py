"""Reads a raw mail (RFC 5322, MIME) into what the policy looks at: passages of text, and attachments.

Reading never raises and is bounded. A mail that is nested too deep, has too many parts or headers, or is
damaged so that two readers could see different things comes back with `unreadable` set, and the policy holds
it.

Texts are read here. Files are not: they are given to an `Extract`, all of a mail together, which reads them in a
place where that can do no harm. Without one, a file that is not plain text is said to be unread.
"""

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from email.errors import MissingHeaderBodySeparatorDefect
from itertools import count

from secumail.mailbox.tree import MIME_FIELDS, ODD, BeyondBoundsError, Mime, Policy, children, parse
from services.dlp.attachments import Attachment
from services.dlp.charsets import decode, header_text, readings
from services.dlp.findings import Hit
from services.dlp.layers import growth
from services.dlp.links import lying
from services.dlp.markup import split
from services.dlp.message import Alternative, Chunks, Extract, File, Found, Message, Passage, Unreadable
from services.dlp.sealed import is_sealed, is_written_out

MAX_NAME = 255

_PAGES = ("html", "xml", "xhtml")
_PEOPLE = ("from", "to", "cc", "bcc", "reply-to", "sender", "disposition-notification-to")
_TRACE = ("message-id", "references", "in-reply-to", "received", "date", "return-path", "authentication-results")
_TRACES = ("dkim-", "domainkey-", "arc-", "resent-", "received-", "x-received")
_SPACED_FIELD = re.compile(r"[!-9;-~]{1,64}[ \t]{1,8}:")
_PARAMETER = re.compile(r";\s{0,8}([A-Za-z0-9_*-]{1,64})\s{0,8}=")
_PADDING = re.compile(r"=[=\s]*+")
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]++")
_IDENTITY = ("", "7bit", "8bit", "binary")
_ENCODINGS = (*_IDENTITY, "quoted-printable", "base64", "x-uuencode", "uuencode", "uue", "x-uue")
_CONTROLS = bytes({*range(32)} - {7, 8, *range(9, 14), 27})
_BINARY = re.compile(f"[{re.escape(_CONTROLS.decode())}]")
"""A text part with one of these in it is a file, whatever it says it is. (Bytes are looked at first: that is quick.)"""
_ENCODED = b"content-transfer-encoding"
_UUENCODED = re.compile(r"^begin [0-7]{3} ", re.MULTILINE)
_ONLY_LETTERS = bytes(byte if chr(byte).isalpha() else 0x20 for byte in range(128)).ljust(256)
_FOLD = re.compile(r"\r?\n[ \t]")
_FLOWED = re.compile(r" \r?\n ?")
_COMMAND = re.compile(r"</?[A-Za-z0-9-]{1,60}>")
_COMMENT = re.compile(r"\([^()]*\)")


class _RefusedError(Exception):
    def __init__(self, reason: Unreadable) -> None:
        super().__init__(reason)
        self.reason = reason


def unread(files: Sequence[File]) -> Iterator[Found]:
    """The extractor of who has none: what is no plain text was not read."""
    return (Hit("unscannable", "unread", file.where) for file in files if not file.known)


def read(raw: bytes, extract: Extract = unread, beside: Sequence[Passage | File] = ()) -> Message:
    """Read `raw`, a whole mail in any state of repair, and what goes `beside` it. The caller bounds its size; the
    rest is bounded here."""
    try:
        mail = parse(raw, Policy())
        reading = _Reading()
        subject = reading.read_mail(mail, within="", alternative=None)
    except _RefusedError as refused:
        return Message(unreadable=refused.reason)
    except BeyondBoundsError as beyond:
        return Message(unreadable=Unreadable(beyond.bound))
    except Exception:
        # The standard library's parser raises TypeError, ValueError and others on rubbish, and documents
        # none. Whatever it is, the mail was not read, and a mail that was not read is held.
        return Message(unreadable=Unreadable.DAMAGED)
    reading.passages += [thing for thing in beside if isinstance(thing, Passage)]
    reading.files += [thing for thing in beside if isinstance(thing, File)]
    if reading.files:
        for found in extract(reading.files):
            reading.found(found)
    hits = reading.hits
    most = growth(sum(len(passage.text) for passage in reading.passages))
    return Message(
        subject,
        tuple(passage if passage.growth == most else replace(passage, growth=most) for passage in reading.passages),
        tuple(sorted(reading.attachments, key=lambda attachment: attachment.index)),
        troubles=tuple(hit for hit in hits if hit.detector == "unscannable"),
        dangers=tuple(hit for hit in hits if hit.detector != "unscannable"),
        chunks=tuple(reading.chunks),
    )


class _Reading:
    """One pass over a parsed mail, gathering passages and attachments in the order of the mail."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.attachments: list[Attachment] = []
        self.files: list[File] = []
        self.hits: list[Hit] = []
        self.chunks: list[Chunks] = []
        self.alternatives = count(1)

    def read_mail(self, mail: Mime, within: str, alternative: Alternative) -> str:
        """Read a mail, outermost or attached; `within` begins its passages' names. Return its subject."""
        subject = "\n".join(header_text(value) for value in mail.get_all("subject", []))
        self.add(f"{within}subject", subject, alternative)
        self.read_part(mail, f"{within}body", alternative)
        return subject

    def read_part(self, part: Mime, name: str, alternative: Alternative) -> None:
        """Read a part and the parts in it; text that is no attachment is called `name`."""
        headers = [header.lower() for header in part]
        broken_off = any(isinstance(one, MissingHeaderBodySeparatorDefect) for one in part.defects)
        first = part.get_payload() if broken_off else None
        if isinstance(first, str) and _SPACED_FIELD.match(first):
            # A blank before the colon ends the header for the standard library, and for others it does not.
            raise _RefusedError(Unreadable.AMBIGUOUS_HEADER)
        if any(headers.count(header) > 1 for header in MIME_FIELDS):
            raise _RefusedError(Unreadable.AMBIGUOUS_HEADER)
        for header in MIME_FIELDS:
            parameters = [one[1].lower() for one in _PARAMETER.finditer(part.get(header, ""))]
            if len(parameters) != len(set(parameters)):
                raise _RefusedError(Unreadable.AMBIGUOUS_HEADER)
        encoding = _COMMENT.sub("", part.get("content-transfer-encoding", "")).strip().lower()
        if encoding not in _ENCODINGS:
            raise _RefusedError(Unreadable.UNKNOWN_ENCODING)
        if encoding and encoding != part["content-transfer-encoding"]:
            part.replace_header("content-transfer-encoding", encoding)
        self.read_fields(part, name, alternative)
        kind = part.get_content_maintype()
        if kind in ("multipart", "message") and encoding not in _IDENTITY:
            # RFC 2045 section 6.4 forbids it: some readers decode, others do not.
            raise _RefusedError(Unreadable.BROKEN_MULTIPART)
        if kind == "multipart":
            self.read_multipart(part, name, alternative)
        elif kind == "message":
            self.read_message(part, alternative)
        else:
            self.read_leaf(part, name, alternative)

    def read_fields(self, part: Mime, name: str, alternative: Alternative) -> None:
        """Add what the header of a mail or a part says, field names included; the subject has a passage of its own."""
        said = [
            f"{field}: {_said(field.lower(), value)}" for field, value in part.items() if field.lower() != "subject"
        ]
        place = f"{name[:-4]}header" if name.endswith("body") else f"{name} header"
        self.add(place, "\n".join(said), alternative)

    def read_multipart(self, part: Mime, name: str, alternative: Alternative) -> None:
        if not part.is_multipart():
            raise _RefusedError(Unreadable.BROKEN_MULTIPART)
        opens = alternative is None and part.get_content_subtype() == "alternative"
        group = next(self.alternatives) if opens else 0
        for branch, child in enumerate(children(part)):
            self.read_part(child, name, (group, branch) if opens else alternative)
        # No mail reader shows what stands before the first part or after the last, but anyone can look there.
        self.add(f"{name} preamble", _raw_text(part.preamble), alternative)
        self.add(f"{name} epilogue", _raw_text(part.epilogue), alternative)

    def read_message(self, part: Mime, alternative: Alternative) -> None:
        """An attached mail or report: an attachment by its bytes (lines end in CRLF), and read through."""
        mails = children(part)
        if not mails:
            raise _RefusedError(Unreadable.BROKEN_MULTIPART)
        data = b"".join(child.as_bytes() for child in mails)
        attachment = self.attach(part, data, alternative)
        if part.get_content_subtype() in ("rfc822", "global", "news"):
            for child in mails:
                self.read_mail(child, f"{attachment}: ", alternative)
        else:
            text = decode(data)
            self.add(attachment, text, alternative)
            has_body = data.partition(b"\r\n\r\n")[2].strip()
            if has_body and (_ENCODED in data.lower() or _is_binary(data, text)):
                # A mail under another name, for who saves it as one: there are files in it.
                self.give(attachment, len(self.attachments), part, data, alternative, known=True)
            if part.get_content_subtype() == "partial":
                # RFC 2046 section 5.2.2: the recipient's program puts the pieces together, which come in other mails.
                self.hits.append(Hit("unscannable", "partial", attachment))

    def read_leaf(self, part: Mime, name: str, alternative: Alternative) -> None:
        data = _decoded(part)
        if not isinstance(data, bytes):
            raise _RefusedError(Unreadable.DAMAGED)
        disposition = part.get("content-disposition", "").partition(";")[0].strip().lower()
        is_text = part.get_content_maintype() == "text"
        charset = _lenient(part.get_content_charset) if is_text else ""
        text = decode(data, charset) if is_text else ""
        is_file = not is_text or disposition == "attachment" or _file_name(part) or _is_binary(data, text)
        if is_file:
            name = self.attach(part, data, alternative)
            self.give(str(self.attachments[-1]), len(self.attachments), part, data, alternative, "\0" not in text)
        elif _has_files(text) or part.get_content_subtype() == "xml":
            self.give(name, 0, part, data, alternative, known=True)
        if is_text:
            subtype = part.get_content_subtype()
            if not is_file and subtype in _PAGES:  # a page that comes as a file is examined as one
                self.hits.extend(replace(hit, where=name) for hit in lying(text))
            further = () if "\0" in text else readings(data, charset)
            if "delsp" in part.get("content-type", "").lower():  # RFC 3676 section 4.2: lines that a blank ends go on
                further += (("flowed", _FLOWED.sub("", text)),)
            group = next(self.alternatives) if further and alternative is None else 0
            self.text(name, subtype, text, (group, 0) if group else alternative)
            for branch, (codec, reading) in enumerate(further, 1):
                self.text(f"{name}, as {codec}", subtype, reading, (group, branch) if group else alternative)
            if is_sealed(text):
                self.hits.append(Hit("unscannable", "encrypted", name))

    def text(self, name: str, subtype: str, text: str, alternative: Alternative) -> None:
        """Add one reading of a text part, and the text as it is seen where that may be another."""
        seen = ""
        if subtype in _PAGES:
            text, hidden, seen = split(text)
            self.add(f"{name} markup", hidden, alternative)
        elif subtype in ("calendar", "vcard", "x-vcard", "directory"):
            text = _FOLD.sub("", text)  # RFC 5545 section 3.1: within a word if need be
        elif subtype in ("enriched", "richtext"):  # RFC 1896, RFC 1341; most readers know neither
            seen = _COMMAND.sub("", text.replace("<nl>", "\n"))
        if not seen:
            self.add(name, text, alternative)
            return
        group = next(self.alternatives)
        self.add(name, text, alternative or (group, 0))
        self.add(f"{name}, as it is seen", seen, alternative or (group, 1))

    def give(self, where: str, index: int, part: Mime, data: bytes, alternative: Alternative, known: bool) -> None:
        """Put a file, or a text with files in it, before the extractor."""
        kind = part.get_content_type()
        known = known and part.get_content_maintype() == "text"
        self.files.append(File(index, where, _file_name(part), kind, data, known, alternative))

    def found(self, found: Found) -> None:
        """Add what the extractor says."""
        if isinstance(found, Passage):
            self.passages.append(found)
        elif isinstance(found, Attachment):
            self.attachments.append(found)
        elif isinstance(found, Chunks):
            self.chunks.append(found)
        else:
            self.hits.append(found)

    def attach(self, part: Mime, data: bytes, alternative: Alternative) -> str:
        """Add an attachment and its file name, which leaves the house too; return its passages' name."""
        index = len(self.attachments) + 1
        file_name = _file_name(part)
        shown = "".join(c if c.isprintable() else "\ufffd" for c in file_name[:MAX_NAME])
        self.attachments.append(Attachment.of(index, data, part.get_content_type(), shown))
        self.add(f"name of attachment {index}", file_name, alternative)
        return f"attachment {index}"

    def add(self, name: str, text: str, alternative: Alternative) -> None:
        if text and not text.isspace():
            self.passages.append(Passage(name, text, alternative))


def _said(field: str, value: str) -> str:
    """What a person may have written into a field: of addresses and of what programs write, only words."""
    text = header_text(value)
    if field in _PEOPLE:
        return " ".join(word for word in text.split() if "@" not in word)
    if field in _TRACE or field.startswith(_TRACES):
        words = " ".join(word for word in text.split() if "@" not in word and "." not in word)
        if words.isascii():
            return words.encode().translate(_ONLY_LETTERS).decode()
        return "".join(c if c.isalpha() else " " for c in words)
    return text


def _decoded(part: Mime) -> bytes | None:
    """A part's bytes. Base64 goes on behind padding for many readers, and ends there for the standard library's."""
    if part.get("content-transfer-encoding", "").lower() == "base64":
        raw = part.get_payload()
        pieces = [piece for piece in _PADDING.split(raw) if piece.strip()] if isinstance(raw, str) else []
        if len(pieces) > 1:
            return b"".join(map(_unpadded, pieces))
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else None


def _unpadded(piece: str) -> bytes:
    letters = _NO_BASE64.sub("", piece)
    return binascii.a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + "==")


def _raw_text(text: str | None) -> str:
    return decode((text or "").encode("ascii", "surrogateescape"))


def _is_binary(data: bytes, text: str) -> bool:
    if text[:128].lstrip().startswith(("%PDF-", "{\\rtf")):
        return True
    return len(data.translate(None, _CONTROLS)) != len(data) and _BINARY.search(text) is not None


def _has_files(text: str) -> bool:
    """Whether files are written out in the text."""
    return (
        ("64" in text and "base64" in text.casefold())
        or ("begin " in text and _UUENCODED.search(text) is not None)
        or is_written_out(text)
    )


def _file_name(part: Mime) -> str:
    return header_text(_lenient(part.get_filename))


def _lenient(parameter: Callable[[], str | None]) -> str:
    """A MIME parameter, or "" if it is malformed: the stdlib raises on odd continuations (RFC 2231)."""
    try:
        return parameter() or ""
    except ODD:
        return ""
