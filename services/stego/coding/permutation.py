"""Keyed orders: which element of a picture comes when, from AES-CTR alone.

A hidden format lives as long as its pictures, so no library's random numbers are in it: NumPy promises the same
stream for the same build only (NEP 19), and a library's sort by key is free to change how it breaks ties.
"""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

Places = NDArray[np.int32]

_INDEX_BITS = 27
MOST = 2**_INDEX_BITS
"""Elements that can be put in order at once."""

_CLASS_SHIFT = np.uint64(61)
_CLASS_LEFT_OUT = np.uint64(7)
_PIECE = 2**20


def keystream(key: bytes, nonce: int, size: int) -> NDArray[np.uint8]:
    """`size` bytes of AES-256-CTR; each nonce below 2^64 starts a stream of its own."""
    stream = np.empty(size + 15, np.uint8)  # the cipher wants room for a block more than it writes
    cipher = Cipher(algorithms.AES(key), modes.CTR(nonce.to_bytes(8) + bytes(8))).encryptor()
    zeros = bytes(_PIECE)
    for start in range(0, size, _PIECE):
        length = min(_PIECE, size - start)
        cipher.update_into(zeros[:length], stream[start : start + length + 15].data)
    return stream[:size]


def draw(key: bytes, elements: int, count: int) -> Places:
    """`count` different places among `elements`, at most half of them: the first of a keyed order.

    The order is that of first appearance among uniform draws, so it costs what is drawn and not what is there.
    Raises ValueError beyond half.
    """
    if count > elements // 2:
        raise ValueError(f"{count} of {elements} places are more than half of them")
    draws = count + count // 2 + 64  # nearly always enough: meeting half of all takes 1.39 draws a place
    while True:
        drawn = keystream(key, 0, 8 * draws).view("<u8") % np.uint64(elements)
        first = np.sort(np.unique(drawn, return_index=True)[1])
        if first.size >= count:
            return drawn[first[:count]].astype(np.int32)
        draws *= 2


def order(key: bytes, nonce: int, classes: NDArray[np.uint8], left_out: Places) -> list[Places]:
    """The places of each class 0, 1, … in a keyed order, without those left out.

    classes: the class (at most 6) of each element. Places are sorted by a word of class, 34 keyed bits and index,
    so that no two words are equal and every sort gives the same order. Raises ValueError beyond MOST.
    """
    if classes.size > MOST:
        raise ValueError(f"{classes.size} elements are more than the {MOST} that can be put in order")
    words = keystream(key, nonce, 8 * classes.size).view("<u8")
    words >>= np.uint64(64 - 34)
    words <<= np.uint64(_INDEX_BITS)
    for start in range(0, words.size, _PIECE):
        piece = slice(start, min(start + _PIECE, words.size))
        words[piece] |= np.arange(piece.start, piece.stop, dtype=np.uint64)
        words[piece] |= classes[piece].astype(np.uint64) << _CLASS_SHIFT
    words[left_out] |= _CLASS_LEFT_OUT << _CLASS_SHIFT
    words.sort()
    bounds = np.searchsorted(words, np.arange(1, 8, dtype=np.uint64) << _CLASS_SHIFT)
    words &= np.uint64(MOST - 1)
    places = words.astype(np.int32)
    return [part for part in np.split(places, bounds)[:7] if part.size]
