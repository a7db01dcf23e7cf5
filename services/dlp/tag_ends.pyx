# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Finds where a tag of HTML or XML ends, looking at each character once."""


def tag_ends(str source not None, Py_ssize_t start):
    cdef Py_ssize_t size = len(source), place = start + 1, name_end, value, closing
    cdef Py_UCS4 character
    if start < 0 or place >= size or source[start] != u"<":
        return None
    if source[place] == u"/":
        place += 1
    if place >= size or not (u"a" <= source[place] <= u"z" or u"A" <= source[place] <= u"Z"):
        return None
    while place < size and source[place] != u"/" and source[place] != u">" and not source[place].isspace():
        place += 1
    name_end = place
    while place < size:
        character = source[place]
        place += 1
        if character == u">":
            return name_end, place
        if character != u"=":
            continue
        while place < size and source[place].isspace():
            place += 1
        if place < size and (source[place] == u'"' or source[place] == u"'"):
            closing = source.find(source[place], place + 1)
            place = place + 1 if closing < 0 else closing + 1
        else:
            while place < size and source[place] != u">" and not source[place].isspace():
                place += 1
    return name_end, -1
