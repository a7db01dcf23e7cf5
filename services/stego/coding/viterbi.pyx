# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""The Viterbi algorithm for syndromes, over all lanes at once: the loops of trellis.py.

`changes` checks once what the loops below it rely on, since they are over pointers: only so are they made vectors.
Metrics have a sign, as SSE2, which every x86-64 processor has, finds the less of two such numbers, of others not.
"""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t

import numpy as np

cdef extern from *:
    """
    /* Compiled twice, and chosen by the processor it runs on; as vectors, however the rest is compiled. */
    #if defined(__x86_64__) && defined(__GLIBC__)
    #define VECTORS __attribute__((optimize("O3"), target_clones("avx2", "default")))
    #else
    #define VECTORS __attribute__((optimize("O3")))
    #endif
    """
    ctypedef void vectors "VECTORS void"
    # What is written through one of these is read through no other.
    ctypedef int16_t* Metrics "int16_t *restrict"
    ctypedef const int16_t* Prices "const int16_t *restrict"
    ctypedef uint16_t* Decisions "uint16_t *restrict"

cpdef enum:
    HEIGHT = 10
    LANES = 32
    WET = 4000

cdef enum:
    STATES = 1 << HEIGHT
    HALF = STATES // 2
    LEAST = -20000  # of the metrics, once a row is complete
    UNREACHED = 20000
    PACKED = 8  # steps whose decisions share a word: two bits for each pair of states


def path(Py_ssize_t steps):
    return np.empty((steps // PACKED + 1, HALF, LANES), np.uint16)


def changes(
    const uint16_t[:, ::1] costs, const uint16_t[::1] columns, const int64_t[::1] ends,
    const uint8_t[:, ::1] target, uint16_t[:, :, ::1] path,
):
    if costs.shape[1] != LANES or target.shape[1] != LANES or path.shape[1] != HALF or path.shape[2] != LANES:
        raise ValueError(f"costs and target have {LANES} lanes, and the path is made by `path`")
    if np.any(np.asarray(costs) > WET):
        raise ValueError(f"no change costs more than {WET}")
    if np.any(np.asarray(columns) // HALF != 1):
        raise ValueError(f"a column has {HEIGHT} bits, the last of them set")
    changed = np.zeros((costs.shape[0], LANES), np.uint8)
    cdef uint8_t[:, ::1] taken = changed
    cdef int16_t[:, ::1] metric = np.full((STATES, LANES), UNREACHED, np.int16)
    cdef int64_t states[LANES]
    cdef Py_ssize_t step = 0, row
    cdef int lane
    metric[0] = LEAST
    with nogil:
        for row in range(ends.shape[0]):
            while step < ends[row]:
                take(
                    &metric[0, 0], <const int16_t*> &costs[step, 0], columns[step],
                    &path[step // PACKED, 0, 0], 2 * (step % PACKED),
                )
                step += 1
            complete(&metric[0, 0], &target[row, 0])
        cheapest(&metric[0, 0], states)
        for row in range(ends.shape[0] - 1, -1, -1):
            for lane in range(LANES):
                states[lane] = (2 * states[lane] + target[row, lane]) % STATES
            while step > (ends[row - 1] if row else 0):
                step -= 1
                trace_back(states, columns[step], &path[step // PACKED, 0, 0], 2 * (step % PACKED), &taken[step, 0])
    return changed


cdef vectors take(int16_t* metric, const int16_t* cost, int column, uint16_t* slab, int shift) noexcept nogil:
    """One step: a change leads from a state to the one that differs by the column, of the other half since its last bit
    is set. The slab gets two bits for a pair: whether the lower one, and whether the upper one, is better reached by a
    change."""
    cdef int state
    for state in range(HALF):
        choose(metric + LANES * state, metric + LANES * (state ^ column), cost, slab + LANES * state, shift)


cdef inline void choose(Metrics lower, Metrics upper, Prices cost, Decisions word, int shift) noexcept nogil:
    """A step of one pair of states: into each without a change, or from the other with one."""
    cdef uint16_t to_lower = 1 << shift, to_upper = 2 << shift, before = to_lower - 1
    cdef int16_t below, above, from_below, from_above
    cdef int lane
    for lane in range(LANES):
        below, above = lower[lane], upper[lane]
        from_below, from_above = below + cost[lane], above + cost[lane]
        lower[lane] = min(below, from_above)
        upper[lane] = min(above, from_below)
        word[lane] = (
            word[lane] & before
            | (to_lower if from_above < below else 0)
            | (to_upper if from_below < above else 0)
        )


cdef vectors complete(int16_t* metric, const uint8_t* bit) noexcept nogil:
    """The end of a row: only states whose first bit is the row's go on, shifted by one, the least metric being LEAST."""
    cdef int16_t least[LANES]
    cdef int16_t odd[LANES]
    cdef int16_t value
    cdef int state, lane
    for lane in range(LANES):
        least[lane] = UNREACHED
        odd[lane] = -bit[lane]
    for state in range(HALF):
        for lane in range(LANES):
            value = metric[2 * LANES * state + lane] & ~odd[lane] | metric[2 * LANES * state + LANES + lane] & odd[lane]
            metric[LANES * state + lane] = value
            least[lane] = min(least[lane], value)
    for state in range(HALF):
        for lane in range(LANES):
            value = metric[LANES * state + lane]
            metric[LANES * state + lane] = UNREACHED if value == UNREACHED else value - least[lane] + LEAST
    for lane in range(LANES * HALF, LANES * STATES):
        metric[lane] = UNREACHED


cdef void cheapest(const int16_t* metric, int64_t* states) noexcept nogil:
    """The state of each lane with the least metric: what rows behind the last one would be doesn't matter."""
    cdef int state, lane
    for lane in range(LANES):
        states[lane] = 0
    for state in range(HALF):
        for lane in range(LANES):
            if metric[LANES * state + lane] < metric[LANES * states[lane] + lane]:
                states[lane] = state


cdef void trace_back(
    int64_t* states, int column, const uint16_t* slab, int shift, uint8_t* changed
) noexcept nogil:
    """One step backwards: whether each lane's state was reached by a change, and from which it was."""
    cdef int lane, taken, upper
    cdef int64_t state
    for lane in range(LANES):
        state = states[lane]
        upper = state >= HALF
        taken = slab[LANES * (state ^ column if upper else state) + lane] >> (shift + upper) & 1
        changed[lane] = taken
        if taken:
            states[lane] = state ^ column
