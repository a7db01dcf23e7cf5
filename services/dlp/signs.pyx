# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False, embedsignature=False, freethreading_compatible=False
"""Tells which escapes a text may have, and finds what is written one character apart: the loops of decoders.py."""

from libc.stdint cimport uint8_t

cpdef enum:
    HTML = 1
    PERCENT = 2
    QUOTED = 4
    CHARACTER = 8
    ENCODED_WORD = 16
    UTF7 = 32

# Characters between two that are apart, at the most; how often the same ones follow the first time, at least.
cdef Py_ssize_t WIDEST = 3, ROUNDS = 7


def escapes(const uint8_t[::1] text):
    cdef int signs = 0
    cdef Py_ssize_t at, end, size = text.shape[0]
    cdef uint8_t mark, sign
    for at in range(size - 1):
        mark = text[at]
        if is_alnum(mark) and mark not in b"Uu" or mark in b" \n.,":
            continue
        sign = text[at + 1]
        if mark == b"<":
            if sign in b"!/" or is_letter(sign):
                signs |= HTML
        elif mark == b"&":
            if sign == b"#" or is_letter(sign):
                signs |= HTML
        elif mark == b"%":
            if are_hex(text, at + 1):
                signs |= PERCENT
        elif mark == b"\\":
            if sign in b"uUx0123":
                signs |= CHARACTER
        elif mark in b"Uu":
            if sign == b"+":
                signs |= CHARACTER
        elif mark == b"=":
            if sign == b"?":
                signs |= ENCODED_WORD
            elif are_hex(text, at + 1) or (not (at and text[at - 1] == b"=") and is_line_end(text, at + 1)):
                signs |= QUOTED
        elif mark == b"+":
            end = at + 1
            while end < size and (is_alnum(text[end]) or text[end] == b"/"):
                end += 1
            if end - at > 2 and end < size and text[end] == b"-":
                signs |= UTF7
    return signs


def apart(str text):
    found = []
    cdef const uint8_t[::1] codes = text.encode("ascii", "replace")
    cdef Py_ssize_t at = 0, end, width
    if not are_apart(codes):
        return found
    while at + 1 < codes.shape[0]:
        end = 0
        if not is_alnum(codes[at + 1]):
            for width in range(min(WIDEST, codes.shape[0] - at - 3), 0, -1):
                if codes[at + 1] == codes[at + width + 2]:  # it may be so; most are not
                    end = apart_until(text, at, width)
                    if end:
                        found.append((at, end, width + 1))
                        break
        at = end or at + 1
    return found


cdef bint are_apart(const uint8_t[::1] codes) except -1 nogil:
    """Whether letters or digits stand apart from one another: four as far each, or two and the next beyond one to three
    marks that are as far apart, as in % 6 F % 7 0."""
    cdef Py_ssize_t at, last = -100, gap = 0, before = 0, same = 0
    for at in range(codes.shape[0]):
        if not is_alnum(codes[at]):
            continue
        gap = at - last - 1
        last = at
        if same > 2 and gap >= before:
            return True
        if same and before < gap <= before + 3 * (before + 1) and (gap - before) % (before + 1) == 0:
            return True
        same = 0 if not 0 < gap <= WIDEST else same + 1 if gap == before else 1
        before = gap
    return same > 2 and codes.shape[0] - last > before


cdef Py_ssize_t apart_until(str text, Py_ssize_t at, Py_ssize_t width) except -1:
    """Where what is written with the same `width` characters between ends, beginning at `at`; else 0."""
    cdef Py_ssize_t place = at + width + 1, rounds = 0, other
    if place > len(text):
        return 0
    for other in range(at + 1, place):
        if text[other].isalnum():
            return 0
    while place + width < len(text):
        for other in range(1, width + 1):
            if text[place + other] != text[at + other]:
                break
        else:
            place += width + 1
            rounds += 1
            continue
        break
    return min(place + 1, len(text)) if rounds >= ROUNDS else 0


cdef bint is_letter(uint8_t code) noexcept nogil:
    return 0x61 <= code | 0x20 <= 0x7A


cdef bint is_alnum(uint8_t code) noexcept nogil:
    return is_letter(code) or 0x30 <= code <= 0x39


cdef bint are_hex(const uint8_t[::1] text, Py_ssize_t at) except -1 nogil:
    cdef Py_ssize_t place
    for place in range(at, at + 2):
        if place >= text.shape[0] or not (0x30 <= text[place] <= 0x39 or 0x61 <= text[place] | 0x20 <= 0x66):
            return False
    return True


cdef bint is_line_end(const uint8_t[::1] text, Py_ssize_t at) except -1 nogil:
    """Whether nothing but blanks is left of the line."""
    while at < text.shape[0] and text[at] in b" \t":
        at += 1
    return at < text.shape[0] and text[at] in b"\r\n"
