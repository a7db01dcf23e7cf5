"""Undoes deflate where only the beginning of a stream is known, bounded, and without a copy of all that follows."""

import zlib

_FEED = 1 << 16


def inflated(data: bytes, at: int, limit: int, raw: bool = False) -> bytes:
    """At most `limit` (at least 1) bytes of what a zlib stream (RFC 1950; `raw`: RFC 1951) at `at` holds; up to the
    fault if it is damaged."""
    stream, got = zlib.decompressobj(-zlib.MAX_WBITS if raw else zlib.MAX_WBITS), bytearray()
    try:
        while at < len(data) and not stream.eof and len(got) < limit:
            got += stream.decompress(data[at : at + _FEED], limit - len(got))
            at += _FEED
    except zlib.error:
        pass
    return bytes(got)
