"""The carrier mail: an ordinary mail with pictures attached, and the pictures of a mail that may be one."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import AddressHeader
from email.message import EmailMessage, Message
from email.parser import BytesParser
from itertools import islice

from secumail.errors import Refused
from services.stego.terms import JPEG, PNG, Kind

MAIL_LIMIT = 48 * 2**20  # bytes of a mail that is searched for pictures
PICTURES_LIMIT = 32  # pictures looked at in one mail: each costs a decoding

_SUFFIXES = {"png": (".png",), "jpeg": (".jpg", ".jpeg")}
_OTHER_SUFFIXES = ("", ".bmp", ".tif", ".tiff", ".webp", ".png", ".jpg", ".jpeg", ".jpe", ".jfif")
_POLICY = policy.SMTP.clone(cte_type="7bit")
_ALONE = "Save the pictures from the mail and reveal them alone."


class CarrierRefused(Refused):
    """The carrier mail can't be built or searched; `code` starts with `carrier-`."""

    def __init__(self, fault: str, words: str, fix: str) -> None:
        super().__init__(f"carrier-{fault}", words, fix)


@dataclass(frozen=True)
class MailHeaders:
    """The header fields of the carrier mail as unfolded Unicode text (RFC 5322, section 3.6)."""

    sender: str
    to: str
    subject: str
    date: datetime
    message_id: str
    cc: str = ""


@dataclass(frozen=True)
class Attached:
    """A picture of the carrier mail: its file, what it is, and the name it goes by."""

    file: bytes
    kind: Kind
    name: str

    def __repr__(self) -> str:
        return f"Attached({self.kind}, {len(self.file)} bytes)"


def carrier(headers: MailHeaders, pictures: Sequence[Attached], cover_text: str) -> bytes:
    """A mail in RFC 5322 form, CRLF and 7 bits throughout: the cover text, and the pictures attached in their order.

    The same arguments give the same bytes. Raises CarrierRefused.
    """
    if "\0" in cover_text or any(unicodedata.category(character) == "Cs" for character in cover_text):
        raise CarrierRefused("text", "The cover text has characters no mail can hold.", "Type it anew.")
    mail = EmailMessage(_POLICY)
    _add_headers(mail, headers)
    mail.set_content(cover_text)
    for picture in pictures:
        mail.add_attachment(picture.file, "image", picture.kind, filename=named(picture.name, picture.kind))
    # The library's own boundary would name the library, and differ from run to run.
    digest = hashlib.sha256(headers.message_id.encode())
    for picture in pictures:
        digest.update(picture.file)
    mail.set_boundary(digest.hexdigest()[:32])
    return mail.as_bytes()


def images(mail: bytes) -> list[bytes]:
    """The PNGs and JPEGs of a mail, in its order, whatever their declared types.

    Forwarded mails inside are searched too. At most PICTURES_LIMIT pictures. Raises CarrierRefused for a mail
    over MAIL_LIMIT or nested too deeply.
    """
    if len(mail) > MAIL_LIMIT:
        words = f"The mail has {len(mail):,} bytes; at most {MAIL_LIMIT:,} are searched."
        raise CarrierRefused("too-large", words, _ALONE)
    contents = (part.get_payload(decode=True) for part in _leaves(mail))
    found = (data for data in contents if isinstance(data, bytes) and is_carrier(data))
    return list(islice(found, PICTURES_LIMIT))


def is_carrier(data: bytes) -> bool:
    """Whether a file is of a kind that we write."""
    return data.startswith((PNG, JPEG))


def named(name: str, kind: Kind) -> str:
    """A picture's name, with the ending of what it is written as. Raises CarrierRefused."""
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    ending = (dot + suffix).lower()
    if not stem or ending not in _OTHER_SUFFIXES or _controls(name) or set(name) & set('/\\:"'):
        raise CarrierRefused("name", "The picture's name is no plain file name.", "Give one such as garden.jpg.")
    return name if ending in _SUFFIXES[kind] else stem + _SUFFIXES[kind][0]


def _leaves(mail: bytes) -> list[Message]:
    try:
        # compat32, because the modern policy stumbles over headers that strangers' mails do have.
        parsed: Message = BytesParser(policy=policy.compat32).parsebytes(mail)
        return [part for part in parsed.walk() if not part.is_multipart()]
    except RecursionError as error:
        raise CarrierRefused("nested", "The mail's parts are nested too deeply.", _ALONE) from error


def _add_headers(mail: EmailMessage, headers: MailHeaders) -> None:
    fields = {
        "From": headers.sender,
        "To": headers.to,
        "Cc": headers.cc,
        "Subject": headers.subject,
        "Message-ID": headers.message_id,
    }
    for field, value in fields.items():
        if _controls(value):
            words = f"The header field {field} has a line break or control character."
            raise CarrierRefused("header", words, "Take it out.")
        if value or field in ("From", "Message-ID"):
            _add_header(mail, field, value)
    if headers.date.tzinfo is None:
        raise CarrierRefused("header", "The date has no time zone.", "Give its offset from UTC.")
    mail["Date"] = headers.date


def _add_header(mail: EmailMessage, field: str, value: str) -> None:
    refusal = CarrierRefused(
        "header", f"The header field {field} is malformed.", "Give it as RFC 5322 says; addresses in ASCII."
    )
    try:
        mail[field] = value
    except (MessageError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise refusal from error
    header = mail[field]
    # The library would encode a non-ASCII address as a word, which no server can route.
    addresses = [address.addr_spec for address in getattr(header, "addresses", ())]
    if header.defects or (isinstance(header, AddressHeader) and not addresses):
        raise refusal
    if not all(address.isascii() and "@" in address for address in addresses):
        raise refusal


def _controls(text: str) -> bool:
    """Whether line breaks, other control characters or half characters are in a text of one line."""
    return any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)
