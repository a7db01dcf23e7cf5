# What stands between digits or numbers that belong together: the same each time.

from libc.stdint cimport uint8_t


cdef inline bint alike(
    const uint8_t[::1] text, Py_ssize_t one, Py_ssize_t one_end, Py_ssize_t other, Py_ssize_t other_end
) except -1 nogil:
    """Whether the same stands at both places, but for blanks, commas, ends of lines, and what begins quoted ones."""
    while True:
        while one < one_end and text[one] in b" \t\r\n>|_,;":
            one += 1
        while other < other_end and text[other] in b" \t\r\n>|_,;":
            other += 1
        if one == one_end or other == other_end:
            return one == one_end and other == other_end
        if text[one] != text[other]:
            return False
        one += 1
        other += 1
