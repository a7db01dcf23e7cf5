"""A mail without some of its attachments: a text stands where each was.

dlp says which, by digest, and looks at what is left; crypto does it again to what the door signed, and signs the
result. So dlp's word takes something out of a mail and can put nothing into it.
"""

import hashlib
from collections.abc import Collection, Sequence

from secumail.mailbox.mime import data, leaves, parse

NOTE = (
    "An attachment stood here. The sender's organisation took it out before it signed this mail.\r\n"
    "Ask the sender for another way.\r\n"
)


def without(raw: bytes, digests: Collection[str]) -> bytes:
    """The mail without the parts whose content has one of these SHA-256 digests (hex), each replaced by a note.

    A mail that can't be taken apart stays as it is: who asks has to look at the result.
    """
    mail = parse(raw)
    if mail is None:
        return raw
    for part in leaves(mail):
        if hashlib.sha256(data(part)).hexdigest() in digests:
            for name in {name for name in part if name.lower().startswith("content-")}:
                del part[name]
            part["Content-Type"] = "text/plain; charset=us-ascii"
            part.set_payload(NOTE)
    return mail.as_bytes()


def digest(digests: Sequence[str]) -> str:
    """Tells one choice of attachments from another, short enough for a claim: 128 bits of SHA-256."""
    return hashlib.sha256("/".join(digests).encode()).hexdigest()[:32]
