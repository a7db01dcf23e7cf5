"""Reads the source of Visual Basic modules as Office stores it, compressed (MS-OVBA section 2.4.1)."""


def source(module: bytes, limit: int) -> bytes:
    """The source of a module, at most `limit` bytes; none where the stream is no module.

    A module is compiled code and then, compressed, its source, which always begins with an attribute.
    """
    at = module.find(b"\0Attribut")
    return decompress(module[at - 3 :], limit) if at >= 3 else b""


def decompress(data: bytes, limit: int) -> bytes:
    """Undo the compression of MS-OVBA section 2.4.1, up to `limit` bytes; stops where `data` makes no sense."""
    if data[:1] != b"\x01":
        return b""
    out = bytearray()
    at = 1
    while at + 2 <= len(data) and len(out) < limit:
        header = int.from_bytes(data[at : at + 2], "little")
        chunk = data[at + 2 : at + (header & 0x0FFF) + 3]
        at += (header & 0x0FFF) + 3
        if header >> 12 & 7 != 3:
            break
        if header & 0x8000:
            _chunk(chunk, out)
        else:
            out += chunk
    return bytes(out[:limit])


def _chunk(chunk: bytes, out: bytearray) -> None:
    """One compressed chunk of at most 4096 bytes: a flag byte, then eight literals or (offset, length) tokens."""
    start, at = len(out), 0
    while at < len(chunk):
        flags = chunk[at]
        at += 1
        for bit in range(8):
            if at >= len(chunk):
                return
            if not flags >> bit & 1:
                out.append(chunk[at])
                at += 1
                continue
            token = int.from_bytes(chunk[at : at + 2], "little")
            at += 2
            bits = max(4, (len(out) - start - 1).bit_length())
            length = (token & 0xFFFF >> bits) + 3
            source = len(out) - (token >> 16 - bits) - 1
            if source < start or len(out) - start > 4096:
                return
            for position in range(source, source + length):
                out.append(out[position])
