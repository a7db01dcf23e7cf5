# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Finds the words of a list in a text by their hashes: a million of them are ready in a moment, in little room.

An automaton would have to be built: seconds in which no other thread runs, and hundreds of megabytes. Here patterns lie
in a table by their hash. Where a match may begin, the text is hashed byte by byte, and every fourth byte a filter is
asked whether any pattern begins like this: mostly none does, and that was it. What has the hash of a pattern is
compared with it, byte for byte.

Only places where a match may begin and end are looked at: the cost is theirs, whatever the number of patterns.
"""

from libc.stdint cimport uint32_t, uint64_t

import numpy as np

cdef enum:
    STEP = 4  # bytes from one question to the filter to the next
    ROOM = 8  # bits of the filter for each hash that is in it, or up to twice as many
    AT_ONCE = 1 << 12  # bytes that are searched before another thread may run
    END = 0xFF  # a byte that UTF-8 does not have stands behind a pattern


cdef class Dictionary:
    cdef const unsigned char[::1] _buffer
    cdef const uint32_t[::1] _offsets
    cdef readonly Py_ssize_t longest
    cdef Py_ssize_t _shortest
    # Patterns with one hash: the number of the first, plus 1, by the hash, and of the next by that of the one before.
    cdef uint32_t[::1] _first, _next
    cdef int _first_shift
    # One bit for hashes of whole patterns, and of those beginnings whose size is a multiple of STEP.
    cdef unsigned char[::1] _filter
    cdef int _filter_shift

    def __init__(self, patterns):
        cdef Py_ssize_t count = len(patterns), number
        self._buffer, self._offsets = patterns.buffer, patterns.offsets
        sizes = patterns.sizes
        self._shortest, self.longest = sizes.min(initial=AT_ONCE), sizes.max(initial=0)
        bits = max((count + self._offsets[count] // STEP) * ROOM, 8).bit_length()
        self._filter, self._filter_shift = np.zeros(1 << (bits - 3), np.uint8), 64 - bits
        bits = max(count, 1).bit_length()
        self._first, self._first_shift = np.zeros(1 << bits, np.uint32), 64 - bits
        self._next = np.zeros(count, np.uint32)
        with nogil:
            for number in range(count):
                self._add(number)

    cdef int _add(self, Py_ssize_t number) except -1 nogil:
        cdef uint64_t value = 0
        cdef Py_ssize_t begin = self._offsets[number], size
        for size in range(1, self._offsets[number + 1] - begin + 1):
            value = followed(value, self._buffer[begin + size - 1])
            if size % STEP == 0:
                self._remember(value)
        value = followed(value, END)
        self._remember(value)
        self._next[number] = self._first[value >> self._first_shift]
        self._first[value >> self._first_shift] = <uint32_t> (number + 1)
        return 0

    cdef inline int _remember(self, uint64_t value) except -1 nogil:
        value >>= self._filter_shift
        self._filter[value >> 3] |= 1 << (value & 7)
        return 0

    cdef inline int _may_have(self, uint64_t value) except -1 nogil:
        value >>= self._filter_shift
        return self._filter[value >> 3] >> (value & 7) & 1

    def matches(
        self, const unsigned char[::1] text, const int[::1] seats,
        const unsigned char[::1] opens, const unsigned char[::1] closes, Py_ssize_t least=0,
    ):
        least = max(least, self._shortest)
        for begin in range(0, len(text), AT_ONCE):
            yield from self._found(text, seats, opens, closes, least, begin)

    cdef list _found(
        self, const unsigned char[::1] text, const int[::1] seats,
        const unsigned char[::1] opens, const unsigned char[::1] closes, Py_ssize_t least, Py_ssize_t begin,
    ):
        cdef list found = []
        cdef Py_ssize_t start, size, number
        cdef uint64_t value, whole
        for start in range(begin, min(begin + AT_ONCE, text.shape[0])):
            if not opens[seats[start]]:
                continue
            value = 0
            for size in range(1, min(self.longest, text.shape[0] - start) + 1):
                value = followed(value, text[start + size - 1])
                if size % STEP == 0 and not self._may_have(value):
                    break
                if size < least or not closes[seats[start + size - 1]]:
                    continue
                whole = followed(value, END)
                if self._may_have(whole):
                    number = <Py_ssize_t> self._first[whole >> self._first_shift] - 1
                    while number >= 0:
                        if self._is(number, text, start, size):
                            found.append((number, start, start + size))
                        number = <Py_ssize_t> self._next[number] - 1
        return found

    cdef bint _is(self, Py_ssize_t number, const unsigned char[::1] text, Py_ssize_t start, Py_ssize_t size) except -1:
        """Whether the pattern stands in the text, from `start` on and of this size."""
        cdef Py_ssize_t begin = self._offsets[number], at
        if self._offsets[number + 1] - begin != size:
            return False
        for at in range(size):
            if self._buffer[begin + at] != text[start + at]:
                return False
        return True


cdef inline uint64_t followed(uint64_t value, unsigned char byte) noexcept nogil:
    """The hash of what has this hash, with a byte more."""
    return (value ^ byte) * <uint64_t> 0x9E3779B97F4A7C15
