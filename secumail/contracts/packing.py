"""Long texts in commands and answers: deflated, since a million words would not fit a letter otherwise."""

import base64
import zlib

from secumail.errors import Refused

_PACKED = "zlib:"
_SHORT = 64 * 1024
_PIECE = 2**20


def pack(text: str) -> str:
    """`text`, deflated where it is long."""
    if len(text) < _SHORT and not text.startswith(_PACKED):
        return text
    deflate = zlib.compressobj(1)
    data = text.encode()
    # Piece by piece: other threads get their turn between two.
    pieces = [deflate.compress(data[start : start + _PIECE]) for start in range(0, len(data), _PIECE)]
    return _PACKED + base64.b64encode(b"".join((*pieces, deflate.flush()))).decode()


def unpack(packed: str, most: int) -> str:
    """What was packed; Refused where it is damaged, or longer than `most` bytes."""
    if not packed.startswith(_PACKED):
        return packed
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(base64.b64decode(packed[len(_PACKED) :], validate=True), most)
        if not inflate.eof:
            raise Refused(
                "text-too-long", f"The text is cut off, or longer than {most // 2**20} MB.", "Send less.", 413
            )
        return data.decode()
    except (ValueError, zlib.error) as error:
        raise Refused("text-malformed", "The text can't be unpacked.", "Send it again.", 422) from error
