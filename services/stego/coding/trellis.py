"""Syndrome-trellis codes: a message as the syndrome of parities, with the cheapest changes that give it.

T. Filler, J. Judas, J. Fridrich, "Minimizing Additive Distortion in Steganography Using Syndrome-Trellis Codes",
IEEE TIFS 2011. The parity-check matrix is a band: element t's column of HEIGHT bits begins at the row whose block t
lies in. Here the columns are keyed, their first and last bit set, and up to 32 segments of the cover, the lanes, share
them: the Viterbi algorithm then takes one step for 32 elements that lie side by side, without a shuffle.

Costs are whole numbers, so that the same changes are the cheapest on every machine. A reader needs none of this: it
only adds up columns.
"""

from collections.abc import Iterator
from typing import TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from services.stego.coding.permutation import keystream

Parities = NDArray[np.uint8]
"""0 and 1, steps x lanes; a message is rows x lanes of the same."""
Costs = NDArray[np.uint16]
Columns = NDArray[np.uint16]
Path = NDArray[np.uint16]

Whole = TypeVar("Whole", np.uint8, np.uint16)

# The format: a reader has to have the same numbers.
HEIGHT = 10
LANES = 32
_STEPS = 2**14
"""Steps of one run of the trellis, whose decisions are in memory at once."""
_BITS = 256
"""Bits that a lane spells if it can: short runs are dear (a lattice of 128 x 128 at 0.0167: half of it costs 9 %)."""
_LEAD = 2
"""Blocks' worth of steps before the first block: a run begins with a choice of changes, as it goes on."""

# The coder's own.
UNIT = 64
"""Costs are in 1/64 of the natural logarithm of the odds against a change."""
DEAREST = 1600
"""No allowed change costs more: odds of e^25 are as good as never."""
WET = 4000
"""The cost of a change that must not be."""
_STATES = 2**HEIGHT
_HALF = _STATES // 2
_UNREACHED = 40000
_PACKED = 8
"""Steps whose decisions share a word: two bits for each pair of states."""


class Infeasible(Exception):
    """No allowed changes give this message with these columns."""


def columns(key: bytes, nonce: int, steps: int) -> Columns:
    """A keyed column for each step."""
    drawn = keystream(key, nonce, 2 * steps).view("<u2")
    return (drawn & np.uint16(_HALF - 2)) | np.uint16(_HALF | 1)


def lanes(elements: int, bits: int) -> int:
    """Over how many lanes so many bits are best spread in so many elements: few where runs would get short."""
    count = LANES
    while count > 1 and bits < _BITS * count and elements <= _STEPS * count // 2:
        count //= 2
    return count


def path(steps: int) -> Path:
    """Memory for the decisions of a trellis of so many steps, to be used again and again: at most 64 MiB."""
    return np.empty((min(steps, _STEPS) // _PACKED + 1, _HALF, LANES), np.uint16)


def extract(parities: Parities, columns: Columns, rows: int) -> Parities:
    """The message, rows x lanes. Raises ValueError where it has more rows than the steps can carry."""
    message = np.zeros((rows, parities.shape[1]), np.uint8)
    for steps, part, ends in _runs(len(parities), rows):
        message[part] = _syndrome(parities[steps], columns[steps], ends)
    return message


def changes(parities: Parities, costs: Costs, columns: Columns, message: Parities, path: Path) -> Parities:
    """Which parities to change (1) so that they spell the message, at the least sum of costs in each lane's run.

    Raises Infeasible where that takes a change that is WET, ValueError like `extract`.
    """
    target = message ^ extract(parities, columns, len(message))
    changed = np.zeros((len(parities), LANES), np.uint8)
    all_costs, all_target = _widened(costs), _widened(target)
    for steps, part, ends in _runs(len(parities), len(message)):
        _viterbi(all_costs[steps], columns[steps].astype(np.int64), ends, all_target[part], path, changed[steps])
    changed = np.ascontiguousarray(changed[:, : parities.shape[1]])
    if np.any(costs[changed.astype(bool)] == WET) or np.any(extract(changed, columns, len(message)) != target):
        raise Infeasible
    return changed


def _widened(values: NDArray[Whole]) -> NDArray[Whole]:
    """The same for all LANES, of which the last may idle."""
    idle = LANES - values.shape[1]
    return np.pad(values, ((0, 0), (0, idle))) if idle else values


def _runs(steps: int, rows: int) -> Iterator[tuple[slice, slice, NDArray[np.int64]]]:
    """(steps, rows, end of each row's block) of one run after another: memory doesn't grow with the picture."""
    count = -(-steps // _STEPS)
    for run in range(count):
        part = slice(rows * run // count, rows * (run + 1) // count)
        span = slice(steps * run // count, steps * (run + 1) // count)
        if part.start < part.stop:
            yield span, part, _ends(span.stop - span.start, part.stop - part.start)


def _ends(steps: int, rows: int) -> NDArray[np.int64]:
    """The step behind each row's block: blocks are as even as whole numbers allow, but for the first."""
    if rows + _LEAD > steps:
        raise ValueError(f"{steps} steps can't carry {rows} rows")
    lead = _LEAD * steps // (rows + _LEAD)
    return lead + np.arange(1, rows + 1) * (steps - lead) // rows


def _syndrome(parities: Parities, columns: Columns, ends: NDArray[np.int64]) -> Parities:
    rows = ends.size
    sums = np.bitwise_xor.reduceat(columns[:, None] * parities, np.concatenate(([0], ends[:-1])), axis=0)
    message = np.zeros(sums.shape, np.uint16)
    for bit in range(min(HEIGHT, rows)):
        message[bit:] ^= (sums[: rows - bit] >> np.uint16(bit)) & np.uint16(1)
    return message.astype(np.uint8)


@numba.njit(nogil=True)
def _viterbi(
    costs: Costs, columns: NDArray[np.int64], ends: NDArray[np.int64], target: Parities, path: Path, changed: Parities
) -> None:
    """The Viterbi algorithm over all lanes at once, for changes whose syndrome is `target`.

    A state is what the steps so far put into the HEIGHT rows that the next step can still change; its metric is what
    that costs at least.
    """
    metric = np.full((_STATES, LANES), np.uint16(_UNREACHED))
    metric[0] = 0
    step = 0
    for row in range(ends.size):
        while step < ends[row]:
            _take(metric, costs[step], columns[step], path[step // _PACKED], 2 * (step % _PACKED))
            step += 1
        _complete(metric, target[row])
    states = _cheapest(metric)
    for row in range(ends.size - 1, -1, -1):
        for lane in range(LANES):
            states[lane] = 2 * states[lane] + target[row, lane]
        while step > (ends[row - 1] if row else 0):
            step -= 1
            _trace_back(states, columns[step], path[step // _PACKED], 2 * (step % _PACKED), changed[step])


@numba.njit(nogil=True)
def _take(metric: Costs, cost: Costs, column: int, slab: Path, shift: int) -> None:
    """One step: a change leads from a state to the one that differs by the column.

    A column has its last bit set, so each state of the lower half pairs with one of the upper half. The slab gets
    two bits for a pair: whether the lower one, and whether the upper one, is better reached by a change.
    """
    to_lower, to_upper = np.uint16(1 << shift), np.uint16(2 << shift)
    if shift == 0:
        slab[:] = 0
    for state in range(_HALF):
        lower, upper, word = metric[state], metric[state ^ column], slab[state]
        for lane in range(LANES):
            below, above = lower[lane], upper[lane]
            from_below, from_above = np.uint16(below + cost[lane]), np.uint16(above + cost[lane])
            lower[lane] = min(below, from_above)
            upper[lane] = min(above, from_below)
            word[lane] |= (to_lower if from_above < below else np.uint16(0)) | (
                to_upper if from_below < above else np.uint16(0)
            )


@numba.njit(nogil=True)
def _complete(metric: Costs, bit: Parities) -> None:
    """The end of a row: only states whose first bit is the row's go on, shifted by one, the least metric being 0."""
    least = np.full(LANES, np.uint16(_UNREACHED))
    for state in range(_HALF):
        for lane in range(LANES):
            value = metric[2 * state + bit[lane], lane]
            metric[state, lane] = value
            least[lane] = min(least[lane], value)
    for state in range(_HALF):
        for lane in range(LANES):
            value = metric[state, lane]
            metric[state, lane] = value if value == _UNREACHED else np.uint16(value - least[lane])
    metric[_HALF:] = _UNREACHED


@numba.njit(nogil=True)
def _cheapest(metric: Costs) -> NDArray[np.int64]:
    """The state of each lane with the least metric: what rows behind the last one would be doesn't matter."""
    states = np.zeros(LANES, np.int64)
    for state in range(_HALF):
        for lane in range(LANES):
            if metric[state, lane] < metric[states[lane], lane]:
                states[lane] = state
    return states


@numba.njit(nogil=True)
def _trace_back(states: NDArray[np.int64], column: int, slab: Path, shift: int, changed: Parities) -> None:
    """One step backwards: whether each lane's state was reached by a change, and from which it was."""
    for lane in range(LANES):
        state = states[lane]
        upper = state >= _HALF
        taken = slab[state ^ column if upper else state, lane] >> (shift + upper) & 1
        changed[lane] = taken
        if taken:
            states[lane] = state ^ column
