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

import numpy as np
from numpy.typing import NDArray

from services.stego.coding import viterbi
from services.stego.coding.permutation import keystream
from services.stego.coding.viterbi import HEIGHT, LANES, WET

Parities = NDArray[np.uint8]
"""0 and 1, steps x lanes; a message is rows x lanes of the same."""
Costs = NDArray[np.uint16]
Columns = NDArray[np.uint16]
Path = NDArray[np.uint16]

Whole = TypeVar("Whole", np.uint8, np.uint16)

# The format, as HEIGHT and LANES: a reader has to have the same numbers.
_STEPS = 2**14
"""Steps of one run of the trellis, whose decisions are in memory at once."""
_BITS = 256
"""Bits that a lane spells if it can: short runs are dear (a lattice of 128 x 128 at 0.0167: half of it costs 9 %)."""
_LEAD = 2
"""Blocks' worth of steps before the first block: a run begins with a choice of changes, as it goes on."""


class Infeasible(Exception):
    """No allowed changes give this message with these columns."""


def columns(key: bytes, nonce: int, steps: int) -> Columns:
    """A keyed column for each step."""
    drawn = keystream(key, nonce, 2 * steps).view("<u2")
    last = 2 ** (HEIGHT - 1)
    return (drawn & np.uint16(last - 2)) | np.uint16(last | 1)


def lanes(elements: int, bits: int) -> int:
    """Over how many lanes so many bits are best spread in so many elements: few where runs would get short."""
    count = LANES
    while count > 1 and bits < _BITS * count and elements <= _STEPS * count // 2:
        count //= 2
    return count


def path(steps: int) -> Path:
    """Memory for the decisions of a trellis of so many steps, to be used again and again: at most 64 MiB."""
    return viterbi.path(min(steps, _STEPS))


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
        changed[steps] = viterbi.changes(all_costs[steps], columns[steps], ends, all_target[part], path)
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
