# cython: language_level=3, boundscheck=True, wraparound=False, cdivision=True, initializedcheck=False
"""Finds the digits in a text (base64, base32, hexadecimal) that could say something: the loops of blocks.py."""

from libc.stdint cimport uint8_t, uint32_t

from services.dlp.gaps cimport alike

# Values of what is no digit: what may stand in a line of a block, what fills up its last digits, and all else.
cpdef enum:
    OTHER = 253
    FILLING = 254
    NONE = 255

# Texts so long that other threads run meanwhile.
cdef Py_ssize_t LONG = 1 << 14
# The shortest of what blocks.py takes for a text, a file, a file whatever its first bytes are, a scrap of text; and the
# shortest block that is searched for files and scraps.
cpdef enum:
    TEXT = 5
    FILE = 16
    ANY_FILE = 512
    SCRAP = 6
    SCRAPS = 24

# Groups of digits: as many in each as a multiple of this, but no more than that; so many groups at least.
cdef Py_ssize_t QUAD = 4, WIDEST = 24, GROUPS = 4
# Groups of one size: digits in each, at the most, and characters between two, the same each time.
cdef Py_ssize_t EVEN = 64, GAP = 4


cdef struct Block:
    Py_ssize_t first, last, digits
    bint turned


cdef enum:
    BATCH = 64  # candidates that are found at a time


cdef class Alphabet:
    cdef const uint8_t[::1] values, turned, kinds, openings
    cdef int bits, shifts
    cdef Py_ssize_t shortest, filling, aligned
    cdef bint even

    def __init__(
        self, values, kinds, *, openings, int bits, Py_ssize_t shortest=0, Py_ssize_t filling=0, int shifts=1,
        Py_ssize_t aligned=0, turned=None, bint even=False,
    ):
        if not 1 <= bits <= 8 or shortest < 0:
            raise ValueError(f"a digit has 1 to 8 bits, not {bits}; a block has digits, not {shortest}")
        self.values, self.kinds, self.openings, self.turned = values, kinds, openings, turned
        self.bits, self.shifts, self.shortest, self.filling, self.aligned = bits, shifts, shortest, filling, aligned
        self.even = even

    def candidates(self, const uint8_t[::1] text):
        found = []
        cdef Block[BATCH] places
        cdef Py_ssize_t at = 0, tried = 0, count, place
        while at < text.shape[0]:
            if text.shape[0] > LONG:
                with nogil:
                    count = self.search(text, places, &at, &tried)
            else:
                count = self.search(text, places, &at, &tried)
            for place in range(count):
                found.append((places[place].first, places[place].last, bool(places[place].turned)))
        return found

    cdef Py_ssize_t search(
        self, const uint8_t[::1] text, Block* places, Py_ssize_t* at, Py_ssize_t* tried
    ) except -1 nogil:
        """How many candidates were found from `at` on; lines before `tried` were looked at as parts of a block."""
        cdef Py_ssize_t count = 0
        cdef Block block
        cdef bint worth
        while count < BATCH:
            if not (
                self.run(text, at[0], &block) if self.shortest
                else self.even_groups(text, at[0], &block) if self.even
                else self.groups(text, at[0], &block)
            ):
                at[0] = text.shape[0]
                break
            at[0] = block.last
            block.turned = self.turned is not None and block.last - block.first >= self.aligned and self.turns(text, block)
            worth = False
            if self.shortest and block.first >= tried[0]:
                worth = self.grow(text, &block)
                tried[0] = block.last
            if worth or block.turned or self.says(text, block):
                places[count] = block
                count += 1
        return count

    cdef bint run(self, const uint8_t[::1] text, Py_ssize_t at, Block* block) except -1 nogil:
        """Whether there is another run of digits from `at` on, enough for a block, that are no plain words."""
        cdef Py_ssize_t place, end
        cdef uint8_t kinds
        while True:
            block.first = next_run(text, self.kinds, at, self.shortest)
            if block.first == text.shape[0]:
                return False
            end = run_end(text, self.kinds, block.first)
            block.digits = end - block.first
            at = block.last = self.filled(text, end)
            kinds = 0xFF
            for place in range(block.first, end):
                kinds &= self.kinds[text[place]]
            if kinds == 1 or block.last > end:
                return True

    cdef bint groups(self, const uint8_t[::1] text, Py_ssize_t at, Block* block) except -1 nogil:
        """Whether there are groups of digits from `at` on, a blank behind each but the last, which is of any size."""
        cdef Py_ssize_t place, size, count
        if 0 < at < text.shape[0] and self.kinds[text[at - 1]]:
            at = run_end(text, self.kinds, at)
        while True:
            place = block.first = next_run(text, self.kinds, at, 1)
            if place == text.shape[0]:
                return False
            at = run_end(text, self.kinds, place)
            size = at - place
            block.digits = count = 0
            while 0 < size <= WIDEST and size % QUAD == 0:
                if place + size == text.shape[0] or text[place + size] not in b" \t":
                    break
                count += 1
                block.digits += size
                block.last = place + size
                place = block.last + 1
                size = run_end(text, self.kinds, place) - place
            if size:
                count += 1
                block.digits += min(size, WIDEST)
                block.last = place + min(size, WIDEST)
            if count >= GROUPS:
                block.last = self.filled(text, block.last)
                return True

    cdef bint even_groups(self, const uint8_t[::1] text, Py_ssize_t at, Block* block) except -1 nogil:
        """Whether there are groups of digits from `at` on, of one size but for the last, and the same between them."""
        cdef Py_ssize_t size = 0, count = 0, first, end = at, before = 0, behind = 0
        cdef Block whole
        block.last = at - GAP - 1
        while True:
            first = end
            while count and first < text.shape[0] and first - block.last <= GAP and not self.kinds[text[first]]:
                first += 1
            if count and first < text.shape[0] and first - block.last <= GAP:
                if count > 1 and not alike(text, before, behind, block.last, first):
                    if count >= GROUPS:
                        break
                    # The last of these may be the first of others.
                    block.first = block.last - size
                    block.digits, count = size, 1
                before, behind = block.last, first
                end = run_end(text, self.kinds, first)
                if end - first == size:
                    count += 1
                    block.digits += size
                    block.last = end
                    continue
                if end - first < size and count + 1 >= GROUPS:
                    whole = block[0]
                    block.digits += end - first
                    block.last = end
                    if count >= GROUPS and not self.says(text, block[0]):
                        block[0] = whole  # what follows is a word of its own
                    break
            if count >= GROUPS:
                break
            # One that is too short or too long for the groups before it may be the first of others.
            first = next_run(text, self.kinds, first, 2)
            if first == text.shape[0]:
                return False
            block.first, block.last = first, run_end(text, self.kinds, first)
            end = block.last
            size = block.digits = end - first
            count = 1 < size <= EVEN
        block.last = self.filled(text, block.last)
        return True

    cdef Py_ssize_t filled(self, const uint8_t[::1] text, Py_ssize_t at) except -1 nogil:
        """Where what fills up a block has ended that ends at `at`."""
        cdef Py_ssize_t most = min(at + self.filling, text.shape[0])
        while at < most and self.values[text[at]] == FILLING:
            at += 1
        return at

    cdef bint grow(self, const uint8_t[::1] text, Block* block) except -1 nogil:
        """Add the lines in which a block goes on, each as long as the first but for the last: whether a line of them
        says something by itself, or all but the last do."""
        cdef Py_ssize_t width = block.last - block.first, lines = 1
        cdef Block line = block[0], before = block[0]
        cdef bint worth = False
        while line.last - line.first == width:
            line.first = line.last = next_line(text, block.last)
            line.digits = 0
            while line.last < text.shape[0] and self.values[text[line.last]] != NONE:
                line.digits += self.values[text[line.last]] < OTHER
                line.last += 1
            if not 0 < line.last - line.first <= width:
                break
            worth = worth or self.says(text, line) or (lines == 1 and self.says(text, before))
            before = block[0]
            block.last = line.last
            block.digits += line.digits
            lines += 1
        return worth or (lines > 2 and self.says(text, before))

    cdef bint says(self, const uint8_t[::1] text, Block block) except -1 nogil:
        """Whether the bytes of a block, wherever they begin, could be text, a file or have scraps of text."""
        cdef bint scraps = block.last - block.first >= SCRAPS
        cdef int skipped
        for skipped in range(self.shifts if block.digits >= self.aligned else 1):
            if self.weigh(text, self.values, block, skipped, 1, scraps):
                return True
        return False

    cdef bint turns(self, const uint8_t[::1] text, Block block) except -1 nogil:
        """Whether they could be text or a file once the digits are turned around, or each is taken for another."""
        cdef int skipped
        for skipped in range(self.shifts if block.digits >= self.aligned else 1):
            if self.weigh(text, self.turned, block, skipped, 1, False):
                return True
            if self.weigh(text, self.values, block, skipped, -1, False):
                return True
        return False

    cdef bint weigh(
        self, const uint8_t[::1] text, const uint8_t[::1] values, Block block, int skipped, int step, bint scraps
    ) except -1 nogil:
        """Whether bytes could be text: no more than a twentieth of them are no printable characters, or no UTF-8, or a
        third is nothing, as in UTF-16. A file: they begin like one, or are many. Have scraps: printable ones in a row.
        """
        cdef Py_ssize_t size = (block.digits - skipped) * self.bits // 8, most = size // 20
        cdef Py_ssize_t made = 0, unprintable = 0, broken = 0, zeros = 0, printable = 0
        cdef Py_ssize_t at = block.first if step > 0 else block.last - 1
        cdef uint32_t pool = 0
        cdef int held = -skipped * self.bits, value, byte, before = 0
        if size < TEXT or size >= ANY_FILE:
            return size >= ANY_FILE
        while made < size:
            value = values[text[at]]
            at += step
            if value >= OTHER:
                continue
            pool = pool << self.bits | value
            held += self.bits
            if held < 8:
                continue
            held -= 8
            byte = pool >> held & 0xFF
            made += 1
            if made == 2 and size >= FILE and self.openings[before << 8 | byte]:
                return True
            printable = printable + 1 if 0x20 <= byte < 0x7F else 0
            if scraps and printable == SCRAP:
                return True
            unprintable += (byte < 0x20 and not 0x09 <= byte <= 0x0D) or byte == 0x7F
            broken += before < 0x80 if 0x80 <= byte < 0xC0 else before >= 0xC0
            zeros += byte == 0
            before = byte
            if not scraps and unprintable > most and 3 * (zeros + size - made) <= size:
                return False
        broken += before >= 0xC0
        return 3 * zeros > size or (unprintable <= most and broken <= most)


def runs(const uint8_t[::1] text, const uint8_t[::1] kinds, Py_ssize_t shortest, Py_ssize_t least):
    if shortest < 1:
        raise ValueError(f"a run has at least one byte, not {shortest}")
    found = []
    cdef Py_ssize_t first = next_run(text, kinds, 0, shortest), last, place, count
    cdef bint enough = False
    while first < text.shape[0]:
        last = run_end(text, kinds, first)
        count = 0
        for place in range(first, last):
            count += kinds[text[place]] > 1
        enough = enough or count >= least
        found.append((first, last))
        first = next_run(text, kinds, last, shortest)
    return found if enough else []


cdef inline Py_ssize_t next_run(
    const uint8_t[::1] text, const uint8_t[::1] kinds, Py_ssize_t at, Py_ssize_t shortest
) except -1 nogil:
    """Where the next run of at least `shortest` bytes that have a kind begins; else the end of the text."""
    cdef Py_ssize_t place = at + shortest
    while place <= text.shape[0]:
        # Its last byte first: where that has none, no run goes over it.
        while place > at and kinds[text[place - 1]]:
            place -= 1
        if place == at:
            return at
        at = place
        place += shortest
    return text.shape[0]


cdef inline Py_ssize_t run_end(const uint8_t[::1] text, const uint8_t[::1] kinds, Py_ssize_t at) except -1 nogil:
    """Where the run ends that begins at `at`."""
    while at < text.shape[0] and kinds[text[at]]:
        at += 1
    return at


cdef Py_ssize_t next_line(const uint8_t[::1] text, Py_ssize_t at) except -1 nogil:
    """Where the next line begins, behind marks of quotation and blanks, if this one has only blanks left; else the end
    of the text."""
    cdef Py_ssize_t most = min(at + 8, text.shape[0])
    while at < most and text[at] in b" \t":
        at += 1
    if at < text.shape[0] and text[at] == b"\r":
        at += 1
    if at == text.shape[0] or text[at] != b"\n":
        return text.shape[0]
    at += 1
    most = min(at + 16, text.shape[0])
    while at < most and text[at] in b">| \t":
        at += 1
    return at
