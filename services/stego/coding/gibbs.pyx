# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""The distribution of the steps that costs least for its entropy, Gibbs's: the loops of layers.py over prices."""

from libc.math cimport INFINITY, exp, log, log1p
from libc.stdint cimport uint8_t, uint16_t

import numpy as np

from services.stego.coding import viterbi

cpdef enum:
    UNIT = 64
    DEAREST = 1600

cdef uint16_t WET = viterbi.WET


def entropies(const float[::1] toward, const float[::1] away, double scale):
    cdef double whole = 0, second = 0, a, b, p, q, together
    cdef Py_ssize_t i
    with nogil:
        for i in range(toward.shape[0]):
            a, b = scale * toward[i], scale * away[i]
            p, q = exp(-a) if a < 700 else 0, exp(-b) if b < 700 else 0
            together = 1 + p + q
            whole += log(together) + ((a * p if p else 0) + (b * q if q else 0)) / together
            if q:
                second += ((1 + q) * log(1 + q) + b * q) / together
    return whole / toward.shape[0] / log(2), second / toward.shape[0] / log(2)


def first_costs(const float[::1] toward, const float[::1] away, double scale):
    costs = np.empty(toward.shape[0], np.uint16)
    cdef uint16_t[::1] found = costs
    cdef Py_ssize_t i
    with nogil:
        for i in range(toward.shape[0]):
            if toward[i] == INFINITY:
                found[i] = WET
            else:
                found[i] = whole(scale * toward[i] + log1p(exp(-scale * away[i])))
    return costs


def second_costs(const float[::1] away, const uint8_t[::1] turned, double scale):
    costs = np.empty(turned.shape[0], np.uint16)
    cdef uint16_t[::1] found = costs
    cdef Py_ssize_t i
    with nogil:
        for i in range(turned.shape[0]):
            found[i] = WET if turned[i] or away[i] == INFINITY else whole(scale * away[i])
    return costs


cdef inline uint16_t whole(double odds) noexcept nogil:
    return <uint16_t> min(UNIT * odds + 0.5, <double> DEAREST)
