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
_PHOTOGRAPH = "Choose a photograph: the camera's own JPEG, or one that never was a JPEG, saved as 8-bit PNG."

REASONS: Mapping[str, Reason] = {
    "unknown-recipient": Reason("5.1.1", "There is no such address in this organisation."),
    "suspended-recipient": Reason("5.2.1", "The mailbox is not in use at present."),
    "malformed-recipient": Reason("5.1.3", "This is no mail address."),
    "no-relay": Reason("5.7.1", "This installation does not send mail outside the organisation."),
    "pickup-expired": Reason("5.4.7", "Its pickup expired before the mail was let out. Send it again."),
    "no-key": Reason("5.7.1", "No key of the recipient is known. Add one, or send the mail with a password."),
    "encryption-required": Reason(
        "5.7.1",
        "The organisation lets this mail leave encrypted only, and no key of the recipient is known."
        " Add one, or send the mail with a password.",
    ),
    "reason-needed": Reason(
        "5.7.1", "The organisation asks why this mail is sent. Send it again with a reason, or change it."
    ),
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
    "attachment-black-listed": Reason("5.7.1", "It has an attachment that the organisation does not let out."),
    "attachment-not-listed": Reason("5.7.1", "It has an attachment that is not among the files approved for sending."),
    "black-word": Reason("5.7.1", "Its text touches a subject that the organisation keeps to itself."),
    "term-weight": Reason("5.7.1", "Its text dwells on a subject that the organisation keeps to itself."),
    "rule": Reason("5.7.1", "A rule of the organisation does not let mail of this kind out."),
    # A hidden mail's pictures (services/stego) can't carry it.
    "cover-file-too-large": Reason(_PICTURE, "A picture's file is too large. Scale the picture down."),
    "cover-too-many-pixels": Reason(_PICTURE, "A picture has too many pixels. Scale it down."),
    "cover-together-too-large": Reason(_PICTURE, "The pictures have too many pixels together. Give fewer or smaller."),
    "cover-memory": Reason(_PICTURE, "A picture takes too much memory to be worked on. Scale it down."),
    "cover-too-long": Reason(_PICTURE, "A picture takes too long to be worked on. Scale it down."),
    "cover-unworkable": Reason(_PICTURE, f"A picture could not be worked on. {_PHOTOGRAPH}"),
    "cover-too-small": Reason(_PICTURE, "A picture is too small to hide a mail. Choose a larger photograph."),
    "cover-palette": Reason(_PICTURE, f"A picture has a palette of colours, which shows every change. {_PHOTOGRAPH}"),
    "cover-depth": Reason(_PICTURE, f"A picture has not 8 bits a sample. {_PHOTOGRAPH}"),
    "cover-colours": Reason(_PICTURE, f"A picture's colours are neither grey nor RGB. {_PHOTOGRAPH}"),
    "cover-coding": Reason(_PICTURE, f"A JPEG is coded in a way that hardly anybody uses. {_PHOTOGRAPH}"),
    "cover-animated": Reason(_PICTURE, f"A picture is animated. {_PHOTOGRAPH}"),
    "cover-transparent": Reason(_PICTURE, "A picture has transparent parts. Flatten it and save it again."),
    "cover-smooth": Reason(_PICTURE, "A picture is too smooth: every change shows. Choose one with texture."),
    "cover-no-room": Reason(_PICTURE, "A picture is too small or too smooth for so much. Choose one with texture."),
    "cover-damaged": Reason(_PICTURE, "A picture is cut off or damaged. Fetch the file again, or choose another."),
    "cover-jpeg-past": Reason(_PICTURE, "A picture was a JPEG before, which changes would show. Give the JPEG itself."),
    "cover-lossy": Reason(_PICTURE, f"A picture is a lossy WebP, which changes would show. {_PHOTOGRAPH}"),
    "cover-format": Reason(_PICTURE, "A file is no picture of a kind that can carry. Give JPEG or PNG photographs."),
    "cover-shared": Reason(
        _PICTURE,
        "The mail went out in parts, and its pictures carried another part. Send it to these people with other ones.",
    ),
    "cover-carries": Reason(_PICTURE, "A picture carries something already. Give one that never carried."),
    "cover-too-heavy": Reason(_PICTURE, "A picture has too many megabytes as PNG. Give a JPEG, or scale it down."),
    "cover-twice": Reason(_PICTURE, "The same picture is given twice. Give pictures that differ."),
    "cover-used": Reason(
        _PICTURE, "A picture, or one nearly the same, has carried a mail before, and two give both away. Give another."
    ),
    "cover-library-empty": Reason(
        _PICTURE, "The organisation's library has no picture left. Give a photograph of your own."
    ),
    "cover-library-short": Reason(
        "5.3.4", "The organisation's pictures are too few or small for the mail. Give photographs of your own."
    ),
    "covers-number": Reason(_PICTURE, "A mail is hidden in 1 to 16 pictures."),
    "payload-too-large": Reason(
        "5.3.4", "The mail is too long for its pictures. Give more or larger ones, or leave out attachments."
    ),
    "carrier-name": Reason(_PICTURE, "A picture's name is no plain file name. Give one such as garden.jpg."),
    "carrier-text": Reason(_PICTURE, "The text beside the picture has characters no mail can hold. Type it anew."),
    "carrier-header": Reason(_PICTURE, "A header field cannot stand in the mail with the picture. Type it anew."),
    "carrier-too-large": Reason("5.3.4", "The picture with the mail in it is too large. Choose one with fewer pixels."),
}


def hiding_warnings(rate: str, *, outside: bool = False) -> list[str]:
    """What whoever hides something at a rate is told, `outside`: where the pictures are sent by other ways."""
    told = ["Destroy the originals of the pictures: who has one can compare."]
    if outside:
        told.append(
            "Send the pictures as files. Messengers, web albums and some mail systems compress pictures again, which "
            "destroys what they hide."
        )
    if rate == "maximum":
        told.append(
            "At the maximum rate a trained detector that knows the method finds many of the pictures. Take it only "
            "where nobody looks."
        )
    return told


def reason(code: str | None) -> Reason:
    """What to say of a code, also of one that is younger than this table."""
    return REASONS.get(code or "", _OTHER)
