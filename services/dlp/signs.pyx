# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Tells which escapes a text may have, and finds what is written one character apart: the loops of decoders.py."""

from libc.stdint cimport uint8_t, uint32_t

ctypedef fused code_t:
    uint8_t
    uint32_t

cpdef enum:
    HTML = 1
    PERCENT = 2
    QUOTED = 4
    CHARACTER = 8
    ENCODED_WORD = 16
    UTF7 = 32
    JOINED = 64

# Characters between two strings that are put together, at the most.
cdef Py_ssize_t BETWEEN = 24
# Characters between two that are apart, at the most; how often the same ones follow the first time, at least.
cdef Py_ssize_t WIDEST = 3, ROUNDS = 7


def escapes(const uint8_t[::1] text):
    cdef int signs = 0
    cdef Py_ssize_t at, end, size = text.shape[0]
    cdef uint8_t mark, sign
    for at in range(size - 1):
        mark = text[at]
        if (is_letter(mark) and mark | 0x20 != b"u") or mark == b" ":
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
            elif sign in b"\r\n":
                signs |= JOINED
        elif mark in b"\"'`":
            if is_joined(text, at):
                signs |= JOINED
        elif mark == b"(":
            if 0x30 <= sign <= 0x39 and at and text[at - 1] | 0x20 in b"erw$":  # fromCharCode(, chr(, chrw(, chr$(
                signs |= JOINED
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
    if text.isascii():
        return slices_apart[uint8_t](text.encode("ascii"))
    return slices_apart[uint32_t](memoryview(text.encode("utf-32-le", "surrogatepass")).cast("I"))


cdef list slices_apart(const code_t[::1] codes):
    cdef Py_ssize_t at = 0, end, width
    found = []
    if not are_apart(codes):
        return found
    while at + 1 < codes.shape[0]:
        end = 0
        for width in range(0 if is_alnum(codes[at + 1]) else WIDEST, 0, -1):
            end = apart_until(codes, at, width)
            if end:
                found.append((at, end, width + 1))
                break
        at = end or at + 1
    return found


cdef bint are_apart(const code_t[::1] codes) except -1 nogil:
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


cdef Py_ssize_t apart_until(const code_t[::1] codes, Py_ssize_t at, Py_ssize_t width) except -1:
    """Where what is written with the same `width` characters between ends, beginning at `at`; else 0."""
    cdef Py_ssize_t size = codes.shape[0], place = at + width + 1, rounds = 0, other
    if place + width >= size:
        return 0
    for other in range(1, width + 1):
        if codes[place + other] != codes[at + other] or (<Py_UCS4> codes[at + other]).isalnum():
            return 0
    while place + width < size:
        for other in range(1, width + 1):
            if codes[place + other] != codes[at + other]:
                return min(place + 1, size) if rounds >= ROUNDS else 0
        place += width + 1
        rounds += 1
    return min(place + 1, size) if rounds >= ROUNDS else 0


cdef inline bint is_letter(uint32_t code) noexcept nogil:
    return 0x61 <= code | 0x20 <= 0x7A


cdef inline bint is_alnum(uint32_t code) noexcept nogil:
    """Whether it is a letter or digit of ASCII."""
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


cdef bint is_joined(const uint8_t[::1] text, Py_ssize_t at) except -1 nogil:
    """Whether this quotation mark ends a string that another follows, put together with it."""
    cdef Py_ssize_t end = at + 1, most = min(at + 2 + BETWEEN, text.shape[0] - 1)
    cdef bint marked = False
    while end < most and text[end] in b" \t\r\n+.&|,_":
        marked = marked or text[end] > 0x20
        end += 1
    if at == 0 or end >= most or text[end] not in b"\"'`":
        return False
    # Strings that only stand side by side are put together within a word.
    return (is_alnum(text[at - 1]) or (marked and text[at - 1] == b" ")) and (
        is_alnum(text[end + 1]) or (marked and text[end + 1] == b" ")
    )
