# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""The loops of winnowing (fingerprints.py): the hash of every gram, the least of every window, those that are known."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

import numpy as np

cdef uint64_t BASE = 0x9E3779B97F4A7C15

ctypedef fused code_t:
    uint8_t
    uint32_t


cdef inline uint64_t mixed(uint64_t value) noexcept nogil:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of a hash depends on every bit before."""
    value = (value ^ (value >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    value = (value ^ (value >> 27)) * <uint64_t> 0x94D049BB133111EB
    return value ^ (value >> 31)


def grams(const code_t[::1] codes, Py_ssize_t width):
    if width < 1:
        raise ValueError(f"a gram has at least one character, not {width}")
    hashes = np.empty(max(codes.shape[0] - width + 1, 0), np.uint64)
    cdef uint64_t[::1] found = hashes
    cdef uint64_t value = 0, gone = 1  # the factor of the character that falls out of the gram
    cdef Py_ssize_t place
    for place in range(width):
        gone *= BASE
    for place in range(codes.shape[0]):
        value = value * BASE + mixed(codes[place] + BASE)
        if place >= width:
            value -= mixed(codes[place - width] + BASE) * gone
        if place >= width - 1:
            found[place - width + 1] = mixed(value)
    return hashes


def winnow(const uint64_t[::1] hashes, Py_ssize_t window):
    if window < 1:
        raise ValueError(f"a window has at least one hash, not {window}")
    cdef Py_ssize_t size = hashes.shape[0], width = min(window, size)
    kept = np.empty(size - width + 1 if size else 0, np.uint64)
    cdef uint64_t[::1] found = kept
    cdef Py_ssize_t count = 0, least = -1, begin, place
    for begin in range(found.shape[0]):
        if least < begin:  # the least has left the window: the next is anywhere in it
            least = begin
            for place in range(begin + 1, begin + width):
                if hashes[place] <= hashes[least]:
                    least = place
        elif hashes[begin + width - 1] <= hashes[least]:
            least = begin + width - 1
        else:
            continue
        if count == 0 or found[count - 1] != hashes[least]:
            found[count] = hashes[least]
            count += 1
    return kept[:count]


def among(const uint64_t[::1] hashes, const uint64_t[::1] ordered, const uint32_t[::1] starts, int shift):
    if not 0 <= shift < 64:
        raise ValueError(f"a hash of 64 bits cannot be shifted by {shift}")
    known = np.empty(hashes.shape[0], np.uint64)
    cdef uint64_t[::1] found = known
    cdef Py_ssize_t count = 0, bucket, place, other
    for place in range(hashes.shape[0]):
        bucket = <Py_ssize_t> (hashes[place] >> shift)
        for other in range(starts[bucket], starts[bucket + 1]):
            if ordered[other] == hashes[place]:
                found[count] = hashes[place]
                count += 1
                break
    return known[:count]
