"""Whether sound or film is laid out as its format says: what only begins like a recording may be anything.

Formats are chains of frames, boxes, chunks or pages, each of which says where the next one begins. Nothing is decoded,
so a recording that is one may still carry in its samples what it likes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

ENOUGH = 0.9
"""The share of a recording that its frames account for: tags of unknown make and a cut-off end are usual."""
MAX_PARTS = 1 << 20
_RESYNCS = 1000
_WHOLE = -1
"""A place: the end of the data, wherever that is."""

_Begin = Callable[[bytes], int]
_Step = Callable[[bytes, int], int]


def unaccounted(kind: str, data: bytes) -> list[tuple[int, int]] | None:
    """The stretches between the parts of `data`, which begins as a `kind` of the family media, and in parts that only
    keep room; None where it does not go on as one. Linear; never raises."""
    begin, step, mark = _FORMATS[kind]
    at, room = _ROOM.get(kind, (0, ()))
    try:
        place = first = begin(data)
    except struct.error:
        return None
    stretches: list[tuple[int, int]] = []
    accounted = resyncs = behind = 0
    for _ in range(MAX_PARTS):
        if not 0 < place < len(data):
            break
        try:
            end = step(data, place)
        except struct.error:
            break
        end = len(data) if end == _WHOLE else end
        if place < end <= len(data):
            if accounted and behind < place:
                stretches.append((behind, place))
            if data.startswith(room, place + at):
                stretches.append((place + at + 4, end))
            accounted += end - place
            place = behind = end
        elif mark and resyncs < _RESYNCS:
            resyncs += 1
            place = data.find(mark, place + 1)
        else:
            break
    if first <= 0 or not accounted or accounted < ENOUGH * (len(data.rstrip(b"\0")) - first):
        return None
    return [*stretches, (behind, len(data))]


# --- MPEG audio (ISO 11172-3, 13818-3), with tags as id3.org and Monkey's Audio have them -------------------------

_KILOBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _behind_tags(data: bytes) -> int:
    place = 0
    while data.startswith(b"ID3", place):
        flags, size = struct.unpack_from(">BI", data, place + 5)
        place += 10 + sum((size >> 8 * byte & 0x7F) << 7 * byte for byte in range(4)) + (10 if flags & 0x10 else 0)
    at = data.find(b"\xff", place, place + 4096)
    return max(at, 1) if at >= 0 else -1


def _mpeg_frame(data: bytes, place: int) -> int:
    if data.startswith(b"TAG", place) and len(data) - place == 128:
        return _WHOLE
    if data.startswith(b"APETAGEX", place):
        return place + 32 + int(struct.unpack_from("<I", data, place + 12)[0])
    (head,) = struct.unpack_from(">I", data, place)
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    bitrate, rate = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return place
    bits, hertz = _KILOBITS[1 if version == 3 else 2, layer][bitrate - 1] * 1000, _RATES[version][rate]
    padding = head >> 9 & 1
    if layer == 1:
        return place + int(12 * bits // hertz + padding) * 4
    return place + int((72 if layer == 3 and version != 3 else 144) * bits // hertz + padding)


# --- the others ------------------------------------------------------------------------------------------------------


def _riff_begin(data: bytes) -> int:
    needed = (b"fmt ", b"data") if data[8:12] == b"WAVE" else (b"hdrl", b"movi")
    return 12 if all(mark in data for mark in needed) else -1


def _riff_chunk(data: bytes, place: int) -> int:
    """Also the further RIFF of a long film, whose chunks follow its head."""
    (size,) = struct.unpack_from("<I", data, place + 4)
    if data.startswith(b"RIFF", place):
        return place + 12
    if not _is_name(data[place : place + 4]):
        return place
    end = place + 8 + size + size % 2
    return _WHOLE if data.startswith(b"data", place) and end > len(data) else min(end, max(len(data), end - 1))


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name)


def _ogg_page(data: bytes, place: int) -> int:
    """RFC 3533 section 6."""
    if not data.startswith(b"OggS\0", place):
        return place
    segments = data[place + 26]
    return place + 27 + segments + sum(data[place + 27 : place + 27 + segments])


def _flac_begin(data: bytes) -> int:
    """RFC 9639 section 8: blocks, the first of which is of 34 bytes; the last says so."""
    place, last = 4, False
    if data[4] & 0x7F or data[5:8] != b"\0\0\x22":
        return -1
    while not last and place + 4 <= len(data):
        last = bool(data[place] & 0x80)
        place += 4 + int.from_bytes(data[place + 1 : place + 4], "big")
    return place


def _flac_frames(data: bytes, place: int) -> int:
    return _WHOLE if data.startswith((b"\xff\xf8", b"\xff\xf9"), place) else place


def _midi_chunk(data: bytes, place: int) -> int:
    (size,) = struct.unpack_from(">I", data, place + 4)
    return place + 8 + int(size) if _is_name(data[place : place + 4]) else place


def _mp4_begin(data: bytes) -> int:
    (size,) = struct.unpack_from(">I", data, 0)
    return int(size) if b"moov" in data or b"moof" in data else -1


def _mp4_box(data: bytes, place: int) -> int:
    """ISO 14496-12 section 4.2."""
    size, name = struct.unpack_from(">I4s", data, place)
    if not _is_name(name):
        return place
    if size == 1:
        (size,) = struct.unpack_from(">Q", data, place + 8)
    return _WHOLE if not size and name == b"mdat" else place + int(size)


_SEGMENT = 0x18538067
_IN_SEGMENT = frozenset(
    [
        *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469),
        *(0xEC, 0xBF),
    ]
)


def _matroska_begin(data: bytes) -> int:
    """RFC 9559 section 5: a header, and a segment behind it."""
    _, size, place = _element(data, 0)
    name, size, place = _element(data, place + size)
    return place if name == _SEGMENT and size else -1


def _matroska_element(data: bytes, place: int) -> int:
    name, size, body = _element(data, place)
    if name not in _IN_SEGMENT:
        return place
    # Of a live recording nobody knew the size: all ones.
    return _WHOLE if size == (1 << 7 * (body - place - _width(data, place))) - 1 else body + size


def _element(data: bytes, place: int) -> tuple[int, int, int]:
    """Its number and its size (RFC 8794), and where its content begins."""
    at = place + _width(data, place)
    end = at + _width(data, at)
    size = int.from_bytes(data[at:end], "big") & ((1 << 7 * (end - at)) - 1)
    return int.from_bytes(data[place:at], "big"), size, end


def _width(data: bytes, place: int) -> int:
    return 9 - data[place].bit_length() if place < len(data) else 1


_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def _asf_begin(data: bytes) -> int:
    (size,) = struct.unpack_from("<Q", data, 16)
    return int(size) if data.startswith(_ASF_DATA, size) else -1


def _asf_object(data: bytes, place: int) -> int:
    (size,) = struct.unpack_from("<Q", data, place + 16)
    return place + int(size) if size >= 24 else _WHOLE if data.startswith(_ASF_DATA, place) else place


_LONGEST_SLICE = 1 << 16


def _mpeg_packet(data: bytes, place: int) -> int:
    """A pack or a packet (ISO 13818-1 section 2.5.3, and ISO 11172-1 before it), or a part of pictures alone."""
    if not data.startswith(b"\0\0\1", place):
        return place
    kind = data[place + 3]
    if kind == 0xBA:
        return place + (14 + (data[place + 13] & 7) if data[place + 4] & 0xC0 == 0x40 else 12)
    if kind == 0xB9:
        return place + 4
    if kind > 0xB9:
        return place + 6 + int(struct.unpack_from(">H", data, place + 4)[0])
    return max(place, data.find(b"\0\0\1", place + 4, place + _LONGEST_SLICE))


def _flv_tag(data: bytes, place: int) -> int:
    (head,) = struct.unpack_from(">I", data, place)
    return place + 15 + (head & 0xFFFFFF) if head >> 24 & 0x1F in (8, 9, 18) else place


_SPEECH = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0)
_WIDE_SPEECH = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)


def _amr_frame(data: bytes, place: int) -> int:
    """RFC 4867 section 5."""
    sizes = _WIDE_SPEECH if data.startswith(b"#!AMR-WB\n") else _SPEECH
    return place + 1 + sizes[data[place] >> 3 & 15] if not data[place] & 0x83 else place


_ROOM: dict[str, tuple[int, tuple[bytes, ...]]] = {
    "mp4": (4, (b"free", b"skip")),
    "wav": (0, (b"JUNK", b"junk", b"PAD ")),
    "avi": (0, (b"JUNK", b"junk", b"PAD ")),
    "matroska": (0, (b"\xec",)),
}
"""Where a part's name stands, and the names of parts that should be empty."""
_FORMATS: dict[str, tuple[_Begin, _Step, bytes]] = {
    "mp3": (_behind_tags, _mpeg_frame, b"\xff"),
    "wav": (_riff_begin, _riff_chunk, b""),
    "avi": (_riff_begin, _riff_chunk, b""),
    "ogg": (lambda data: _ogg_page(data, 0), _ogg_page, b"OggS"),
    "flac": (_flac_begin, _flac_frames, b""),
    "midi": (lambda data: _midi_chunk(data, 0), _midi_chunk, b""),
    "mp4": (_mp4_begin, _mp4_box, b""),
    "matroska": (_matroska_begin, _matroska_element, b""),
    "asf": (_asf_begin, _asf_object, b""),
    "mpeg": (lambda data: _mpeg_packet(data, 0), _mpeg_packet, b"\0\0\1"),
    "flv": (lambda data: 13, _flv_tag, b""),
    "amr": (lambda data: data.find(b"\n") + 1, _amr_frame, b""),
}
"""Where the first part begins, where the one after a part begins, and how parts are found again after a damage."""
