# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Spells texts in other alphabets, character by character, and says where in a text words may begin and end."""

import sys

from libc.stdint cimport uint64_t

import numpy as np

cdef enum:
    IS_IN_WORD = 1
    IS_UNSPACED = 2
    IS_SHOWN = 4
    IS_BESIDE = 1
    IS_APART = 2
    ASCII = 128

IN_WORD, UNSPACED, SHOWN = IS_IN_WORD, IS_UNSPACED, IS_SHOWN
BESIDE, APART = IS_BESIDE, IS_APART


cdef class Alphabet:
    cdef object _read
    # What each character is spelt as, the first byte lowest, times 256, and its size plus 1; 0 until it is met.
    cdef uint64_t[::1] _ascii, _rest

    def __init__(self, read, Alphabet rest=None):
        self._read = read
        self._ascii = np.zeros(ASCII, np.uint64)
        # Of these, memory is taken by the page, as characters are met.
        self._rest = np.zeros(sys.maxunicode + 1, np.uint64) if rest is None else rest._rest

    def spell(self, str text):
        cdef Py_UCS4 character
        cdef uint64_t[::1] ascii = self._ascii, rest = self._rest
        cdef uint64_t known
        cdef Py_ssize_t at = 0, size = self._size(text), nth
        cdef bytearray spelt = bytearray(size + 1)
        cdef unsigned char[::1] out = spelt
        for character in text:
            known = ascii[character] if character < ASCII else rest[character]
            out[at] = known >> 8 & 0xFF  # the next takes its place where this is spelt as nothing
            for nth in range(1, <int> (known & 0xFF) - 1):
                out[at + nth] = known >> 8 * (nth + 1) & 0xFF
            at += <int> (known & 0xFF) - 1
        return bytes(spelt[:size])

    def seated(self, str text):
        cdef Py_UCS4 character
        cdef uint64_t[::1] ascii = self._ascii, rest = self._rest
        cdef uint64_t known
        cdef Py_ssize_t at = 0, size = self._size(text), nth
        cdef int place = 0
        cdef bytearray spelt = bytearray(size + 1)
        seats = np.empty(size + 1, np.int32)
        cdef unsigned char[::1] out = spelt
        cdef int[::1] places = seats
        for character in text:
            known = ascii[character] if character < ASCII else rest[character]
            out[at] = known >> 8 & 0xFF
            places[at] = place
            for nth in range(1, <int> (known & 0xFF) - 1):
                out[at + nth] = known >> 8 * (nth + 1) & 0xFF
                places[at + nth] = place
            at += <int> (known & 0xFF) - 1
            place += 1
        return bytes(spelt[:size]), seats[:size]

    cdef Py_ssize_t _size(self, str text) except -1:
        """How many bytes the text is spelt in. All its characters are known then."""
        cdef Py_UCS4 character
        cdef uint64_t[::1] ascii = self._ascii, rest = self._rest
        cdef uint64_t known
        cdef Py_ssize_t size = 0
        for character in text:
            known = ascii[character] if character < ASCII else rest[character]
            if known == 0:
                known = self._learn(character)
            size += <int> (known & 0xFF) - 1
        return size

    cdef uint64_t _learn(self, Py_UCS4 character) except 0:
        cdef bytes spelt = self._read(chr(character)).encode("utf-8", "surrogatepass")
        if len(spelt) > 7:
            raise ValueError(f"U+{<int> character:04X} is spelt in {len(spelt)} bytes, and there is room for 7: fold the text")
        cdef uint64_t known = int.from_bytes(spelt, "little") << 8 | len(spelt) + 1
        if character < ASCII:
            self._ascii[character] = known
        else:
            self._rest[character] = known
        return known


def edges(const unsigned char[::1] kinds):
    cdef Py_ssize_t place, size = kinds.shape[0], last = -1
    cdef unsigned char kind, before = 0, shown = 0
    opens, closes = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    cdef unsigned char[::1] begins = opens, ends = closes
    for place in range(size):
        kind = kinds[place]
        if parted(before, kind):
            begins[place] |= IS_BESIDE
            if place > 0:
                ends[place - 1] |= IS_BESIDE
        if kind & IS_SHOWN:
            if parted(shown, kind):
                begins[place] |= IS_APART
                if last >= 0:
                    ends[last] |= IS_APART
            last, shown = place, kind
        before = kind
    if size > 0:
        ends[size - 1] |= IS_BESIDE
    if last >= 0:
        ends[last] |= IS_APART
    return opens, closes


cdef inline bint parted(unsigned char left, unsigned char right) noexcept nogil:
    """Whether no word goes on from a character of the one kind to one of the other."""
    return not left & right & IS_IN_WORD or (left | right) & IS_UNSPACED


def near_symbols(
    const unsigned char[::1] kinds, const unsigned char[::1] opens, const unsigned char[::1] closes,
    const int[::1] seats, Py_ssize_t reach,
):
    cdef Py_ssize_t at, place, last = kinds.shape[0] - 1, left = 0
    cdef bint symbol
    near_opens, near_closes = np.zeros(last + 1, np.uint8), np.zeros(last + 1, np.uint8)
    cdef unsigned char[::1] begins = near_opens, ends = near_closes
    for at in range(seats.shape[0] - 1, -1, -1):
        place = seats[at]
        symbol = not kinds[place] & IS_IN_WORD
        left = reach if symbol else left - 1
        begins[place] = 0 if left <= 0 or symbol and place > 0 and kinds[place - 1] & IS_IN_WORD else opens[place]
        ends[place] = 0 if symbol and place < last and kinds[place + 1] & IS_IN_WORD else closes[place]
    return near_opens, near_closes


def fold_ascii(const unsigned char[::1] text):
    cdef Py_ssize_t at = 0, place
    cdef bint parted = False
    cdef bytearray folded = bytearray(text.shape[0])
    cdef unsigned char[::1] out = folded
    cdef unsigned char byte
    for place in range(text.shape[0]):
        byte = text[place]
        if byte == 0x20 or 0x09 <= byte <= 0x0D or 0x1C <= byte <= 0x1F:
            parted = at > 0
            continue
        if parted:
            out[at] = 0x20
            at += 1
            parted = False
        out[at] = byte | 0x20 if 0x41 <= byte <= 0x5A else byte
        at += 1
    return folded[:at].decode("ascii")
