"""Why a recipient was not served: each stable code's enhanced status (RFC 3463) and its words. One table for all.

delivery writes them into bounces, the gateway shows them to the sender. A code that is not here gets words too.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """`status` for mail programs, `words` for people: what is wrong, and what to do where something can be done."""

    status: str
    words: str


_OTHER = Reason("5.0.0", "It could not be delivered; ask your administrator to look at its trace.")

_PICTURE = "5.6.0"
_PHOTOGRAPH = "Choose a photograph saved as an 8-bit PNG."

REASONS: Mapping[str, Reason] = {
    "unknown-recipient": Reason("5.1.1", "There is no such address in this organisation."),
    "suspended-recipient": Reason("5.2.1", "The mailbox is not in use at present."),
    "malformed-recipient": Reason("5.1.3", "This is no mail address."),
    "no-relay": Reason("5.7.1", "This installation does not send mail outside the organisation."),
    "pickup-expired": Reason("5.4.7", "Its pickup expired before the mail was let out. Send it again."),
    "no-key": Reason("5.7.1", "No key of the recipient is known. Add one, or send the mail with a password."),
    "rejected-by-reviewer": Reason("5.7.1", "A reviewer decided that this mail may not go out."),
    "review-expired": Reason("5.7.1", "No reviewer let this mail go in time. Send it again if it is still wanted."),
    # What a rule of the organisation refuses at once (services/dlp).
    "unscannable": Reason(
        "5.7.1", "Something attached cannot be opened to be checked. Attach the files themselves, without a password."
    ),
    "danger": Reason("5.7.1", "Something attached can do harm where it is opened. Send documents without macros."),
    "copy": Reason("5.7.1", "Parts of it are the same as in a document that the organisation keeps to itself."),
    "expression": Reason("5.7.1", "It has something in it that the organisation does not let out."),
    "credential": Reason("5.7.1", "It seems to hold a password or a key. Never mail those; have it changed."),
    "personal-data": Reason(
        "5.7.1", "It holds data about persons that the law protects. Leave out what is not needed."
    ),
    "rule": Reason("5.7.1", "A rule of the organisation does not let mail of this kind out."),
    # A hidden mail's picture (services/stego) can't carry it.
    "cover-file-too-large": Reason(_PICTURE, "The picture's file is too large. Scale the picture down."),
    "cover-too-many-pixels": Reason(_PICTURE, "The picture has too many pixels. Scale it down."),
    "cover-too-small": Reason(_PICTURE, "The picture is too small to hide a mail. Choose a larger photograph."),
    "cover-palette": Reason(_PICTURE, f"The picture has a palette of colours, which shows every change. {_PHOTOGRAPH}"),
    "cover-depth": Reason(_PICTURE, f"The picture has not 8 bits a sample. {_PHOTOGRAPH}"),
    "cover-animated": Reason(_PICTURE, f"The picture is animated. {_PHOTOGRAPH}"),
    "cover-transparent": Reason(_PICTURE, "The picture has transparent parts. Flatten it and save it as PNG again."),
    "cover-smooth": Reason(_PICTURE, "The picture is too smooth: every change shows. Choose one with texture."),
    "cover-damaged": Reason(_PICTURE, "The picture is cut off or damaged. Fetch the file again, or choose another."),
    "cover-jpeg": Reason(_PICTURE, f"The picture is a JPEG, which cannot hide a mail. {_PHOTOGRAPH}"),
    "cover-not-png": Reason(_PICTURE, f"The picture is not a PNG. {_PHOTOGRAPH}"),
    "payload-too-large": Reason(
        "5.3.4", "The mail is too long for its picture. Choose one with more pixels, or leave out attachments."
    ),
    "carrier-name": Reason(_PICTURE, "The picture's name is no plain file name. Give one such as garden.png."),
    "carrier-text": Reason(_PICTURE, "The text beside the picture has characters no mail can hold. Type it anew."),
    "carrier-header": Reason(_PICTURE, "A header field cannot stand in the mail with the picture. Type it anew."),
    "carrier-too-large": Reason("5.3.4", "The picture with the mail in it is too large. Choose one with fewer pixels."),
}


def reason(code: str | None) -> Reason:
    """What to say of a code, also of one that is younger than this table."""
    return REASONS.get(code or "", _OTHER)
