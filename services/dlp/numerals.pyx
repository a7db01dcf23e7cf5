# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Finds lists of numbers that may be codes of characters, or the bytes of a file: the loops of numbers.py."""

from libc.stdint cimport uint8_t

from services.dlp.gaps cimport alike

from services.dlp.digits import ANY_FILE as any_file, FILE as file, TEXT as text_

# Bases in which they may be read.
cpdef enum:
    DECIMAL = 1
    OCTAL = 2
    BINARY = 4

# Texts so long that other threads run meanwhile.
cdef Py_ssize_t LONG = 1 << 14
# Digits of a number, at the most, and characters between two, the same each time; how many digits that are 0 or 1 may
# make a text.
cdef Py_ssize_t LONGEST = 64, APART = 24, ONES = 35
# As in digits.pyx.
cdef Py_ssize_t TEXT = text_, FILE = file, ANY_FILE = any_file


def numerals(const uint8_t[::1] text, const uint8_t[::1] openings):
    found = []
    cdef Py_ssize_t at = 0, first = 0, last = 0
    cdef int bases
    while at < text.shape[0]:
        if text.shape[0] > LONG:
            with nogil:
                bases = next_list(text, openings, &at, &first, &last)
        else:
            bases = next_list(text, openings, &at, &first, &last)
        if bases:
            found.append((first, last, bases))
    return found


cdef int next_list(
    const uint8_t[::1] text, const uint8_t[::1] openings, Py_ssize_t* at, Py_ssize_t* begin, Py_ssize_t* end
) except -1 nogil:
    """In which bases the next list of numbers can be read that may say something; 0 where there is no other."""
    cdef Py_ssize_t first = 0, last = 0, place = 0, after = 0, gap, behind
    cdef int bases
    while next_number(text, at[0], text.shape[0], &first, &last):
        begin[0] = first
        gap = behind = -1
        while next_number(text, last, min(last + APART + 1, text.shape[0]), &place, &after):
            if behind >= 0 and not alike(text, gap, behind, last, place):
                break
            gap, behind = last, place
            first, last = place, after
        end[0] = last
        at[0] = first if first > begin[0] else last  # the last of a list may be the first of another
        bases = bases_of(text, begin[0], end[0], openings)
        if bases:
            return bases
    at[0] = text.shape[0]
    return 0


cdef int bases_of(
    const uint8_t[::1] text, Py_ssize_t begin, Py_ssize_t end, const uint8_t[::1] openings
) except -1 nogil:
    """The bases in which some of these numbers are characters, one behind the other, or all of them bytes of a file."""
    cdef Py_ssize_t first = 0, last = begin, place, count = 0, ones = 0, base
    cdef Py_ssize_t[2] shown, letters, values, opening
    cdef bint[2] says, bytes_
    cdef bint digits
    cdef int bases = 0
    for base in range(2):
        shown[base] = letters[base] = values[base] = opening[base] = 0
        says[base], bytes_[base] = False, True
    while next_number(text, last, end, &first, &last):
        values[0] = values[1] = 0
        digits = True
        for place in range(first + 2 * (last - first > 2 and text[first + 1] > 0x39), last):
            digits = digits and text[place] <= 0x31
            if text[place] > 0x37:
                values[1] = 1 << 24
            values[0] = min(values[0], 1 << 24) * 10 + text[place] - 0x30
            values[1] = min(values[1], 1 << 24) * 8 + text[place] - 0x30
        ones = ones + last - first if digits else 0
        count += 1
        for base in range(2):
            if is_shown(values[base]):
                shown[base] += 1
                letters[base] += is_lettered(values[base])
                says[base] = says[base] or (shown[base] >= TEXT and 2 * letters[base] >= shown[base])
            else:
                shown[base] = letters[base] = 0
            if values[base] > 0xFF:
                bytes_[base] = False
            elif count <= 2:
                opening[base] = opening[base] << 8 | values[base]
        if ones >= ONES:
            bases |= BINARY
    for base in range(2):
        if says[base] or (
            bytes_[base] and count >= FILE and (count >= ANY_FILE or openings[opening[base] & 0xFFFF])
        ):
            bases |= DECIMAL if base == 0 else OCTAL
    return bases


cdef bint next_number(
    const uint8_t[::1] text, Py_ssize_t at, Py_ssize_t most, Py_ssize_t* first, Py_ssize_t* last
) except -1 nogil:
    """Whether there is a number between `at`, where no other may go on, and `most`: digits, at times behind 0o or 0b,
    and beside them no letter."""
    cdef Py_ssize_t place = at, digit
    while place < most:
        if not 0x30 <= text[place] <= 0x39:
            place += 1
            continue
        first[0] = digit = place
        if place + 2 < text.shape[0] and text[place] == 0x30 and text[place + 1] | 0x20 in b"ob":
            digit += 2
        place = digit
        while place < text.shape[0] and 0x30 <= text[place] <= 0x39:
            place += 1
        last[0] = place
        if (
            0 < place - digit <= LONGEST
            and (place == text.shape[0] or not is_alnum(text[place]))
            and (first[0] == 0 or not is_alnum(text[first[0] - 1]))
        ):
            return True
    return False


cdef inline bint is_shown(Py_ssize_t code) noexcept nogil:
    """Whether it is a character of ASCII that shows, or one that counts as a letter."""
    return 0x09 <= code <= 0x0D or 0x20 <= code <= 0x7E or is_lettered(code)


cdef inline bint is_lettered(Py_ssize_t code) noexcept nogil:
    """Whether it is a letter or digit of ASCII, a byte beyond, a Greek, Cyrillic or Chinese letter: numbers between
    are years and prices."""
    return 0x80 <= code <= 0xFF or 0x370 <= code < 0x530 or 0x4E00 <= code < 0xA000 or (code < 0x80 and is_alnum(code))


cdef inline bint is_alnum(Py_ssize_t code) noexcept nogil:
    """Whether it is a letter or digit of ASCII."""
    return 0x61 <= code | 0x20 <= 0x7A or 0x30 <= code <= 0x39

